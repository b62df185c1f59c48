"""The geo data's files, read again when they change. Reading tens of megabytes goes to a thread; a bad file leaves the old data in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from twisted.logger import Logger

from kgate.documents.values import Unacceptable
from kgate.net.disk import Disk, Hangs
from kgate.net.files import Stamp
from kgate.net.watching import FilesFollowed
from kgate.surroundings.geo import Atlas, Database

log = Logger()
Ask = Callable[[Path, Callable[[], bytes]], bytes]
"""Asks for a file. Raises OSError."""


def read_atlas(country: Path | None, asn: Path | None, ask: Ask) -> Atlas:
    """Both files. Raises OSError, Unacceptable."""
    return Atlas(
        Database(ask(country, country.read_bytes)) if country is not None else None,
        Database(ask(asn, asn.read_bytes)) if asn is not None else None,
    )


class GeoFiles:
    """Gives a new ``Atlas`` to ``exchange`` when the files changed since they were as the ``stamps`` say."""

    def __init__(
        self, disk: Disk, country: Path | None, asn: Path | None, stamps: Mapping[Path, Stamp], exchange: Callable[[Atlas], None]
    ) -> None:
        self._disk, self._country, self._asn, self._exchange = disk, country, asn, exchange
        self._followed = FilesFollowed(disk, stamps, self._read, self._take)
        self.stop, self.tick = self._followed.stop, self._followed.tick
        self.problem = ""

    def _read(self) -> Atlas | str:
        try:
            return read_atlas(self._country, self._asn, self._disk.ask)
        except Hangs:
            raise
        except OSError:
            return "cannot be read"
        except Unacceptable as error:
            return str(error)

    def _take(self, read: Atlas | str) -> None:
        if isinstance(read, Atlas):
            self.problem = ""
            self._exchange(read)
            return
        self.problem = f"the new geo data were not taken over, the old ones stay in force: {read}"
        log.error("{problem}", problem=self.problem)
