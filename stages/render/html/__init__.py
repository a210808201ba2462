"""A static site that is read from files, without scripts and without the network."""
