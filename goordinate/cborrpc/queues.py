"""What the system holds for a socket: bytes that are not yet read, or not yet acknowledged."""

from __future__ import annotations

import fcntl
import socket
import sys
import termios


def unread(sock: socket.socket) -> int:
    """How many bytes have arrived that the program has not received."""
    return _size(sock, termios.FIONREAD)


def unacknowledged(sock: socket.socket) -> int:
    """How many bytes have been sent that the peer's system has not acknowledged."""
    return _size(sock, termios.TIOCOUTQ)


def _size(sock: socket.socket, queue: int) -> int:
    return int.from_bytes(fcntl.ioctl(sock, queue, bytes(4)), sys.byteorder)
