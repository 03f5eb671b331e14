"""What is known of images that are there: their trees, packages and files."""
