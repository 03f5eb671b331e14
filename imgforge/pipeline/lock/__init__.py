"""From a manifest and its sources to a lock, and what a lock says against the archive."""
