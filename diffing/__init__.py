"""What a change of the templates comes to, for whoever reviews it."""
