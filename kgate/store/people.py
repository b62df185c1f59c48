"""Somebody as an identity provider described them: what a session keeps of a sign-in, apart from its tokens."""

from __future__ import annotations

import json

from attrs import frozen
from cattrs import Converter


@frozen(cache_hash=True)
class Person:
    """What the identity provider said of somebody, mapped as the configuration says."""

    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    issuer: str = ""
    subject: str = ""
    """``sub``, by which the provider names the person in its notices."""
    provider_session: str = ""
    """``sid``, by which it names this sign-in."""
    authenticated_at: float | None = None
    acr: str = ""
    amr: tuple[str, ...] = ()
    issued_at: float | None = None
    """When the provider vouched for the sign-in, by its own clock (``iat``, Unix seconds)."""
    mapping: str = ""
    """By which rules this was made of the provider's claims (``IssuerConfiguration.mapping``)."""
    email: str = ""
    """The address that the provider says it has verified, in lower case: its notices may name the person by that."""


_CONVERTER = Converter()


def person_to_json(person: Person) -> str:
    """For a column of text."""
    return json.dumps(_CONVERTER.unstructure(person), separators=(",", ":"))


def person_from_json(text: str) -> Person:
    """What ``person_to_json`` wrote."""
    return _CONVERTER.structure(json.loads(text), Person)
