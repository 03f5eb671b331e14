"""Signatures of images, as cosign writes and reads them, and the keys that make them.

Nothing here talks to a registry: what is to be pushed comes back as an `attachment.Attachment`, and what was pulled
is handed in as bytes.
"""
