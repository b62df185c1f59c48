"""Geo data: small databases in MaxMind's own format, written here."""

from __future__ import annotations

import io

import pytest
from geo_data import COUNTRY, SYSTEMS, written
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.documents.values import Unacceptable
from kgate.surroundings.geo import Atlas, Database, Place


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return Atlas(Database(written(COUNTRY)), Database(written(SYSTEMS)))


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", Place("DE", 64500)),
        ("::ffff:192.0.2.7", Place("DE", 64500)),
        ("198.51.100.1", Place("FR", None)),
        ("203.0.113.9", Place("", 64501)),
        ("2001:db8::1", Place("US", None)),
        ("10.0.0.1", Place()),
        ("", Place()),
        ("unknown", Place()),
    ],
)
def test_places(atlas: Atlas, address: str, place: Place) -> None:
    assert atlas.locate(address) == place
    assert atlas.locate(address) == place


def test_without_data_nothing_is_known() -> None:
    assert Atlas().locate("192.0.2.7") == Place()


def test_a_record_of_another_shape_is_nothing() -> None:
    odd = Database(written({"192.0.2.0/24": {"country": "DE"}, "198.51.100.0/24": {"country": {"iso_code": 7}}}))
    assert Atlas(odd, odd).locate("192.0.2.1") == Atlas(odd, odd).locate("198.51.100.1") == Place()


@pytest.mark.parametrize("raw", [b"", b"not a database", written(COUNTRY)[:100]])
def test_what_is_no_database(raw: bytes) -> None:
    with pytest.raises(Unacceptable, match="is not a database in MaxMind's format"):
        Database(raw)


@settings(max_examples=200)
@given(st.integers(0, len(written(COUNTRY)) - 1), st.integers(0, 255))
def test_a_broken_file_is_refused_or_knows_something_else(at: int, byte: int) -> None:
    raw = bytearray(written(COUNTRY))
    raw[at] = byte
    try:
        atlas = Atlas(Database(bytes(raw)))
    except Unacceptable:
        return
    for address in ("192.0.2.7", "2001:db8::1", "10.0.0.1"):
        assert isinstance(atlas.locate(address), Place)


def test_written_data_are_readable() -> None:
    assert Database(io.BytesIO(written(COUNTRY)).read()).kind == "Test"
