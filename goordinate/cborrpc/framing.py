"""Frames: chunks of bytes in, whole messages out, and back; without I/O.

Rule: a message travels as one CBOR item, tag 24 over a byte string that holds it (RFC 8949
section 3.4.5.1).  An item that comes without the tag is the message itself, as it is for the
original daemon, if it can be one at all: a map, an array, null, or something under another
tag.  (Any other, such as the byte string that a `G` begins, is more likely to be HTTP.)

What is inside a message is not looked at here, only where it ends.
"""

from __future__ import annotations

from typing import Final

from .decode import MAX_DEPTH, read_string
from .encode import bytes_head
from .errors import FrameError, FrameTooLarge
from .heads import ARRAY, BREAK, BYTES, INDEFINITE, MAP, TAG, TEXT
from .limits import MAX_FRAME
from .tags import EMBEDDED

_TAG: Final = b"\xd8\x18"
_HEADS: Final = tuple(_TAG + bytes_head(length) for length in range(256))
_NULL: Final = 0xF6


def frame(message: bytes) -> bytes:
    """The frame that carries `message`, which is the encoding of one item."""
    length = len(message)
    return (_HEADS[length] if length < 256 else _TAG + bytes_head(length)) + message


class FrameReader:
    """Takes the bytes of one connection as they arrive, and gives its messages.

    max_frame: the longest message that is taken, in bytes.  max_depth: how deep a message
    that comes without tag 24 may be nested.

    The work is linear in the bytes fed, in whatever pieces, and the memory is that of the
    bytes that have arrived, whatever length they announce.
    """

    __slots__ = ("_buffer", "_max_depth", "_max_frame", "_scan")

    def __init__(self, max_frame: int = MAX_FRAME, *, max_depth: int = MAX_DEPTH) -> None:
        self._max_frame = max_frame
        self._max_depth = max_depth
        # What has arrived of an item that has not ended, and how far it has been looked at.
        self._buffer = bytearray()
        self._scan = self._new_scan()

    @property
    def pending(self) -> int:
        """How many bytes have arrived that belong to no whole message yet."""
        return len(self._buffer)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The messages that are whole once `chunk` has arrived, in order.

        FrameError if what has arrived can never become a frame, FrameTooLarge if it becomes one
        that is too long, from then on at each call.  If there are whole messages before the
        fault they are given first (bytes are `pending` then, and feed(b"") raises).
        """
        messages: list[bytes] = []
        if self._buffer:
            chunk = self._finish(chunk, messages)
        pos, size, longest = 0, len(chunk), self._max_frame
        while pos < size:
            # Nearly all frames have one of these heads and arrive whole.
            try:
                if chunk[pos] == 0xD8 and chunk[pos + 1] == EMBEDDED:
                    initial = chunk[pos + 2]
                    if initial == 0x58:
                        start = pos + 4
                        end = start + chunk[pos + 3]
                    elif initial == 0x59:
                        start = pos + 5
                        end = start + (chunk[pos + 3] << 8 | chunk[pos + 4])
                    elif 0x40 <= initial < 0x58:
                        start = pos + 3
                        end = start + initial - 0x40
                    else:
                        start = end = size + 1
                    if end <= size and end - start <= longest:
                        messages.append(chunk[start:end])
                        pos = end
                        continue
            except IndexError:
                pass
            pos = self._begin(chunk, pos, messages)
        return messages

    def _new_scan(self) -> _Scan:
        return _Scan(self._max_frame, self._max_depth)

    def _begin(self, chunk: bytes, pos: int, messages: list[bytes]) -> int:
        """Take the item at `pos`, or keep the rest of the chunk until more of it arrives.

        The index from which to go on.
        """
        scan = self._new_scan()
        try:
            if scan.reach_end(chunk, pos):
                messages.append(scan.message(chunk, pos))
                return pos + scan.length
        except FrameError:
            self._buffer += chunk[pos:]
            if not messages:
                raise
        else:
            self._buffer += chunk[pos:]
            self._scan = scan
        return len(chunk)

    def _finish(self, chunk: bytes, messages: list[bytes]) -> bytes:
        """Add the chunk to the item that has begun; what is left of it after the item's end."""
        buffer, scan = self._buffer, self._scan
        buffer += chunk
        if not scan.reach_end(buffer, 0):
            return b""
        messages.append(scan.message(buffer, 0))
        rest = bytes(buffer[scan.length :])
        self._buffer = bytearray()
        self._scan = self._new_scan()
        return rest


# What is open, if it is not an array, map or tag with a number of items still to come:
# something of indefinite length.  In a map keys and values take turns.
_ITEMS, _KEYS, _VALUES, _BYTES, _TEXT = range(-1, -6, -1)
_OPENS: Final = {ARRAY: _ITEMS, MAP: _KEYS, BYTES: _BYTES, TEXT: _TEXT}
_CHUNKS: Final = {_BYTES: BYTES, _TEXT: TEXT}


class _Scan:
    """Looks for the end of one item, head by head, and goes on from there when more arrives.

    Indices are relative to the item's first byte.
    """

    __slots__ = ("_chunked", "_content", "_max_depth", "_max_frame", "_open", "length")

    def __init__(self, max_frame: int, max_depth: int) -> None:
        self._max_frame = max_frame
        self._max_depth = max_depth
        # How many items are still to come in each thing that is open, the innermost last.
        self._open = [1]
        # Where the byte string under tag 24 is: its content, or its head if it is chunked.
        self._content = 0
        self._chunked = False
        # How long the item is, as far as it has been looked at.
        self.length = 0

    def reach_end(self, data: bytes | bytearray, base: int) -> bool:
        """Whether the item at `base` ends in `data`.  FrameError if it can have no end."""
        size = len(data) - base
        while self._open:
            pos = self.length
            start = pos + 1
            if start > size:
                return False
            initial = data[base + pos]
            argument = initial & 31
            if 24 <= argument <= 27:
                start += 1 << (argument - 24)
                if start > size:
                    return False
                argument = int.from_bytes(data[base + pos + 1 : base + start], "big")
            self._pass_head(initial, argument, start)
            if self.length - self._content > self._max_frame:
                raise FrameTooLarge(f"a frame of more than {self._max_frame} bytes")
            while self._open and not self._open[-1]:
                self._open.pop()
        return self.length <= size

    def message(self, data: bytes | bytearray, base: int) -> bytes:
        """What the item at `base`, which has reached its end in `data`, carries."""
        message = bytes(memoryview(data)[base + self._content : base + self.length])
        return read_string(message, 0, 0)[0] if self._chunked else message

    def _pass_head(self, initial: int, argument: int, start: int) -> None:
        """Take account of the head at `length`, and of its content, which is at `start`."""
        pos, top = self.length, self._open[-1]
        major, indefinite = initial >> 5, initial & 31 == INDEFINITE
        if initial == BREAK and top < 0 and top != _VALUES:
            self._open.pop()
            self.length = start
            return
        if initial & 31 > 27 and not (indefinite and major in _OPENS):
            raise self._fault(initial, "begins no item")
        if top in _CHUNKS and (indefinite or major != _CHUNKS[top]):
            raise self._fault(initial, "begins no chunk of the string of indefinite length")
        if pos == 0:
            if major == TAG and argument == EMBEDDED:
                self._content = self.length = start
                return
            if major not in (ARRAY, MAP, TAG) and initial != _NULL:
                raise self._fault(initial, "begins no message")
        elif pos == self._content:
            if major != BYTES:
                raise self._fault(initial, "begins no byte string, which tag 24 is over")
            self._chunked = indefinite
            self._content = pos if indefinite else start

        if top > 0:
            self._open[-1] -= 1
        elif top in (_KEYS, _VALUES):
            self._open[-1] = _VALUES if top == _KEYS else _KEYS
        self.length = start
        if major in (ARRAY, MAP, TAG) and len(self._open) > self._max_depth:
            raise self._fault(initial, "is nested deeper than the limit")
        if indefinite:
            self._open.append(_OPENS[major])
        elif major in (BYTES, TEXT):
            self.length += argument
        elif major in (ARRAY, MAP, TAG):
            self._open.append(argument if major == ARRAY else 2 * argument if major == MAP else 1)

    def _fault(self, initial: int, what: str) -> FrameError:
        return FrameError(f"0x{initial:02x} {what}, at byte {self.length} of a frame")
