"""The fuzzer of `scripts/` itself: it finds the faults that are planted, and shows what does it."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import SearchStrategy

import scripts.fuzzing.__main__ as fuzz
import scripts.fuzzing.codec
import scripts.fuzzing.framing
import scripts.fuzzing.run
import scripts.fuzzing.talk
from goordinate.cborrpc.decode import decode_item, loads, skip_item
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.errors import FrameError, FrameTooLarge
from goordinate.cborrpc.framing import FrameReader, frame
from goordinate.cborrpc.heads import NULL
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.messages import Dispatcher
from goordinate.jobserver.locks import LockCalls
from goordinate.jobserver.specs import SpecCalls
from scripts.fuzzing.codec import Codec
from scripts.fuzzing.framing import Framing
from scripts.fuzzing.inputs import items, pieces
from scripts.fuzzing.run import Found, Target, run
from scripts.fuzzing.served import job_server
from scripts.fuzzing.server import Served
from scripts.fuzzing.talk import GOOD, Sending, Talk, sendings
from scripts.processes.server import ROOT

pytestmark = pytest.mark.once

SECONDS = 300.0
"""In which a planted fault is found, on a busy machine; mostly it takes less than two."""

few = settings(
    max_examples=200, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Without the warnings of the job server, of which there are many."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def find(target: Target, *, shrink: bool = True) -> Found:
    found = run(target, SECONDS, 1, shrink=shrink)
    assert found is not None
    return found


# --- inputs and the run ---------------------------------------------------------------------------


class Collector(Target):
    """Remembers its inputs."""

    name = "collector"
    round = 10

    def __init__(self, inputs: SearchStrategy[Any]) -> None:
        super().__init__()
        self.inputs = inputs
        self.seen: list[Any] = []
        self.settled = 0

    def attempt(self, given: Any) -> None:
        self.seen.append(given)

    def settle(self) -> None:
        self.settled += 1
        if self.settled == 2:
            raise RuntimeError("after the second round")


@pytest.mark.parametrize("target", [Codec, Framing, Served])
def test_a_seed_tells_the_inputs(target: type[Target]) -> None:
    def inputs(number: int) -> list[Any]:
        collector = Collector(target.inputs)
        assert run(collector, SECONDS, number) is not None
        return collector.seen

    assert inputs(1) == inputs(1)
    assert inputs(1) != inputs(2)


def test_a_fault_after_a_round_is_found() -> None:
    found = find(Collector(items))
    assert str(found.fault) == "after the second round"
    assert (found.round, found.shown_by, found.again) == (1, None, False)


@few
@given(items)
def test_items_are_well_formed(item: bytes) -> None:
    assert skip_item(item, 0, 100) == len(item)


def test_pieces_are_of_the_whole() -> None:
    assert pieces(b"abc", [0, 1, 3]) == [b"", b"a", b"bc", b""]


@pytest.mark.parametrize(
    ("target", "kinds"),
    [
        (Codec(), {"values", "DecodeError", "NestedTooDeep", "results", "error responses"}),
        (Framing(), {"messages", "FrameError"}),
    ],
    ids=["codec", "framing"],
)
def test_everything_comes_up(target: Target, kinds: set[str]) -> None:
    # Of a few hundred, one in six runs has none that is nested too deep.
    seed(1)(settings(few, max_examples=1000)(given(target.inputs)(target.attempt)))()
    assert target.counts["inputs"] > 500
    assert kinds - set(target.counts) == set()


def test_a_fault_that_needs_two_inputs_is_shown_by_two(monkeypatch: pytest.MonkeyPatch) -> None:
    def clear(self: SpecCalls) -> float:
        return 1 / (self._namespace.clear() == 0)

    monkeypatch.setattr(SpecCalls, "clear", clear)
    found = find(Codec())
    assert str(found.fault).startswith("an internal error: ")
    assert found.again
    assert b"set_work_spec" in found.shown_by[0]
    assert b"clear" in found.shown_by[-1]
    # Hypothesis may keep a request that is not needed.
    assert 2 <= len(found.shown_by) <= 4


def test_only_the_inputs_of_the_run_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def attempt(self: Codec, given: list[bytes]) -> None:
        original(self, given)
        completed.append(len(given))

    completed: list[int] = []
    original = Codec.attempt
    monkeypatch.setattr(Codec, "attempt", attempt)
    monkeypatch.setattr(scripts.fuzzing.codec, "loads", broken_loads)
    target = Codec()
    found = find(target, shrink=False)
    assert found.again
    assert sum(completed) < target.counts["inputs"] <= sum(completed) + len(found.shown_by)
    again = Codec()
    find(again)
    assert again.counts == target.counts


def test_what_takes_too_long_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(data: bytes) -> object:
        time.sleep(SECONDS if data[:1] == b"\xa3" else 0)
        return loads(data)

    monkeypatch.setattr(scripts.fuzzing.run, "PATIENCE", 0.5)
    monkeypatch.setattr(scripts.fuzzing.codec, "loads", slow)
    assert str(find(Codec(), shrink=False).fault) == "not done in 0.5 s"


# --- the codec ------------------------------------------------------------------------------------


def broken_loads(data: bytes) -> object:
    if b"\xc1" in data:
        raise IndexError
    return loads(data)


def greedy_loads(data: bytes) -> object:
    return decode_item(data, 0, 256)[0]


def forgetful_dumps(value: object) -> bytes:
    return dumps(list(value) if isinstance(value, tuple) else value)


def lenient_skip_item(buf: bytes, pos: int, depth: int) -> int:
    return pos + 2 if buf[pos : pos + 1] == b"\xf8" else skip_item(buf, pos, depth)


# What is put in the place of what, the fault, and how many bytes show it at the most.
CODEC_FAULTS: list[tuple[str, Callable[..., Any], str, int]] = [
    ("loads", broken_loads, "", 120),  # in two messages, for some seeds
    ("loads", greedy_loads, "loads takes what skip_item refuses", 3),
    ("dumps", forgetful_dumps, "what dumps writes is not what loads gave", 10),
    ("skip_item", lenient_skip_item, "skip_item and RFC 8949 do not agree", 3),
]


@pytest.mark.parametrize(("name", "planted", "what", "most"), CODEC_FAULTS)
def test_faults_of_the_codec_are_found(
    name: str, planted: object, what: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts.fuzzing.codec, name, planted)
    found = find(Codec())
    assert str(found.fault).startswith(what)
    assert isinstance(found.fault, AssertionError if what else IndexError)
    assert found.again
    assert sum(map(len, found.shown_by)) <= most


def test_internal_errors_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LockCalls, "readlock", None)
    found = find(Codec())
    assert str(found.fault) == "an internal error: internal error in readlock: TypeError"
    assert b"readlock" in found.shown_by[-1]


def test_answers_to_others_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(self: Dispatcher, message: bytes) -> bytes:
        return original(self, message).replace(b"Bid\x01", b"Bid\x02", 1)

    original = Dispatcher.answer
    monkeypatch.setattr(Dispatcher, "answer", answer)
    assert str(find(Codec()).fault).startswith("an answer has the id of another request")


# --- framing --------------------------------------------------------------------------------------


class Forgetful(FrameReader):
    """Loses what a single byte completes."""

    def feed(self, chunk: bytes) -> list[bytes]:
        messages = super().feed(chunk)
        return [] if len(chunk) == 1 else messages


class Hoarder(FrameReader):
    """Keeps more than has arrived."""

    @property
    def pending(self) -> int:
        return 2 * super().pending


class Careless(FrameReader):
    """Takes the bytes of a message without its last one."""

    def feed(self, chunk: bytes) -> list[bytes]:
        return [message[:-1] for message in super().feed(chunk)]


@pytest.mark.parametrize(
    ("planted", "what"),
    [
        (Forgetful, "the pieces make a difference"),
        (Hoarder, "more is kept than has arrived"),
        (Careless, "other messages than the codec reads"),
    ],
)
def test_faults_of_framing_are_found(
    planted: type[FrameReader], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts.fuzzing.framing, "FrameReader", planted)
    found = find(Framing())
    assert str(found.fault).startswith(what)
    assert found.again
    (data,) = found.shown_by.streams
    assert len(data) < 40


# --- a connection ---------------------------------------------------------------------------------

Answer = Callable[[bytes], bytes]
"""A message in, all that is sent back out."""


def serve(sock: socket.socket, answer: Answer) -> None:
    """Answer what comes on a connection, up to what is no frame, or null."""
    reader = FrameReader()
    while chunk := sock.recv(1 << 16):
        messages = reader.feed(chunk)
        while messages:
            for message in messages:
                if message == NULL:
                    return
                sock.sendall(answer(message))
            messages = reader.feed(b"") if reader.pending else []


def refuse(sock: socket.socket) -> None:
    """Answer a frame that is too large, and end the connection when the client does."""
    sock.sendall(frame(dumps({b"id": None, b"error": {b"message": b"too large"}})))
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(1 << 16):
        pass


@contextlib.contextmanager
def listening(answer: Answer) -> Iterator[int]:
    """The port of a server that answers so, one connection after the other."""

    def accept() -> None:
        with contextlib.suppress(OSError):  # the end
            while True:
                sock, _ = listener.accept()
                with sock, contextlib.suppress(OSError, FrameError):
                    try:
                        serve(sock, answer)
                    except FrameTooLarge:
                        refuse(sock)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(SECONDS)


DISPATCHER = Dispatcher(job_server().methods)


def right(message: bytes) -> bytes:
    return frame(DISPATCHER.answer(message))


def failing(message: bytes) -> bytes:
    raise ConnectionAbortedError


def say_internal_error(message: bytes) -> bytes:
    said = {b"message": b"internal error in now"}
    return frame(dumps({b"id": loads(message)[b"id"], b"error": said}))


def fault_of(answer: Answer) -> str:
    """What is wrong with a server that answers so."""
    sending = Sending(GOOD, [GOOD * 3])
    with listening(answer) as port, contextlib.closing(Talk(port, Limits(), Counter())) as talk:
        with pytest.raises(AssertionError) as caught:
            talk.ask(sending)
        return str(caught.value)


# How a server answers, and what is said of it.
ANSWERS: list[tuple[Answer, str]] = [
    (failing, "the connection is closed without a reason"),
    (lambda message: right(message) * 2, "there are more answers than messages"),
    (lambda message: right(message)[4:], "what comes back is not in frames"),
    (lambda message: b"HTTP/1.1 400\r\n\r\n", "what comes back is not in frames"),
    (lambda message: frame(b"\xa1"), "an answer is not well-formed"),
    (lambda message: frame(b"\xa0\xa0"), "an answer is more than one item"),
    (lambda message: frame(b"\xa0"), "an answer is no response"),
    (lambda message: frame(b"\x80"), "one request has a list of answers"),
    (lambda message: frame(b"\xa2Bid\x01Fresult\xf6"), "an answer has the id of another request"),
    (say_internal_error, "an internal error"),
]


@pytest.mark.parametrize(("answer", "what"), ANSWERS, ids=[what for _, what in ANSWERS])
def test_wrong_answers_are_found(answer: Answer, what: str) -> None:
    assert fault_of(answer).startswith(what)


def test_a_frame_that_is_refused_without_a_word_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "refuse", lambda sock: None)
    too_large = Sending(b"", [b"\xd8\x18\x5a\xff\xff\xff\xff"])
    with (
        listening(right) as port,
        contextlib.closing(Talk(port, Limits(), Counter())) as talk,
        pytest.raises(AssertionError, match="a frame is refused without a word"),
    ):
        talk.ask(too_large)


def test_silence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts.fuzzing.talk, "WAIT", 0.5)
    assert fault_of(lambda message: b"") == "nothing happens for 0.5 s"


def test_right_answers_are_no_faults() -> None:
    counts: Counter[str] = Counter()

    @few
    @given(sendings)
    def ask(sending: Sending) -> None:
        with contextlib.closing(Talk(port, Limits(), counts)) as talk:
            talk.ask(sending)

    with listening(right) as port:
        ask()
    assert counts["answers"] > 400
    assert 0 < counts["closed connections"] < 200


# --- the daemon -----------------------------------------------------------------------------------

PROGRAM = """
import logging, os, sys
from goordinate.cborrpc.server.connection import Connection
from goordinate.daemon import main
from goordinate.jobserver.daemon_info import DaemonCalls
from goordinate.jobserver.specs import SpecCalls

{}
sys.exit(main())
"""

# What is changed in the daemon, and what is said of it.
DAEMON_FAULTS = [
    ("DaemonCalls.now = lambda self: 0.0", "a good client gets a wrong answer"),
    # An answer tells it, or the log if the client has left.
    (
        "SpecCalls.list_work_specs = lambda self, options: 1 / 0",
        "an internal error|the log tells of a fault: .*ZeroDivisionError",
    ),
    (
        "SpecCalls.list_work_specs = lambda self, options: self._namespace.clear()",
        "the work of a good client is harmed",
    ),
    (
        "SpecCalls.list_work_specs = lambda self, options: logging.error('wrong')",
        "the log tells of a fault",
    ),
    ("Connection.close = lambda self: (self.readable.close(), os.dup(2))", "descriptors stay open"),
]


def served(folder: Path, planted: str) -> Served:
    program = folder / "planted.py"
    program.write_text(PROGRAM.format(planted))
    target = Served([str(program)])
    target.round = 100
    return target


def test_a_daemon_without_faults_is_served(tmp_path: Path) -> None:
    target = served(tmp_path, "")
    few(given(target.inputs)(target.attempt))()
    target.settle()
    assert target.counts["good clients served"] == target.counts["inputs"] > 100
    assert target.counts["frames_malformed"] > 0


@pytest.mark.parametrize(
    ("planted", "what"), DAEMON_FAULTS, ids=[what for _, what in DAEMON_FAULTS]
)
def test_faults_of_the_daemon_are_found(planted: str, what: str, tmp_path: Path) -> None:
    found = find(served(tmp_path, planted), shrink=False)
    assert re.match(what, str(found.fault), re.DOTALL)


# --- the program ----------------------------------------------------------------------------------


def test_a_run_prints_its_seed_and_counts() -> None:
    command = [sys.executable, "-m", "scripts.fuzzing", "--seconds", "6", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done
    counts = "[1-9][0-9,]* inputs, [1-9][0-9,]* bytes, .*"
    expected = ["seed 7", *(f"{name}: {counts}" for name in ("codec", "framing", "server"))]
    assert re.fullmatch("\n".join(expected) + "\n", done.stdout), done


def test_a_run_that_finds_a_fault_prints_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scripts.fuzzing.codec, "loads", broken_loads)
    options = ["--seconds", str(SECONDS), "--target", "codec", "--seed", "1"]
    monkeypatch.setattr(sys, "argv", ["fuzz", *options])
    assert fuzz.main() == 1
    printed = capsys.readouterr().out
    assert printed.startswith("seed 1\ncodec: ")
    assert "\nFAULT in codec, round 0: IndexError" in printed
    assert re.search(r"\nThis input shows it:\n\[b['\"].*\\xc1.*\]\n$", printed)
