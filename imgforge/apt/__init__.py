"""APT archives: sources, mirrors, signed Release files, indices of packages and the files of a pool."""
