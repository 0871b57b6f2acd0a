"""CDK constructs for a machine-learning platform in a network with no way out."""
