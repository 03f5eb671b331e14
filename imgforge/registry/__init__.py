"""Registries, as OCI's distribution-spec v1.1 has them: pull, push, referrers, tags."""
