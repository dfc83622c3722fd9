"""The daemon when its table of descriptors is full and it has nothing else to do."""

from __future__ import annotations

import socket
import time

from faulting.report import Report, heading
from faulting.server import Daemon
from faulting.sockets import request

WAITING = 50
IDLE_SECONDS = 3.0
#: The share of a core that is no spinning: one that spins takes all of it.
IDLE_SHARE = 0.2
ACCEPT_SECONDS = 5.0


def check_full_table(report: Report, server: Daemon) -> None:
    """That it serves those it has, waits without spinning, and then takes those that waited."""
    heading(f"Descriptors used up: {WAITING} connections wait for a daemon that can open no more")
    waiting = []
    try:
        with server.no_more_files():
            before = server.stats()["accept_pauses"]
            spent = server.processor_seconds()
            for _ in range(WAITING):
                sock = socket.create_connection(("127.0.0.1", server.port), ACCEPT_SECONDS)
                waiting.append(sock)
                sock.sendall(request("now"))
            time.sleep(IDLE_SECONDS)
            share = (server.processor_seconds() - spent) / IDLE_SECONDS
            stats = server.stats()
        report.check("it accepts none", stats["connections"] == 1, f"{stats['connections']} open")
        report.check(
            "it notices", stats["accept_pauses"] > before,
            f"accept_pauses {stats['accept_pauses'] - before}",
        )  # fmt: skip
        report.check(
            "it waits without spinning",
            share < IDLE_SHARE,
            f"{share:.1%} of its core in {IDLE_SECONDS:g} s",
        )
        since = time.monotonic()
        answered = sum(bool(sock.recv(100)) for sock in waiting)
        report.check(
            "when it can again, it serves those that waited",
            answered == WAITING,
            f"{answered} of {WAITING}, after {time.monotonic() - since:.1f} s",
        )
    finally:
        for sock in waiting:
            sock.close()
    server.rest()
