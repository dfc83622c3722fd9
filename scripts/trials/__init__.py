"""The fault test and the soak: the daemon among good clients and all kinds of bad ones."""
