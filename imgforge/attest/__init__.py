"""Attestations: SBOMs, provenance and the build report, from the build's own knowledge instead of a scan.

All functions are pure: the same knowledge gives the same JSON. They return JSON objects and predicate types; callers
sign and publish them.
"""
