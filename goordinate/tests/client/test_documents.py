"""The examples in docs/strings.md and docs/client.md do what they say."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from goordinate.cborrpc import Client
from goordinate.client import TaskMaster, as_bytes

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize("name", ["strings.md", "client.md"])
def test_the_examples_of(name: str, master: TaskMaster, python2: Client) -> None:
    failed, tried = doctest.testfile(
        str(DOCS / name),
        module_relative=False,
        globs={"master": master, "python2": python2, "as_bytes": as_bytes},
    )
    assert tried
    assert not failed
