"""Which component can reach which: the second question."""
