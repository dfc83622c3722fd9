"""The server: connections in, answers out.  The one folder with sockets on this side.

Rule: a greenlet for each connection, which waits in `gevent` and nowhere else; no thread, no
lock.  Requests of one connection are answered in the order in which they came, and what
arrived together is answered together, in one send.  A connection with much to do lets the
others have a turn between any two of its requests.
"""

from .access import Access
from .server import Server

__all__ = ["Access", "Server"]
