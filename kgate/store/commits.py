"""Whether anybody committed since: SQLite's own word for it takes microseconds, where a look at the change feed takes a thread and a transaction.

``PRAGMA data_version`` (https://www.sqlite.org/pragma.html#pragma_data_version) of a connection that never writes is another number once any other
connection, of this process or of another one, has committed. It is read on the reactor's thread, where nothing may wait: no lock is waited for, and the
connection is opened in another thread. The driver's own connection is asked, for a transaction of SQLAlchemy's costs what this is to save.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Engine


class Commits:
    """See the module. Of a database that is not SQLite, or is not open, nothing is known."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._is_sqlite = engine, engine.dialect.name == "sqlite"
        self._connection: Any = None

    def open(self) -> None:
        """May wait for the disk and for locks. Nothing happens where it is open. Raises DBAPIError."""
        if self._is_sqlite and self._connection is None:
            connection: Any = self._engine.raw_connection()
            connection.driver_connection.execute("PRAGMA busy_timeout=0")
            self._connection = connection

    def mark(self) -> int | None:
        """As long as this stays the same nobody committed; None: not known."""
        if self._connection is None:
            return None
        try:
            row = self._connection.driver_connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:  # whoever looks instead will say what is wrong
            return None
        return int(row[0])

    def close(self) -> None:
        """Nothing is known from here on."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
