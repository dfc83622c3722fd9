"""HTTP/1.1 on the daemon's own listener: connections, routes, access.  Knows nothing of the queue.

Rule: an application is called with a request and returns an answer; it never sees a socket.  What
it is made of is a table of routes (`routes`).
"""

from .access import ADMIN, PUBLIC, READ, WORK, Access, Token
from .limits import HttpCounts, HttpLimits
from .messages import Answer, HttpError, Request
from .routes import App, Route
from .server import HttpServer

__all__ = [
    "ADMIN",
    "PUBLIC",
    "READ",
    "WORK",
    "Access",
    "Answer",
    "App",
    "HttpCounts",
    "HttpError",
    "HttpLimits",
    "HttpServer",
    "Request",
    "Route",
    "Token",
]
