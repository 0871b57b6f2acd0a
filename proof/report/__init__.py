"""The proof for people and programs: a page, text, data, and what a terminal shows."""
