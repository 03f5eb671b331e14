"""Compare two images or two locks: packages, files, configuration, layers.

Pure: takes what is known of both sides, returns the differences. The first side is `before`, regardless of age.
"""
