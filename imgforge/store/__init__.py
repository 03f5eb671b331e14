"""Bytes on this disk: the store of images, and the cache of everything that may be deleted at no loss."""
