"""The commands that an operator or a pipeline runs: images, releases, deployments."""
