"""What can be known of an SQLite file without a transaction: whether anybody committed since, and whether it is the file still that has its name.

Whether anybody committed since: SQLite's own word for it takes microseconds, where a look at the change feed takes a thread and a transaction.

``PRAGMA data_version`` (https://www.sqlite.org/pragma.html#pragma_data_version) of a connection that never writes is another number once any other
connection, of this process or of another one, has committed. It is read on the reactor's thread, where nothing may wait: no lock is waited for, and the
connection is opened in another thread. The driver's own connection is asked, for a transaction of SQLAlchemy's costs what this is to save.

A file that somebody removes, or puts another one in the place of (a backup), goes on for whoever has it open; what other gates write they write elsewhere.
"""

from __future__ import annotations

import os
import sqlite3
from enum import Enum
from typing import Any

from sqlalchemy import Engine


class Place(Enum):
    """What is where the file was."""

    SAME = "the file, as far as is known"
    ANOTHER = "another file"
    GONE = "nothing"


class Commits:
    """See the module. Of a database that is not SQLite, or is not open, nothing is known."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._is_sqlite = engine, engine.dialect.name == "sqlite"
        self._connection: Any = None
        self._file: os.stat_result | None = None

    def open(self) -> None:
        """May wait for the disk and for locks. Nothing happens where it is open. Raises DBAPIError."""
        if self._is_sqlite and self._connection is None:
            connection: Any = self._engine.raw_connection()
            connection.driver_connection.execute("PRAGMA busy_timeout=0")
            self._connection = connection
            self._file = _status(str(self._engine.url.database))

    def mark(self) -> int | None:
        """As long as this stays the same nobody committed; None: not known."""
        if self._connection is None:
            return None
        try:
            row = self._connection.driver_connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:  # whoever looks instead will say what is wrong
            return None
        return int(row[0])

    @property
    def place(self) -> Place:
        """Whether the file that is open is the one that others find."""
        if self._file is None:
            return Place.SAME
        there = _status(str(self._engine.url.database))
        return Place.GONE if there is None else Place.SAME if os.path.samestat(there, self._file) else Place.ANOTHER

    def close(self) -> None:
        """Nothing is known from here on."""
        connection, self._connection, self._file = self._connection, None, None
        if connection is not None:
            connection.close()


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None
