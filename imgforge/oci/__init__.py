"""The OCI image formats as values: descriptors, manifests, indexes, configs, references. No I/O."""
