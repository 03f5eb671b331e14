"""YAML and JSON documents written by people, read with the position of every value.

This room does not know the meaning of any file. Manifest, lock and policy describe their keys as attrs classes; `bind`
converts a document to values of those classes and reports all problems at once.
"""
