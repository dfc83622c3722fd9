"""The tables of the file.

Rule: whoever changes a table, or what a row of it keeps, raises `VERSION` and adds the step from
the version before to `MIGRATIONS`.

The row of `clock` says by how many seconds Unix time is ahead of the times in the other rows. It is
0 until somebody sets the clock of the machine while the daemon runs.

A row of `facts` is a number that changes with a work spec, and its counters.

A row of `grave` says that rows of `unit` are dead: those of the spec, in the state (0: in any),
that were written in a commit before `before`. So a million units go with one row, and their own
rows are deleted bit by bit afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: In the header of the file: whose it is ("goor").
APPLICATION_ID: Final = 0x676F6F72

#: In the header of the file: the version of the tables.
VERSION: Final = 2

#: The version that has the table `facts` first.
FACTS_SINCE: Final = 2

#: The state in a grave that stands for all.
ANY_STATE: Final = 0

CREATE: Final = (
    """
    CREATE TABLE clock (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        ahead REAL NOT NULL
    )
    """,
    """
    CREATE TABLE namespace (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        last_number INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE spec (
        id INTEGER PRIMARY KEY,
        namespace INTEGER NOT NULL,
        last_number INTEGER NOT NULL,
        record BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE facts (
        spec INTEGER PRIMARY KEY,
        record BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE unit (
        spec INTEGER NOT NULL,
        key BLOB NOT NULL,
        state INTEGER NOT NULL,
        written INTEGER NOT NULL,
        record BLOB NOT NULL,
        PRIMARY KEY (spec, key)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE grave (
        spec INTEGER NOT NULL,
        state INTEGER NOT NULL,
        before INTEGER NOT NULL,
        PRIMARY KEY (spec, state)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE worker (
        namespace INTEGER NOT NULL,
        key BLOB NOT NULL,
        record BLOB NOT NULL,
        PRIMARY KEY (namespace, key)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE lock (
        namespace INTEGER NOT NULL,
        path BLOB NOT NULL,
        record BLOB NOT NULL,
        PRIMARY KEY (namespace, path)
    ) WITHOUT ROWID
    """,
)

#: Version -> the statements that make the next one of it.
MIGRATIONS: Final[Mapping[int, tuple[str, ...]]] = {
    1: ("CREATE TABLE facts (spec INTEGER PRIMARY KEY, record BLOB NOT NULL)",),
}

PUT_CLOCK: Final = "INSERT OR REPLACE INTO clock VALUES (1, ?)"
PUT_NAMESPACE: Final = "INSERT OR REPLACE INTO namespace VALUES (?, ?, ?)"
PUT_SPEC: Final = """
    INSERT INTO spec VALUES (?, ?, 0, ?) ON CONFLICT DO UPDATE SET record = excluded.record
"""
PUT_NUMBER: Final = "UPDATE spec SET last_number = ? WHERE id = ?"
PUT_FACTS: Final = "INSERT OR REPLACE INTO facts VALUES (?, ?)"
PUT_GRAVE: Final = "INSERT OR REPLACE INTO grave VALUES (?, ?, ?)"
PUT_WORKER: Final = "INSERT OR REPLACE INTO worker VALUES (?, ?, ?)"
PUT_LOCK: Final = "INSERT OR REPLACE INTO lock VALUES (?, ?, ?)"
#: Changing a row where it stands costs less than replacing it.
PUT_UNIT: Final = """
    INSERT INTO unit VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET state = excluded.state, written = excluded.written, record = excluded.record
"""

DELETE_UNIT: Final = "DELETE FROM unit WHERE spec = ? AND key = ?"
DELETE_SPEC: Final = "DELETE FROM spec WHERE id = ?"
DELETE_FACTS: Final = "DELETE FROM facts WHERE spec = ?"
DELETE_WORKER: Final = "DELETE FROM worker WHERE namespace = ? AND key = ?"
DELETE_LOCK: Final = "DELETE FROM lock WHERE namespace = ? AND path = ?"
#: A namespace goes when it has no specs any more.
DELETE_NAMESPACE: Final = (
    "DELETE FROM worker WHERE namespace = ?",
    "DELETE FROM lock WHERE namespace = ?",
    "DELETE FROM namespace WHERE id = ?",
)
DELETE_GRAVE: Final = "DELETE FROM grave WHERE spec = ? AND state = ? AND before = ?"

#: The key that is so many rows of a spec after another one.
KEY_AFTER: Final = """
    SELECT key FROM unit WHERE spec = ? AND key >= ? ORDER BY key LIMIT 1 OFFSET ?
"""
#: Dead rows of a spec from a key on, which may be its last ones.
DELETE_DEAD_REST: Final = """
    DELETE FROM unit WHERE written < ? AND ? IN (0, state) AND spec = ? AND key >= ?
"""
#: The same, up to another key.
DELETE_DEAD: Final = DELETE_DEAD_REST + " AND key < ?"
