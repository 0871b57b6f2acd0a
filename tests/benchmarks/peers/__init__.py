"""What our model server is measured against; each runs in an environment of its own."""
