"""The resolver: from requests and what an archive offers to the packages to install, by APT's own rules."""
