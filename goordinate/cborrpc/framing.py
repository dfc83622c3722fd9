"""Frames: chunks of bytes in, whole messages out, and back.  There is no I/O here.

Rule: a frame is one CBOR item, tag 24 over a byte string that holds the message (RFC 8949 section
3.4.5.1).  An item without the tag is the message itself, as it is for the original daemon, if it
is a map, an array, null, or has another tag.  (Any other is an error: it is more likely to be
HTTP, whose `G` begins a byte string.)

Messages are not decoded here.  Only their ends are looked for.
"""

from __future__ import annotations

from typing import Final

from .decode import read_string
from .encode import bytes_head
from .errors import FrameError, FrameTooLarge
from .heads import ARRAY, BREAK, BYTES, INDEFINITE, MAP, NULL, TAG, TEXT
from .limits import Limits
from .tags import EMBEDDED, EMBEDDED_HEAD

_HEADS: Final = tuple(EMBEDDED_HEAD + bytes_head(length) for length in range(256))


def frame(message: bytes) -> bytes:
    """The frame that carries `message`, which is the encoding of one item."""
    length = len(message)
    return (_HEADS[length] if length < 256 else EMBEDDED_HEAD + bytes_head(length)) + message


class FrameReader:
    """Splits the bytes of one connection, as they arrive, into messages.

    limits: `max_frame` bounds messages, `max_depth` the nesting of a message without tag 24 (else
    the server checks it).  A change of the limits is in force from the next frame on.

    The time is linear in the bytes received, however they are split into chunks.  A partial frame
    costs only the bytes received so far, whatever length it announces.
    """

    __slots__ = ("_buffer", "_limits", "_scan")

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = Limits() if limits is None else limits
        # The bytes of a partial frame, and how far they have been scanned.
        self._buffer = bytearray()
        self._scan = self._new_scan()

    @property
    def pending(self) -> int:
        """How many bytes of a partial frame have arrived."""
        return len(self._buffer)

    @property
    def partial(self) -> bytes:
        """The bytes of the partial frame.  After a fault, what came after it too."""
        return bytes(self._buffer)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The messages that are complete once `chunk` has arrived, in order.

        Raises FrameError if the bytes can never become a frame, and FrameTooLarge if the frame
        would be too long; then every later call raises the same.  Complete messages before the
        fault are returned first (then `pending` is not 0, and feed(b"") raises).
        """
        messages: list[bytes] = []
        if self._buffer:
            chunk = self._finish(chunk, messages)
        pos, size, longest = 0, len(chunk), self._limits.max_frame
        while pos < size:
            # Nearly all frames have one of these heads, and arrive complete.
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
        return _Scan(self._limits.max_frame, self._limits.max_depth)

    def _begin(self, chunk: bytes, pos: int, messages: list[bytes]) -> int:
        """Add the message at `pos`, or buffer the rest of the chunk until more arrives.

        Returns the index from which to go on.
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
        """Add the chunk to the partial frame.  Returns what follows the end of the frame."""
        buffer, scan = self._buffer, self._scan
        buffer += chunk
        if not scan.reach_end(buffer, 0):
            return b""
        messages.append(scan.message(buffer, 0))
        rest = bytes(buffer[scan.length :])
        self._buffer = bytearray()
        self._scan = self._new_scan()
        return rest


# What `_Scan._open` has for an item of indefinite length; for any other, it has the number of
# remaining items.  In a map keys and values take turns.
_ITEMS, _KEYS, _VALUES, _BYTES, _TEXT = range(-1, -6, -1)
_OPENS: Final = {ARRAY: _ITEMS, MAP: _KEYS, BYTES: _BYTES, TEXT: _TEXT}
_CHUNKS: Final = {_BYTES: BYTES, _TEXT: TEXT}


class _Scan:
    """Looks for the end of one item, head by head.  It continues when more bytes arrive.

    Indices are relative to the first byte of the item.
    """

    __slots__ = ("_chunked", "_content", "_max_depth", "_max_frame", "_open", "length")

    def __init__(self, max_frame: int, max_depth: int) -> None:
        self._max_frame = max_frame
        self._max_depth = max_depth
        # How many items remain in each item that has begun and not ended, the innermost last.
        self._open = [1]
        # The index of the content of the byte string under tag 24; of its head, if it is chunked.
        self._content = 0
        self._chunked = False
        # How many bytes of the item have been scanned; at its end, its length.
        self.length = 0

    def reach_end(self, data: bytes | bytearray, base: int) -> bool:
        """Whether the item at `base` ends in `data`.  Raises FrameError if it can have no end."""
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
                ends_here = not any(self._open)
                raise FrameTooLarge(
                    f"a frame of more than {self._max_frame} bytes",
                    self._content,
                    self.length if ends_here else None,
                )
            while self._open and not self._open[-1]:
                self._open.pop()
        return self.length <= size

    def message(self, data: bytes | bytearray, base: int) -> bytes:
        """The message in the item at `base`, which ends in `data`."""
        message = bytes(memoryview(data)[base + self._content : base + self.length])
        return read_string(message, 0, 0)[0] if self._chunked else message

    def _pass_head(self, initial: int, argument: int, start: int) -> None:
        """Scan the head at `length`; the content of the item is at `start`."""
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
            if major not in (ARRAY, MAP, TAG) and initial != NULL[0]:
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
