"""The document: a text that somebody wrote in YAML or JSON, read with the position of every value.

Not the meaning of any file: manifest, lock and policy say what they want as attrs classes, and `bind` makes
values of those classes out of a document, with all problems together.
"""
