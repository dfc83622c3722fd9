"""The benchmark: the daemon against the floor and the original."""
