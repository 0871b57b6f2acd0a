"""The same platform on this machine: an embedded AWS that runs what the stacks declare."""
