"""Image signatures in cosign's formats, and the keys that make them.

No network I/O: signing returns an `attachment.Attachment` to push, and verification takes the pulled bytes.
"""
