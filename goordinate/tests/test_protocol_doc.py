"""The hex of docs/protocol.md, sent to the server in the order of the page."""

from __future__ import annotations

from pathlib import Path

from goordinate.cborrpc.framing import FrameReader, frame
from goordinate.cborrpc.messages import Dispatcher
from goordinate.coordinate.errors import CoordinateError
from goordinate.jobserver import JobServer
from goordinate.memory import MemoryBackend
from goordinate.tests.conformance.clock import OFFSET, Clock

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"

#: The Unix time at which all of the page happens.
NOW = 1448323200.0


def exchanges() -> list[tuple[bytes, bytes]]:
    """The requests and answers of the page."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    sent = [bytes.fromhex(line[2:]) for line in lines if line.startswith("> ")]
    answered = [bytes.fromhex(line[2:]) for line in lines if line.startswith("< ")]
    return list(zip(sent, answered, strict=True))


def job_server() -> JobServer:
    """An empty queue at that moment."""
    clock = Clock()
    clock.time = NOW - OFFSET
    namespace = MemoryBackend(clock).namespace("")
    return JobServer(namespace, clock=clock, configuration=dict, stats=dict)


def test_every_exchange_of_the_page_is_what_the_server_does() -> None:
    server = job_server()
    dispatcher = Dispatcher(server.methods, expected=(CoordinateError,))
    shown = exchanges()
    assert len(shown) > 15
    for sent, answered in shown:
        (message,) = FrameReader().feed(sent)
        assert frame(dispatcher.answer(message)).hex() == answered.hex(), sent


def test_every_rpc_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for method in job_server().methods:
        names = ", ".join(parameter.name for parameter in method.parameters)
        assert f"`{method.name}({names})`" in text, method.name
