"""From locked packages and a manifest's own files to layers."""
