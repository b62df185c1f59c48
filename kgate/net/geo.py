"""The geo data's files, read again when they change. Reading tens of megabytes goes to a thread; a bad file leaves the old data in force."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.documents.values import Unacceptable
from kgate.net.beside import Beside
from kgate.net.files import FileWatch
from kgate.surroundings.geo import Atlas, Database

log = Logger()


def read_atlas(country: Path | None, asn: Path | None) -> Atlas:
    """Both files. Raises OSError, Unacceptable."""
    return Atlas(
        Database(country.read_bytes()) if country is not None else None,
        Database(asn.read_bytes()) if asn is not None else None,
    )


class GeoFiles:
    """Watches the files and gives a new ``Atlas`` to ``exchange`` when they changed; they are read ``beside``."""

    def __init__(self, beside: Beside, country: Path | None, asn: Path | None, exchange: Callable[[Atlas], None]) -> None:
        self._beside, self._country, self._asn, self._exchange = beside, country, asn, exchange
        self._watch = FileWatch(path for path in (country, asn) if path is not None)
        self._reading = self._stopped = False
        self.problem = ""

    def stop(self) -> None:
        """Look no more; what is being read is nobody's any more."""
        self._stopped = True

    def tick(self) -> None:
        """Called a few times a second."""
        if self._reading or not self._watch.changed():
            return
        self._reading = True
        read = self._beside.do(lambda: read_atlas(self._country, self._asn))
        read.addCallbacks(self._read, self._failed)
        read.addErrback(lambda failure: log.failure("exchanging the geo data failed", failure))

    def _read(self, atlas: Atlas) -> None:
        self._reading, self.problem = False, ""
        if not self._stopped:
            self._exchange(atlas)

    def _failed(self, failure: Failure) -> None:
        self._reading = False
        error = failure.trap(OSError, Unacceptable)
        why = "cannot be read" if error is OSError else str(failure.value)
        self.problem = f"the new geo data were not taken over, the old ones stay in force: {why}"
        log.error("{problem}", problem=self.problem)
