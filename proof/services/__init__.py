"""Whether services that are called and endpoints match: the fourth question."""
