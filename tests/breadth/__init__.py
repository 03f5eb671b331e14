"""The most used packages of a release, each alone in an image, compared with apt-get; see docs/breadth.md."""
