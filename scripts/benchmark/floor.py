"""The floor under every measured server: what gevent alone costs for a request and an answer.

A gevent StreamServer whose connections each do one `recv` and one `send` a request: it sends a
fixed frame, a well-formed answer, and looks at nothing. It serves only clients that wait for each
answer and whose requests fit in one `recv`. The system chooses the port.

    python -m scripts.benchmark.floor ANSWER_BYTES
"""

from __future__ import annotations

import contextlib
import sys

from gevent.server import StreamServer
from gevent.socket import socket

from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.framing import frame


def fixed_frame(size: int) -> bytes:
    """A frame of about `size` bytes: the answer {id: 1, result: (filler, None)}."""
    empty = len(frame(dumps({b"id": 1, b"result": (b"", None)})))
    return frame(dumps({b"id": 1, b"result": (bytes(max(0, size - empty)), None)}))


def main() -> None:
    """Serve until killed."""
    answer = fixed_frame(int(sys.argv[1]))

    def serve(sock: socket, _address: object) -> None:
        # A client that closes with an answer unread resets the connection.
        with contextlib.suppress(ConnectionError):
            while sock.recv(65536):
                sock.send(answer)

    StreamServer(("127.0.0.1", 0), serve, backlog=1024).serve_forever()


if __name__ == "__main__":
    main()
