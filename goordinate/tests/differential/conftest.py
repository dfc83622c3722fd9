"""A pair of daemons, the original and ours, for the tests of a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from goordinate.tests.differential.daemons import DaemonProcess, original_command, our_command
from goordinate.tests.differential.pair import Pair

StartPair = Callable[[dict[str, object]], Pair]


def starter(folder: pytest.TempPathFactory) -> Iterator[StartPair]:
    """A function that starts a pair with a configuration; both end with the generator."""
    daemons: list[DaemonProcess] = []
    pairs: list[Pair] = []

    def start(configuration: dict[str, object]) -> Pair:
        for name, command in (("original", original_command()), ("ours", our_command())):
            daemons.append(DaemonProcess(command, folder.mktemp(name), configuration))
        pairs.append(Pair(*(daemon.connect for daemon in daemons[-2:])))
        return pairs[-1]

    yield start
    for pair in pairs:
        pair.close()
    for daemon in daemons:
        daemon.stop()


@pytest.fixture(scope="session")
def session_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One pair for all tests of a process that leave it as they found it."""
    starting = starter(tmp_path_factory)
    yield next(starting)({})
    next(starting, None)


@pytest.fixture
def pair(session_pair: Pair) -> Pair:
    """Both daemons without specs and workers."""
    session_pair.begin()
    return session_pair


@pytest.fixture
def start_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartPair]:
    """Pairs of its own for a test that needs a configuration or spoils the original."""
    yield from starter(tmp_path_factory)
