"""CBOR-RPC, the wire that Coordinate speaks: CBOR (RFC 8949) messages in frames of tag 24.

Rule: nothing here knows what the messages mean, and importing it does no I/O.
"""

from .client import Client, RemoteError
from .decode import loads
from .encode import dumps
from .errors import CBORError, DecodeError, EncodeError, FrameError, RPCError
from .tags import UNDEFINED, Encoded, Simple, Tag

__all__ = [
    "UNDEFINED",
    "CBORError",
    "Client",
    "DecodeError",
    "EncodeError",
    "Encoded",
    "FrameError",
    "RPCError",
    "RemoteError",
    "Simple",
    "Tag",
    "dumps",
    "loads",
]
