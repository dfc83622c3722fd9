"""Types on the wire: data to the byte, names as bytes and as text, whose form an answer has."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.tags import UNDEFINED, Encoded
from goordinate.coordinate.names import identity
from goordinate.tests.conformance.steps import ENCODINGS
from goordinate.tests.jobserver.rpc import AVAILABLE, DONE, FINISHED, PENDING, Rpc

# What is refused, always or unless `any_tags` is set: `test_doors`.
NO_VALUES = {
    "a list as a key",
    "tag 24 over what is no CBOR",
    "tag 37 over the wrong thing",
    "tag 128 over a map",
}
NOT_FOR_ALL = {"simple value", "unknown tag"}
VALUES_ENCODED = [encoding for encoding in ENCODINGS if encoding not in NO_VALUES]


def accept(rpc: Rpc, method: str, *params: object) -> None:
    """Make a call that must do what it is asked; not by our client, which sends nothing that it
    could not read."""
    assert rpc.encoded(method, *params) == dumps(DONE)


@pytest.mark.parametrize("encoding", VALUES_ENCODED)
def test_data_is_exact_to_the_byte(rpc: Rpc, encoding: str) -> None:
    """As added, as updated, as chained: everywhere it goes out."""
    rpc.server.limits.any_tags = encoding in NOT_FOR_ALL
    data = bytes.fromhex(ENCODINGS[encoding])
    rpc.define(b"s", then=b"t")
    rpc.define(b"t")
    accept(rpc, "add_work_units", b"s", [(b"k", Encoded(data))])
    listed = dumps(([(b"k", Encoded(data))], None))
    assert rpc.encoded("get_work_units", b"s", {}) == listed
    assert rpc.encoded("get_work_units", b"s", {b"state": AVAILABLE}) == listed
    assert rpc.encoded("get_work_units", b"s", {b"work_unit_keys": [b"k"]}) == listed
    unit = (b"s", b"k", Encoded(data))
    assert rpc.encoded("get_work", b"w", {}) == dumps((unit, None))
    rpc.update(b"s", b"k", status=AVAILABLE)
    assert rpc.encoded("get_work", b"w", {b"max_jobs": 2}) == dumps(([unit], None))

    accept(rpc, "worker_heartbeat", b"w", b"RUN", 60, Encoded(data), b"p")
    assert rpc.encoded("get_worker_info", b"w") == dumps((Encoded(data), None))
    options: dict[bytes, object] = {b"lease_time": 30, b"data": [Encoded(data)]}
    accept(rpc, "update_work_unit", b"s", b"k", options)
    assert rpc.encoded("get_work_units", b"s", {}) == dumps(([(b"k", [Encoded(data)])], None))
    assert dumps(b"work_unit_data") + dumps([Encoded(data)]) in rpc.encoded(
        "get_child_work_units", b"p"
    )

    output = {b"output": [(b"k", Encoded(data))], b"traceback": Encoded(data)}
    accept(rpc, "update_work_unit", b"s", b"k", {b"status": FINISHED, b"data": output})
    assert rpc.encoded("get_work_units", b"t", {}) == listed
    status = rpc.encoded("get_work_unit_status", b"s", [b"k"])
    assert dumps(b"traceback") + data in status


@pytest.mark.parametrize("encoding", VALUES_ENCODED)
def test_a_work_spec_is_exact_to_the_byte(rpc: Rpc, encoding: str) -> None:
    rpc.server.limits.any_tags = encoding in NOT_FOR_ALL
    own = bytes.fromhex(ENCODINGS[encoding])
    dictionary = dumps({b"name": b"s", b"own": Encoded(own)})
    accept(rpc, "set_work_spec", Encoded(dictionary))
    assert rpc.encoded("get_work_spec", b"s") == dictionary
    assert rpc.encoded("list_work_specs", {}) == dumps(([Encoded(dictionary)], None))


VALUES: list[Any] = [
    None, True, False, 0, -1, 2**64, -(2**64) - 1, 0.0, 1.5, 1e300, float("inf"),
    b"", "", b"\xff\x00", "é", [], (), {}, [()], ([],), {b"k": ("t", [b"l"])},
    {b"b": 1, "t": 2, 3: 3, None: 4, (1, b"x"): 5, True: 6}, UUID(int=5), UNDEFINED,
    [UUID(int=1), (UUID(int=2),)],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back_as_they_came(rpc: Rpc, value: object) -> None:
    rpc.define(b"s", own=value)
    rpc.add(b"s", b"k", data={b"v": value})
    rpc.expect({b"name": b"s", b"own": value}, "get_work_spec", b"s")
    rpc.expect(((b"s", b"k", {b"v": value}), None), "get_work", b"w", {})


@pytest.mark.parametrize(
    "unit",
    [
        "82416ba0",
        "d88082416ba0",
        "d9008082416ba0",  # a longer head of the tag
        "9802416ba0",  # of the array
        "9f416ba0ff",  # without a length
        "d8809f416ba0ff",
        "8258016ba0",  # of the key
        "825f416bffa0",
        "83416ba0f6",
        "84416ba0bffff6",
    ],
)
def test_a_unit_in_unusual_cbor(rpc: Rpc, unit: str) -> None:
    rpc.define(b"s", then=b"t")
    rpc.define(b"t")
    encoded = Encoded(bytes.fromhex(unit))
    rpc.expect(DONE, "add_work_units", b"s", [encoded, (b"l", {b"output": [encoded]})])
    assert rpc.encoded("get_work_units", b"s", {b"limit": 1}) == dumps(([(b"k", {})], None))
    rpc.update(b"s", b"l", status=FINISHED)
    assert rpc.encoded("get_work_units", b"t", {}) == dumps(([(b"k", {})], None))


@pytest.mark.parametrize("unit", ["9f416bff", "9f416ba0050505ff", "9803416ba005", "9f05a0ff"])
def test_a_bad_unit_in_unusual_cbor(rpc: Rpc, unit: str) -> None:
    rpc.define(b"s")
    units: list[Any] = [(b"a", {}), Encoded(bytes.fromhex(unit))]
    message = rpc.error("add_work_units", [b"s", units])
    assert message.startswith("add_work_units(): work_unit_key_vals: a work unit")
    assert message.count(" at byte ") == 1
    rpc.expect(([], None), "get_work_units", b"s", {})


# --- names --------------------------------------------------------------------------------------

FORMS: list[tuple[Any, Any]] = [
    (b"name", "name"),
    ("name", b"name"),
    ("é", "é".encode()),
    ("é".encode(), "é"),
    ("", b""),
]


@pytest.mark.parametrize(("stored", "asked"), FORMS[:-1])
def test_both_forms_name_the_same_work_spec(rpc: Rpc, stored: Any, asked: Any) -> None:
    rpc.define(stored, own=1)
    rpc.expect({b"name": stored, b"own": 1}, "get_work_spec", asked)
    rpc.add(asked, b"k")
    rpc.expect(({AVAILABLE: 1}, None), "count_work_units", asked)
    # The dictionary is the new one; the name goes out as it was first stored.
    rpc.define(asked, own=2)
    rpc.expect(({AVAILABLE: 1}, None), "count_work_units", stored)
    rpc.expect(([{b"name": asked, b"own": 2}], None), "list_work_specs", {})
    rpc.expect(((stored, b"k", {}), None), "get_work", b"w", {b"work_spec_names": [asked]})
    rpc.expect(DONE, "del_work_spec", asked)
    rpc.expect(None, "get_work_spec", stored)


@pytest.mark.parametrize(("stored", "asked"), FORMS)
def test_both_forms_name_the_same_work_unit(rpc: Rpc, stored: Any, asked: Any) -> None:
    rpc.define(b"s")
    rpc.add(b"s", stored, data={b"n": 1})
    rpc.add(b"s", asked, data={b"n": 2})  # the same unit again
    rpc.expect(([(stored, {b"n": 2})], None), "get_work_units", b"s", {})
    rpc.expect(([(stored, {b"n": 2})], None), "get_work_units", b"s", {b"state": 1})
    rpc.expect(([(stored, {b"n": 2})], None), "get_work_units", b"s", {b"start": asked})
    # An answer that echoes the caller's own key has the caller's form.
    rpc.expect(([(asked, {b"n": 2})], None), "get_work_units", b"s", {b"work_unit_keys": [asked]})
    rpc.expect(DONE, "prioritize_work_units", b"s", {b"work_unit_keys": [asked], b"priority": 1})
    rpc.expect(((b"s", stored, {b"n": 2}), None), "get_work", b"w", {})
    assert rpc.state(b"s", asked) == PENDING
    rpc.update(b"s", asked, status=FINISHED)
    assert rpc.state(b"s", stored) == FINISHED
    rpc.expect((1, None), "del_work_units", b"s", {b"work_unit_keys": [asked]})
    rpc.expect(({}, None), "count_work_units", b"s")


def test_of_one_key_twice_in_a_call_the_last_form_is_stored(rpc: Rpc) -> None:
    rpc.define(b"s")
    rpc.expect(DONE, "add_work_units", b"s", [(b"k", 1), ("k", 2)])
    rpc.expect(([("k", 2)], None), "get_work_units", b"s", {})


def test_a_missing_key_is_echoed_in_the_callers_form(rpc: Rpc) -> None:
    rpc.define(b"s")
    expected = [("a", None), (b"b", None), ("é", None), (b"\xff", None)]
    options = {b"work_unit_keys": ["a", b"b", "é", b"\xff"]}
    rpc.expect((expected, None), "get_work_units", b"s", options)


def test_unit_keys_may_be_any_bytes(rpc: Rpc) -> None:
    rpc.define(b"s")
    keys: list[bytes | str] = [
        b"",
        b"\x00",
        b"\x00\x00",
        b"k" * 300,
        b"k" * 70_000,
        "é",
        b"\xc3",
        b"\xff\xfe",
    ]
    rpc.add(b"s", *keys)
    assert rpc.keys(b"s") == sorted(keys, key=identity)
    for key in keys:
        rpc.update(b"s", key, status=FINISHED)
        assert rpc.state(b"s", key) == FINISHED
        assert rpc.units(b"s", work_unit_keys=[key]) == [(key, {})]


@pytest.mark.parametrize(("stored", "asked"), FORMS[:-1])
def test_both_forms_name_the_same_worker(rpc: Rpc, stored: Any, asked: Any) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"k")
    rpc.expect(DONE, "worker_heartbeat", stored, b"RUN", 60, {b"n": 1}, b"p")
    rpc.expect(DONE, "worker_heartbeat", asked, b"RUN", 60, {b"n": 2}, "p")
    rpc.expect(({stored: b"RUN"}, None), "list_worker_modes")
    rpc.expect(({b"n": 2}, None), "get_worker_info", asked)
    rpc.get(worker=asked)
    assert rpc.held(b"p") == {stored: [b"k"]}
    rpc.expect(DONE, "worker_unregister", asked)
    rpc.expect(({}, None), "list_worker_modes")


def test_option_names_and_values_in_either_form(rpc: Rpc) -> None:
    rpc.expect(DONE, "set_work_spec", {"name": "s", "then": "t", "max_getwork": "1"})
    rpc.define(b"t")
    units = [("k", {"output": ["o"]}, {"priority": 1}), ("j", {})]
    rpc.expect(DONE, "add_work_units", "s", units)
    options = {"work_spec_names": ["s"], "max_jobs": 2, "lease_time": "50"}
    rpc.expect(([("s", "k", {"output": ["o"]})], None), "get_work", "w", options)
    rpc.expect(DONE, "update_work_unit", "s", "k", {"status": FINISHED, "worker_id": "w"})
    rpc.expect(([("o", {})], None), "get_work_units", "t", {"limit": 5, "start": "o"})
    rpc.expect((1, None), "del_work_units", "t", {"all": True})
    rpc.expect(DONE, "prioritize_work_units", "s", {"work_unit_keys": ["j"], "adjustment": 1})


def test_what_the_server_makes_up_is_byte_strings(rpc: Rpc) -> None:
    rpc.define("s")
    rpc.add("s", "k", data={"traceback": "t"})
    rpc.expect(DONE, "worker_heartbeat", "w", "RUN", 60, {}, "p")
    rpc.get(worker="w")
    status = rpc.status("s", "k")
    assert all(type(key) is bytes for key in status)
    children, _ = rpc.call("get_child_work_units", "p")
    assert all(type(key) is bytes for key in children["w"][0])
    meta, _ = rpc.call("get_work_spec_meta", "s")
    assert all(type(key) is bytes for key in (*meta, *rpc.call("worker_stats")))
    _, note = rpc.call("get_work_units", "none", {})
    assert type(note) is bytes
