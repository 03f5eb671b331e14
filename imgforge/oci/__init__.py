"""The OCI image formats: descriptors, manifests, indexes, configs, references. No I/O."""
