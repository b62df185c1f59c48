"""``geo`` and ``facts``: what the gate knows of the world."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from attrs import field, frozen

from kgate.documents.reading import MAX_BYTES
from kgate.documents.values import Duration, Unacceptable, accept
from kgate.settings.files import unreadable
from kgate.settings.reading import Place, Reading
from kgate.settings.values import FactName, FilePath, ServerUrl, SourceName
from kgate.surroundings.document import Unreadable, told
from kgate.surroundings.geo import Database
from kgate.surroundings.push import LEAST_KEY


@frozen
class GeoSettings:
    """Geo data in MaxMind's format, read again when they change."""

    country: FilePath | None = None
    asn: FilePath | None = None

    def __attrs_post_init__(self) -> None:
        accept(None if self.country or self.asn else Unacceptable("names no file", "name country, asn, or both"))


@frozen
class FactSource:
    """A source of facts: a ``file``, a ``url`` that is asked again and again, or the holder of a key who sends signed messages."""

    source: SourceName
    file: FilePath | None = None
    url: ServerUrl | None = None
    key_file: FilePath | None = None
    max_age: Duration | None = None
    """How long after it was written, fetched or signed a fact is known."""
    names: tuple[FactName, ...] = ()
    """The facts that it may tell; empty is any."""
    every: Duration = field(default=Duration(15.0))
    certificate_authority: FilePath | None = None
    token_file: FilePath | None = None

    def __attrs_post_init__(self) -> None:
        ways = [name for name in ("file", "url", "key_file") if getattr(self, name) is not None]
        only_url = [name for name in ("certificate_authority", "token_file") if getattr(self, name) is not None and self.url is None]
        accept(
            None if len(ways) == 1 else Unacceptable("needs one of file, url and key_file", "write two sources where two are meant"),
            None if self.max_age is not None or self.file is not None else Unacceptable("needs max_age", "write max_age: 5m"),
            None if self.names or self.key_file is None else Unacceptable("needs names", "say which facts its messages may tell"),
            *(Unacceptable("goes only with url", "take it out", (name,)) for name in only_url),
        )


def check_geo(reading: Reading, geo: GeoSettings | None) -> None:
    """Files that must be there, and be databases. To a gate that is running a bad one is nothing new: its old data stay, and a policy must not wait."""
    for key in ("country", "asn") if geo is not None and not reading.running else ():
        path = getattr(geo, key)
        raw = reading.bytes_of(("geo", key), path) if path is not None else None
        if raw is None or len(raw) > MAX_BYTES:  # what was not read whole can only be judged by who starts with it
            continue
        try:
            Database(raw)
        except Unacceptable as error:
            reading.sections.fault(("geo", key), f"{path} {error.text}", error.hint)


def check_facts(reading: Reading, sources: Iterable[FactSource]) -> None:
    """Files that must be there, and those of facts that may come later but must be right where they are."""
    for number, each in enumerate(sources):
        place: Place = ("facts", number)
        reading.authority(place, "certificate_authority", each.certificate_authority)
        if each.token_file is not None:
            reading.token((*place, "token_file"), each.token_file)
        key_bytes = reading.bytes_of((*place, "key_file"), each.key_file) if each.key_file is not None else None
        if key_bytes is not None and len(key_bytes.strip()) < LEAST_KEY:
            reading.sections.fault((*place, "key_file"), f"{each.key_file} is shorter than {LEAST_KEY} characters", "openssl rand -hex 32")
        if each.file is not None:
            _check_fact_file(reading, (*place, "file"), each.file, each.names)


def _check_fact_file(reading: Reading, place: Place, path: Path, names: Iterable[str]) -> None:
    try:
        found = told(reading.read(path), names)
    except OSError as error:
        reading.warn(place, f"{unreadable(path, error)}; its facts are unknown until it can be read", "put {} there for no facts")
        return
    if isinstance(found, Unreadable):
        reading.sections.fault(place, f"{path} {found.text}", "write a mapping: {incident: {open: false}}")
