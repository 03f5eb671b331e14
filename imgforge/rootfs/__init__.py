"""Root filesystems: a layer's entries become files, and what a script changed becomes a layer's entries again."""
