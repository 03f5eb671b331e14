"""Layers: the normalised content of packages, and how it is grouped into the tars of an image."""
