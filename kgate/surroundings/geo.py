"""Address → country and network operator, by databases in MaxMind's format (MMDB 2.0), each held in memory whole.

Whole, and not mapped: a file that is overwritten in place while it is mapped takes the process down with it. A lookup is remembered, for a
client that asks once asks again.
"""

from __future__ import annotations

import io
import ipaddress
import struct
from collections.abc import Mapping
from typing import NamedTuple

import maxminddb

from kgate.documents.values import Unacceptable
from kgate.memory import remember

REMEMBERED = 8192
_BROKEN = (maxminddb.InvalidDatabaseError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError, struct.error)
"""What the reader raises over a file that is broken, depending on where."""


class Place(NamedTuple):
    """What the data know of an address: an ISO 3166-1 code or empty, an autonomous system or None."""

    country: str = ""
    asn: int | None = None


class Database:
    """One file's bytes. Raises Unacceptable where they are none."""

    def __init__(self, raw: bytes) -> None:
        try:
            self._reader = maxminddb.open_database(io.BytesIO(raw), maxminddb.MODE_FD)
            self.kind = self._reader.metadata().database_type
        except _BROKEN as error:
            raise Unacceptable("is not a database in MaxMind's format", "get it again: GeoLite2-Country.mmdb, GeoLite2-ASN.mmdb") from error

    def find(self, address: str) -> Mapping[str, object]:
        """What the database has of an address; empty where it has nothing, or the address is none."""
        try:
            where = ipaddress.ip_address(address)
            mapped = getattr(where, "ipv4_mapped", None)
            found = self._reader.get(mapped or where)
        except _BROKEN:
            return {}
        return found if isinstance(found, dict) else {}


class Atlas:
    """Both databases, where they are there."""

    def __init__(self, country: Database | None = None, asn: Database | None = None) -> None:
        self._country, self._asn = country, asn
        self._memo: dict[str, Place] = {}

    def locate(self, address: str) -> Place:
        """What is known of ``address``."""
        found = self._memo.get(address)
        if found is None:
            found = remember(self._memo, address, self._look_up(address), REMEMBERED)
        return found

    def _look_up(self, address: str) -> Place:
        country = self._country.find(address).get("country") if self._country is not None else None
        code = country.get("iso_code") if isinstance(country, dict) else None
        number = self._asn.find(address).get("autonomous_system_number") if self._asn is not None else None
        return Place(code if isinstance(code, str) else "", number if isinstance(number, int) else None)
