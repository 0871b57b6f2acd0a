"""Which role can do what, where: the third question."""
