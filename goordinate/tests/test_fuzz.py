"""The fuzzer of `scripts/` itself: it finds the faults that are planted, and shows what does it."""

from __future__ import annotations

import contextlib
import random
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

from goordinate.cborrpc.decode import decode_item, loads, skip_item
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.errors import FrameError
from goordinate.cborrpc.framing import FrameReader, frame
from goordinate.cborrpc.heads import NULL
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.messages import Dispatcher
from goordinate.jobserver.locks import LockCalls
from goordinate.jobserver.specs import SpecCalls

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

import fuzz
import fuzzing.codec
import fuzzing.framing
import fuzzing.run
import fuzzing.talk
from fuzzing.codec import Codec
from fuzzing.framing import Framing
from fuzzing.grammar import Grammar
from fuzzing.inputs import Messages, Streams
from fuzzing.requests import job_server
from fuzzing.run import Fault, Found, Target, run
from fuzzing.server import GOOD, Served
from fuzzing.talk import Talk

pytestmark = pytest.mark.once

SECONDS = 30.0
"""In which a planted fault is found; mostly it takes less than one."""


def rng() -> random.Random:
    return random.Random(1)


def find(target: Target) -> Found:
    found = run(target, SECONDS)
    assert found is not None
    return found


# --- inputs ---------------------------------------------------------------------------------------


def test_a_seed_tells_the_inputs() -> None:
    def inputs(seed: int) -> list[bytes]:
        streams = Streams(Messages(random.Random(seed)))
        return [streams.stream() for _ in range(200)]

    assert inputs(1) == inputs(1)
    assert inputs(1) != inputs(2)


def test_items_of_the_grammar_are_well_formed() -> None:
    grammar = Grammar(rng())
    for _ in range(1000):
        item = grammar.item()
        assert skip_item(item, 0, 100) == len(item)


def test_inputs_that_show_something_new_are_tried_again() -> None:
    messages = Messages(rng())
    for number in range(20):
        messages.learn(b"new %d" % number, f"{number}")
        messages.learn(b"old", "0")
    known = [messages.known() for _ in range(1000)]
    assert {b"new %d" % number for number in range(20)} <= set(known)
    assert b"old" not in known


@pytest.mark.parametrize(
    ("make", "kinds"),
    [
        (Codec, {"values", "DecodeError", "NestedTooDeep", "results", "error responses"}),
        (Framing, {"messages", "FrameError"}),
    ],
)
def test_everything_comes_up(make: Callable[[random.Random], Target], kinds: set[str]) -> None:
    target = make(rng())
    target.renew()
    for _ in range(1000):
        target.attempt(target.make())
    target.settle()
    assert target.counts["inputs"] == 1000
    assert all(target.counts[kind] > 5 for kind in kinds)


# --- the run --------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [b"..x......y....", b"xy", b"x" + b"." * 1000 + b"y"])
def test_shrinking_leaves_what_is_needed(whole: bytes) -> None:
    def enough(less: bytes) -> bool:
        return b"x" in less and b"y" in less

    assert fuzzing.run.shrink(whole, enough) == b"xy"


def test_a_fault_that_needs_two_inputs_is_shown_by_two(monkeypatch: pytest.MonkeyPatch) -> None:
    def clear(self: SpecCalls) -> float:
        return 1 / (self._namespace.clear() == 0)

    monkeypatch.setattr(SpecCalls, "clear", clear)
    target = Codec(rng())
    found = find(target)
    assert found.fault.what == "an internal error"
    assert found.again
    assert len(found.inputs) == 2


def test_only_the_inputs_of_the_run_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(self: Codec) -> bytes:
        made.append(original(self))
        return made[-1]

    made: list[bytes] = []
    original = Codec.make
    monkeypatch.setattr(Codec, "make", make)
    monkeypatch.setattr(fuzzing.codec, "loads", broken_loads)
    target = Codec(rng())
    assert find(target).again
    assert target.counts["inputs"] == len(made)


def test_what_takes_too_long_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(data: bytes) -> object:
        time.sleep(SECONDS if data[:1] == b"\xa3" else 0)
        return loads(data)

    monkeypatch.setattr(fuzzing.run, "PATIENCE", 0.5)
    monkeypatch.setattr(fuzzing.run, "SHRINKING", 0.5)
    monkeypatch.setattr(fuzzing.codec, "loads", slow)
    assert find(Codec(rng())).fault.what == "not done in 0.5 s"


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


# What is put in the place of what, the fault, and what shows it at the least.
CODEC_FAULTS: list[tuple[str, Callable[..., Any], str, str]] = [
    ("loads", broken_loads, "IndexError", "c1"),
    ("loads", greedy_loads, "loads takes what skip_item refuses", "...."),
    ("dumps", forgetful_dumps, "what dumps writes is not what loads gave", "d8808[01].*"),
    ("skip_item", lenient_skip_item, "skip_item and RFC 8949 do not agree", "f8(..)?"),
]


@pytest.mark.parametrize(("name", "planted", "what", "shown"), CODEC_FAULTS)
def test_faults_of_the_codec_are_found(
    name: str, planted: object, what: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzzing.codec, name, planted)
    found = find(Codec(rng()))
    assert found.fault.what == what
    assert found.again
    (data,) = found.inputs
    assert re.fullmatch(shown, data.hex())


def test_internal_errors_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LockCalls, "readlock", None)
    found = find(Codec(rng()))
    assert str(found.fault) == "an internal error: internal error in readlock: TypeError"
    assert b"readlock" in found.inputs[-1]


def test_answers_to_others_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(self: Dispatcher, message: bytes) -> bytes:
        return original(self, message).replace(b"Bid\x01", b"Bid\x02", 1)

    original = Dispatcher.answer
    monkeypatch.setattr(Dispatcher, "answer", answer)
    assert find(Codec(rng())).fault.what == "an answer has the id of another request"


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
    monkeypatch.setattr(fuzzing.framing, "FrameReader", planted)
    found = find(Framing(rng()))
    assert found.fault.what == what
    assert found.again
    assert len(found.inputs[0]) < 10


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


@contextlib.contextmanager
def listening(answer: Answer) -> Iterator[tuple[str, int]]:
    """The address of a server that answers so, one connection after the other."""

    def accept() -> None:
        with contextlib.suppress(OSError):  # the end
            while True:
                sock, _ = listener.accept()
                with sock, contextlib.suppress(OSError, FrameError):
                    serve(sock, answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()
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


def fault_of(answer: Answer) -> Fault:
    """What is wrong with a server that answers so."""
    with listening(answer) as address:
        talk = Talk(address, Limits(), Counter())
        with contextlib.closing(talk), pytest.raises(Fault) as caught:
            talk.ask(GOOD * 3, random.Random(0))  # in one piece
    return caught.value


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
    assert fault_of(answer).what == what


def test_silence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing.talk, "WAIT", 0.5)
    assert fault_of(lambda message: b"").what == "nothing happens for 0.5 s"


def test_right_answers_are_no_faults() -> None:
    streams = Streams(Messages(rng()))
    counts: Counter[str] = Counter()
    with listening(right) as address:
        for number in range(200):
            with contextlib.closing(Talk(address, Limits(), counts)) as talk:
                talk.ask(GOOD + streams.stream() + GOOD, random.Random(number))
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
    ("SpecCalls.list_work_specs = lambda self, options: 1 / 0", "an internal error"),
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


def served(stack: contextlib.ExitStack, folder: Path, planted: str) -> Served:
    program = folder / "daemon.py"
    program.write_text(PROGRAM.format(planted))
    target = Served(rng(), stack, [str(program)])
    target.lifetime = 200
    return target


def test_a_daemon_without_faults_is_served(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        target = served(stack, tmp_path, "")
        assert run(target, 2.0) is None
    assert target.counts["good clients served"] == target.counts["inputs"] > 20
    assert target.counts["frames_malformed"] > 0


@pytest.mark.parametrize(
    ("planted", "what"), DAEMON_FAULTS, ids=[what for _, what in DAEMON_FAULTS]
)
def test_faults_of_the_daemon_are_found(
    planted: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzzing.run, "SHRINKING", 0.0)
    with contextlib.ExitStack() as stack:
        found = find(served(stack, tmp_path, planted))
    assert found.fault.what == what


# --- the program ----------------------------------------------------------------------------------


def test_a_run_prints_its_seed_and_counts() -> None:
    command = [sys.executable, fuzz.__file__, "--seconds", "3", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done
    counts = "[1-9][0-9,]* inputs, [1-9][0-9,]* bytes, .*"
    expected = ["seed 7", *(f"{name}: {counts}" for name in ("codec", "framing", "server"))]
    assert re.fullmatch("\n".join(expected) + "\n", done.stdout), done


def test_a_run_that_finds_a_fault_prints_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuzzing.codec, "loads", broken_loads)
    options = ["--seconds", str(SECONDS), "--target", "codec", "--seed", "1"]
    monkeypatch.setattr(sys, "argv", ["fuzz.py", *options])
    assert fuzz.main() == 1
    printed = capsys.readouterr().out
    assert printed.startswith("seed 1\ncodec: ")
    assert "\nFAULT in codec: IndexError" in printed
    assert printed.endswith("\nThese inputs show it:\nc1\n")
