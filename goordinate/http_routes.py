"""The routes that the daemon serves by HTTP, of all parts that have some."""

from __future__ import annotations

from goordinate.coordinate.api import Backend
from goordinate.http import Route


def routes(backend: Backend) -> list[Route]:
    """The rows of the table, on a backend."""
    return []
