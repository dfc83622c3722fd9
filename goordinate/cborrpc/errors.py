"""The errors of the wire: one tree, each error carrying its facts.

Whatever is wrong with bytes that came in, or with a value that should go out, is a
`CBORError`; what a method refuses is an `RPCError`.  Nothing else leaves this package.
"""

from __future__ import annotations


class CBORError(ValueError):
    """Base of every fault in CBOR data, in either direction."""


class DecodeError(CBORError):
    """The input is not what it should be: not well-formed, or of another shape.

    `what` says the fault and `offset` the byte of the input where it is (0 is the first).
    """

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what, offset)
        self.what = what
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.what} at byte {self.offset}"


class NestedTooDeep(DecodeError):
    """Arrays, maps and tags are in each other in more levels than are taken."""


class EncodeError(CBORError):
    """A value that CBOR, or this encoder, cannot write; the message names it and its type."""


class FrameError(CBORError):
    """Bytes on a connection that cannot become a frame, or not one that is taken."""


class FrameTooLarge(FrameError):
    """A frame over the size limit, known by its head."""


class RPCError(Exception):
    """What a method raises to answer its call with an error; the text is the answer's message."""


class InvalidRequest(RPCError):
    """A message that is no request, or more than is taken."""


class InvalidParams(RPCError):
    """A call whose parameters the method does not take."""
