"""The benchmark: the daemon against the floor and the original.

A row is a function that takes a `Bench` (rounds.py) and returns lines of the table (table.py). It
has a name in ROWS, in __main__.py. calls.py and large.py are rows, and any file beside them may be.
"""
