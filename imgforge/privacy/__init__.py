"""The secret scan: searches everything that an image would publish, that is, the bytes of each layer and its config.

Pure: takes bytes, returns findings. The policy decides which findings are allowed.
"""
