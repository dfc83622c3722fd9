"""RPCs of hierarchical locks: lock, locksome, renew, unlock, readlock, delete_namespace."""

from __future__ import annotations

from typing import Any

import pytest

from goordinate.tests.jobserver.rpc import DONE, Rpc


def path(text: str) -> list[bytes]:
    """`a/b` as a path."""
    return [part.encode() for part in text.split("/")]


def paths(text: str) -> list[list[bytes]]:
    """`a/b c` as a list of paths."""
    return [path(one) for one in text.split()]


def lock(rpc: Rpc, text: str, locker: object = b"w", timeout: float = 0) -> bool:
    """Whether the paths can be locked; the message is there if they cannot."""
    ok, note = rpc.call("lock", locker, timeout, paths(text))
    assert (note is None) == ok
    assert type(ok) is bool
    return ok


def owners(rpc: Rpc, text: str) -> Any:
    """Who holds each of the paths."""
    return rpc.call("readlock", paths(text))


@pytest.mark.parametrize(
    ("held", "wanted", "free"),
    [
        ("a", "a", False),
        ("a", "b", True),
        ("a", "a/b", False),
        ("a", "a/b/c/d", False),
        ("a/b", "a", False),
        ("a/b/c", "a", False),
        ("a/b", "a/c", True),
        ("a/b", "b/a", True),
        ("a/b", "a/b/c", False),
        ("a", "aa", True),
        ("a/b a/c", "a/d", True),
        ("a", "b c a", False),
    ],
)
@pytest.mark.parametrize("locker", [b"w", b"v"])
def test_what_a_lock_excludes(rpc: Rpc, held: str, wanted: str, free: bool, locker: bytes) -> None:
    assert lock(rpc, held, b"w")
    assert lock(rpc, wanted, locker) == free
    expected = dict.fromkeys(held.split(), b"w")
    if free:
        expected |= dict.fromkeys(wanted.split(), locker)
    asked = f"{held} {wanted}"
    assert owners(rpc, asked) == [expected.get(one) for one in asked.split()]


def test_lock_takes_all_or_none(rpc: Rpc) -> None:
    assert lock(rpc, "b/x")
    assert not lock(rpc, "a b c", b"v")
    assert owners(rpc, "a b c b/x") == [None, None, None, b"w"]
    rpc.expect(DONE, "unlock", b"w", paths("b/x"))
    assert lock(rpc, "a b c", b"v")
    assert owners(rpc, "a b c") == [b"v", b"v", b"v"]


@pytest.mark.parametrize("wanted", ["a a", "a a/b", "a/b a"])
def test_paths_of_one_call_exclude_each_other(rpc: Rpc, wanted: str) -> None:
    assert not lock(rpc, wanted)
    assert owners(rpc, wanted) == [None, None]


def test_the_message_says_which(rpc: Rpc) -> None:
    assert lock(rpc, "a/b")
    ok, note = rpc.call("lock", b"v", 0, paths("c a"))
    assert ok is False
    assert b"['a']" in note


def test_locksome_takes_what_it_can(rpc: Rpc) -> None:
    assert lock(rpc, "b")
    keys = [(b"a",), [b"b", b"c"], ["c", b"d"], (b"a", b"x")]
    rpc.expect(([(b"a",), None, ["c", b"d"], None], None), "locksome", b"v", 0, keys)
    assert owners(rpc, "a b b/c c/d a/x") == [b"v", b"w", None, b"v", None]


def test_parts_as_text_and_as_bytes_are_the_same(rpc: Rpc) -> None:
    rpc.expect(DONE, "lock", "w", 0, [("a", b"b")])
    rpc.expect(["w", "w"], "readlock", [[b"a", "b"], ("a", "b")])
    assert not lock(rpc, "a/b", b"v")
    rpc.expect(DONE, "unlock", b"w", [[b"a", b"b"]])


class TestTimeout:
    """How long a lock lasts."""

    @pytest.mark.parametrize(
        ("timeout", "seconds"),
        [(0, 60), (0.5, 0.5), (30, 30), (1_000_000, 1_000_000), (2_000_000, 1_000_000)],
    )
    @pytest.mark.parametrize("method", ["lock", "locksome", "renew"])
    def test_seconds(self, rpc: Rpc, method: str, timeout: float, seconds: float) -> None:
        if method == "renew":
            rpc.expect(DONE, "lock", b"w", 1, paths("a"))
        rpc.call(method, b"w", timeout, paths("a"))
        rpc.clock.advance(seconds - 0.25)
        assert owners(rpc, "a") == [b"w"]
        rpc.clock.advance(0.25)
        assert owners(rpc, "a") == [None]
        assert lock(rpc, "a", b"v")

    @pytest.mark.parametrize("method", ["lock", "locksome", "renew"])
    def test_a_negative_one_is_refused(self, rpc: Rpc, method: str) -> None:
        rpc.refuse(method, b"w", -1, paths("a"), saying=("timeout", "0 or more"))
        assert owners(rpc, "a") == [None]

    def test_an_end_frees_what_is_above_and_below(self, rpc: Rpc) -> None:
        assert lock(rpc, "a/b/c", timeout=10)
        assert lock(rpc, "x", timeout=10)
        assert not lock(rpc, "a", b"v")
        rpc.clock.advance(10)
        assert lock(rpc, "a", b"v")
        assert lock(rpc, "x/y/z", b"v")

    def test_renewing_again_and_again(self, rpc: Rpc) -> None:
        assert lock(rpc, "a b/c", timeout=10)
        for number in range(500):
            rpc.expect(DONE, "renew", b"w", 20 + number % 7, paths("a"))
        rpc.clock.advance(10)
        assert owners(rpc, "a b/c") == [b"w", None]
        rpc.clock.advance(10 + 499 % 7 - 0.5)
        assert owners(rpc, "a") == [b"w"]
        rpc.clock.advance(0.5)
        assert owners(rpc, "a") == [None]

    def test_an_old_end_does_not_end_a_renewed_lock(self, rpc: Rpc) -> None:
        assert lock(rpc, "a", timeout=10)
        for _ in range(200):
            rpc.clock.advance(5)
            rpc.expect(DONE, "renew", b"w", 10, paths("a"))
        assert owners(rpc, "a") == [b"w"]
        rpc.expect(DONE, "unlock", b"w", paths("a"))
        assert lock(rpc, "a", timeout=100)
        rpc.clock.advance(99)
        assert owners(rpc, "a") == [b"w"]


class TestRenewAndUnlock:
    """Only who holds all the paths may renew or unlock them."""

    @pytest.mark.parametrize("call", [("renew", 100.0), ("unlock",)], ids=lambda call: call[0])
    @pytest.mark.parametrize("wanted", ["a b", "a none", "b", "none", "a/b"])
    def test_all_or_none(self, rpc: Rpc, call: tuple[Any, ...], wanted: str) -> None:
        assert lock(rpc, "a", b"w", 10)
        assert lock(rpc, "b", b"v", 10)
        method, *timeout = call
        ok, note = rpc.call(method, b"w", *timeout, paths(wanted))
        assert ok is False
        assert note
        assert owners(rpc, "a b") == [b"w", b"v"]
        rpc.clock.advance(10)
        assert owners(rpc, "a b") == [None, None]

    def test_unlock(self, rpc: Rpc) -> None:
        assert lock(rpc, "a b/c d")
        rpc.expect(DONE, "unlock", b"w", paths("a b/c"))
        assert owners(rpc, "a b/c d") == [None, None, b"w"]
        assert lock(rpc, "a b", b"v")

    def test_unlock_of_one_path_twice(self, rpc: Rpc) -> None:
        assert lock(rpc, "a")
        rpc.expect(DONE, "unlock", b"w", paths("a a"))
        assert owners(rpc, "a") == [None]

    def test_a_lock_that_is_over_cannot_be_renewed(self, rpc: Rpc) -> None:
        assert lock(rpc, "a", timeout=10)
        rpc.clock.advance(10)
        ok, _ = rpc.call("renew", b"w", 10, paths("a"))
        assert ok is False

    def test_of_no_paths(self, rpc: Rpc) -> None:
        rpc.expect(DONE, "lock", b"w", 0, [])
        rpc.expect(([], None), "locksome", b"w", 0, [])
        rpc.expect(DONE, "renew", b"w", 0, [])
        rpc.expect(DONE, "unlock", b"w", [])
        rpc.expect([], "readlock", [])


def test_readlock_is_of_exactly_the_path(rpc: Rpc) -> None:
    assert lock(rpc, "a/b")
    rpc.expect([None, b"w", None], "readlock", paths("a a/b a/b/c"))


def test_delete_namespace_drops_locks_by_their_first_part(rpc: Rpc) -> None:
    assert lock(rpc, "a/b a/c/d ab/c b/a", timeout=10)
    rpc.expect(0, "delete_namespace", b"a")
    assert owners(rpc, "a/b a/c/d ab/c b/a") == [None, None, b"w", b"w"]
    assert lock(rpc, "a", b"v", 100)
    rpc.expect(0, "delete_namespace", "none")
    rpc.clock.advance(10)  # the old ends of what was dropped
    assert owners(rpc, "a") == [b"v"]
    rpc.expect(0, "delete_namespace", "a")
    assert owners(rpc, "a") == [None]


@pytest.mark.parametrize("keys", [[[]], [()], [b"a"], b"a", [[5]], [[b"a", None]], {b"a": 1}, None])
def test_what_is_no_list_of_paths_is_refused(rpc: Rpc, keys: object) -> None:
    for method in ("lock", "locksome", "renew"):
        rpc.refuse(method, b"w", 0, keys, saying=("keys",))
    rpc.refuse("unlock", b"w", keys, saying=("keys",))
    rpc.refuse("readlock", keys, saying=("keys",))
