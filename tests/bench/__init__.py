"""The benchmark: imgforge beside buildah, mmdebstrap and apt-get on one machine; see docs/benchmark.md."""
