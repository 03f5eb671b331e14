"""Images of registries: bases, families, and where blobs are."""
