"""Evidence about an image, from what the build knows and not from scanning: SBOMs, provenance, the build report.

Everything here is pure: the same knowledge gives the same JSON. Each document is handed up as a JSON object with the
type of its statement; who signs it, and where it goes, is decided above.
"""
