"""A registry in memory, on the loopback interface, that behaves as one of those that people use."""
