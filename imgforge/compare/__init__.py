"""What is different between two images, or two locks: packages, files, configuration, layers.

Pure: what is known of both sides comes in, differences come out. Nobody asks which is older: the first is `before`.
"""
