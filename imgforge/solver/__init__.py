"""The dependency resolver: selects the packages to install by APT's rules."""
