"""CloudWatch's alarms, evaluated as it does it: the emulator's own look at no dimension."""
