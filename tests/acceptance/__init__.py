"""Whole images of the real archive, held against what other people's tools make of the same packages."""
