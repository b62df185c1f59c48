"""PostgreSQL's NOTIFY, heard by a thread of its own: the store's news come at once. Imported only where the store is PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
from sqlalchemy import URL
from twisted.logger import Logger

from kgate.store.changes import CHANNEL
from kgate.store.engine import PATIENCE

log = Logger()

RETRY_SECONDS = 1.0


class Listener:
    """``news`` is called, in the thread, whenever somebody published something, and after each time that the connection was made anew."""

    def __init__(self, url: URL, news: Callable[[], None], stopped: Callable[[], bool]) -> None:
        self._where = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._news, self._stopped = news, stopped
        self._pause = threading.Event()
        self._said = ""

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="kgate-store-news", daemon=True).start()

    def _run(self) -> None:
        while not self._stopped():
            try:
                self._listen()
            except psycopg.Error as error:
                self._say(str(error).splitlines()[0])
                self._pause.wait(RETRY_SECONDS)

    def _say(self, text: str) -> None:
        """Once, however often it is tried."""
        if text != self._said:
            self._said = text
            log.error("the store's notifications were lost: {error}; looking every second", error=text)

    def _listen(self) -> None:
        with psycopg.connect(self._where, autocommit=True, **PATIENCE) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            self._said = ""
            self._news()
            while not self._stopped():
                for _ in connection.notifies(timeout=RETRY_SECONDS, stop_after=1):
                    self._news()
