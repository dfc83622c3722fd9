"""get_config, now and server_stats."""

from __future__ import annotations

from goordinate.tests.conformance.clock import UNIX_START
from goordinate.tests.jobserver.rpc import CONFIGURATION, STATS, Rpc


def test_get_config_answers_the_whole_configuration(rpc: Rpc) -> None:
    rpc.expect((CONFIGURATION, None), "get_config")


def test_now_is_the_unix_time_of_the_server(rpc: Rpc) -> None:
    rpc.expect(UNIX_START, "now")
    rpc.clock.advance(0.125)
    rpc.expect(UNIX_START + 0.125, "now")


def test_server_stats_are_the_counts_of_the_server(rpc: Rpc) -> None:
    rpc.expect({name.encode(): count for name, count in STATS.items()}, "server_stats")
