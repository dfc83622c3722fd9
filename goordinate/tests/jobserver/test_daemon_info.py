"""get_config, now and server_stats."""

from __future__ import annotations

from goordinate.tests.conformance.clock import START
from goordinate.tests.jobserver.rpc import CONFIGURATION, STATS, Rpc


def test_get_config_answers_the_whole_configuration(rpc: Rpc) -> None:
    rpc.expect((CONFIGURATION, None), "get_config")


def test_now_is_the_time_of_the_server(rpc: Rpc) -> None:
    rpc.expect(START, "now")
    rpc.clock.advance(0.125)
    rpc.expect(START + 0.125, "now")


def test_now_is_a_float_when_the_clock_gives_whole_seconds(rpc: Rpc) -> None:
    rpc.clock.time = 1_700_000_000
    rpc.expect(1_700_000_000.0, "now")


def test_server_stats_are_the_counts_of_the_server(rpc: Rpc) -> None:
    rpc.expect({name.encode(): count for name, count in STATS.items()}, "server_stats")
