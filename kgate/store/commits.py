"""Whether anybody committed since: SQLite's own word for it takes microseconds, where a look at the change feed takes a thread and a transaction.

``PRAGMA data_version`` (https://www.sqlite.org/pragma.html#pragma_data_version) of a connection that never writes is another number once any other
connection, of this process or of another one, has committed. It is read where everything else waits, so it never waits for a lock.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError


class Commits:
    """See the module. Of a database that is not SQLite nothing is known. To be used by one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._known = engine, engine.dialect.name == "sqlite"
        self._connection: Any = None

    def mark(self) -> int | None:
        """As long as this stays the same nobody committed; None: not known."""
        if not self._known:
            return None
        try:
            row = self._driver().execute("PRAGMA data_version").fetchone()
        except (sqlite3.Error, DBAPIError):  # whoever looks instead will say what is wrong
            return None
        return int(row[0])

    def close(self) -> None:
        """Nothing is known from here on."""
        self._known = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _driver(self) -> Any:
        """The driver's own connection: a transaction of SQLAlchemy's would be one that writes, or costs what this is to save."""
        if self._connection is None:
            self._connection = self._engine.raw_connection()
            self._connection.driver_connection.execute("PRAGMA busy_timeout=0")
        return self._connection.driver_connection
