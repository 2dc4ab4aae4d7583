"""Events and products taken in by a collector of the installation, on the network or without."""
