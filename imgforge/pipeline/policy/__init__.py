"""The policy, put to bases, sources, layers and images on their way out."""
