"""Whether there is any way out or in: the first question."""
