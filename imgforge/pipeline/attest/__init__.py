"""What is told of a build: evidence, measured and signed."""
