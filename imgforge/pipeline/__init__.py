"""The pipeline: lock and build, from a manifest to an image. Read top to bottom, these modules are the program."""
