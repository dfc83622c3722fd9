"""docs/differences.md has a line for each difference that a test shows, in the same words."""

from __future__ import annotations

import re
from pathlib import Path

from goordinate.tests.differential.differences import DIFFERENCES

PAGE = Path(__file__).parents[3] / "docs" / "differences.md"


def test_every_difference_is_on_the_page() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    lines = re.findall(r"\*\*(.+?)\*\*", text)
    titles = [difference.title for difference in DIFFERENCES]
    assert len(set(titles)) == len(titles)
    assert [title for title in titles if title not in lines] == []
