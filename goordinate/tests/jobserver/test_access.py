"""No RPC reads or writes a file, runs code or reaches another host: the interpreter would tell."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.api import Backend
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.jobserver.rpc import dispatcher_of, job_server
from goordinate.tests.jobserver.test_parameters import CALLS

#: How the audit events begin (PEP 578) of what reaches beyond the process, or runs what was sent.
REACHING = re.compile(
    r"open|os\.|shutil\.|tempfile\.|socket\.|urllib\.|subprocess\.|pty\.|exec|compile|import|"
    r"marshal\.|pickle\.|ctypes\.|signal\.|sqlite3\."
)

#: Where events go while somebody watches: a hook can never be taken out again.
_watched: list[str] | None = None


def _note(event: str, _: tuple[object, ...]) -> None:
    if _watched is not None and REACHING.match(event):
        _watched.append(event)


sys.addaudithook(_note)


@contextmanager
def watched() -> Iterator[list[str]]:
    """The events of the block."""
    global _watched
    events: list[str] = []
    _watched = events
    try:
        yield events
    finally:
        _watched = None


def test_the_watch_sees_what_there_is() -> None:
    with watched() as events:
        open(__file__).close()
        assert eval("1 + 1") == 2
    assert {"open", "compile", "exec"} <= set(events)


# In memory: another backend may have files, or connections, of its own.
@pytest.mark.parametrize("backend", ["memory"], indirect=True)
@pytest.mark.parametrize("value", [b"/etc/passwd", b"__import__('os').system('true')", b"%s.yaml"])
def test_no_rpc_reaches_beyond_the_process(backend: Backend, clock: Clock, value: bytes) -> None:
    dispatcher = dispatcher_of(job_server(backend, clock))

    def ask(method: str, params: object) -> bytes:
        return dumps({b"id": 1, b"method": method.encode(), b"params": params})

    usual = [ask(method, list(params.values())) for method, params in CALLS.items()]
    # The same, with this in place of each parameter.
    others = [
        ask(method, {**params, name: value}) for method, params in CALLS.items() for name in params
    ]
    for message in usual:  # what is imported late is imported by now
        dispatcher.answer(message)
    with watched() as events:
        for message in usual + others:
            assert dispatcher.answer(message)
    assert events == []
