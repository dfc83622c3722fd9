"""docs/reliability.md names only tests that there are, and every limit and counter."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from goordinate.cborrpc.limits import Counts
from goordinate.config import HttpConfig, ServerConfig
from goordinate.http import HttpCounts, HttpLimits

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_the_tests_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"`(test_\w+)(?:\.py)?`", TEXT))
    assert len(named) > 10
    there: set[str] = set()
    for folder in (ROOT / "goordinate" / "tests", ROOT / "vendor_tests"):
        for path in folder.rglob("test_*.py"):
            there |= {path.stem, *re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))}
    assert named - there == set()


def test_every_limit_is_on_the_page() -> None:
    limits = [key.name for key in fields(ServerConfig) if key.metadata["reloads"]]
    limits += [f"http.{key.name}" for key in fields(HttpLimits)]
    assert [name for name in limits if f"`{name}`" not in TEXT] == []


def test_every_counter_is_on_the_page() -> None:
    counters = [key.name for key in fields(Counts)]
    counters += [f"http_{key.name}" for key in fields(HttpCounts)]
    assert [name for name in counters if f"`{name}`" not in TEXT] == []


def test_the_defaults_of_http_are_those_of_its_server() -> None:
    limits, config = HttpLimits(), HttpConfig()
    for key in fields(HttpLimits):
        assert getattr(limits, key.name) == getattr(config, key.name)
