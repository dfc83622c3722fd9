"""Servers and their clients as processes of their own, and a raw connection to a server."""
