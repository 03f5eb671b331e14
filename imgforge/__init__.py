"""imgforge: Debian-based OCI images from a YAML manifest."""

__version__ = "0.1.0"
