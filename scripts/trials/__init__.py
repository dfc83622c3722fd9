"""The fault test and the soak: the daemon among good clients and all kinds of bad ones.

faults.py and soak.py are scenarios, which __main__.py lists in SCENARIOS. The other modules are the
clients, each kind a process of its own, and what the scenarios share.
"""
