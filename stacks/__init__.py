"""The stacks of the platform, and the configuration they are built from."""
