"""What a run has found: its checks, each held or not, and the tables of figures behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass
class Report:
    """The checks so far; each is printed when it is made."""

    failed: list[str] = field(default_factory=list)

    def check(self, what: str, held: bool, figures: str = "") -> None:
        """Take down whether something that has to hold does."""
        print(f"{'ok    ' if held else 'FAILED'} {what}{figures and f': {figures}'}", flush=True)
        if not held:
            self.failed.append(what)

    def end(self) -> int:
        """The last line, and the exit status: 0 when all checks held."""
        print(f"\n{len(self.failed)} checks FAILED" if self.failed else "\nall checks held")
        return 1 if self.failed else 0


def heading(text: str) -> None:
    """Say what comes."""
    print(f"\n{text}", flush=True)


def note(text: str) -> None:
    """A line that is no check."""
    print(f"       {text}", flush=True)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows under headings, as a Markdown table with aligned columns."""
    cells = [headings, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    for row in [headings, ["-" * width for width in widths], *cells[1:]]:
        table_row(row, widths)


def table_row(row: Sequence[str], widths: Iterable[int]) -> None:
    """One more row."""
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    print(f"| {' | '.join(cells)} |", flush=True)


def megabytes(size: float) -> str:
    """A size in bytes, in words."""
    return f"{size / 2**20:.1f} MB"
