"""The errors of the wire: one tree, and each error carries its facts.

A fault in bytes that came in, or in a value that should go out, is a `CBORError`.  What a method
refuses is an `RPCError`.
"""

from __future__ import annotations


class CBORError(ValueError):
    """Base of every fault in CBOR data, in either direction."""


class DecodeError(CBORError):
    """The input is not well-formed, or is not of the shape that is expected.

    `what` is the fault in words, `offset` the byte of the input where it is (0 is the first).
    """

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what, offset)
        self.what = what
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.what} at byte {self.offset}"


class NestedTooDeep(DecodeError):
    """Arrays, maps and tags are nested deeper than the limit."""


class EncodeError(CBORError):
    """A value cannot be written.  The message names the value and its type."""


class FrameError(CBORError):
    """The bytes of a connection can never become a frame, or only one that is refused."""


class FrameTooLarge(FrameError):
    """A frame over the size limit, known by its head.

    `start` is the index of the message in the frame.  `size` is the length of the whole frame in
    bytes, None if its head does not tell.
    """

    def __init__(self, what: str, start: int, size: int | None) -> None:
        super().__init__(what)
        self.start = start
        self.size = size


class RPCError(Exception):
    """A method raises this to answer its call with an error.  The text is the error's message."""


class InvalidRequest(RPCError):
    """A message is no request, or exceeds a limit."""


class InvalidParams(RPCError):
    """The parameters of a call are not those that the method takes."""
