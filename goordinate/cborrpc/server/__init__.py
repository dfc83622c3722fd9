"""The server: connections in, answers out.  All sockets of the server are in this folder.

Rule: each connection has a greenlet, which waits only in `gevent`.  There is no thread and no
lock.  Requests of one connection are answered in the order in which they came, and requests that
arrived together are answered together, in one send.  A connection with much to do lets the others
have a turn between any two of its requests.
"""

from .access import Access
from .server import Server

__all__ = ["Access", "Server"]
