"""The search for secrets in everything that an image would carry out: each layer's bytes, and its config.

Pure: bytes come in, findings come out. What is allowed although it looks like a secret is the policy's to say.
"""
