"""A question to every process that shares a store: which of your sessions fit this, and, where it says so, end them."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen


@frozen
class RollCall:
    """What is asked for, and what whoever asks may see: everybody's sessions in ``clusters``, their own anywhere. Empty is any."""

    user: str
    """Who asks."""
    issuer: str
    clusters: tuple[str, ...] = ()
    """In which they may see and end what is not their own."""
    id: str = ""
    whose: str = ""
    cluster: str = ""
    everything: bool = False
    """Plain requests that are under way too, not only what goes on until one side ends it."""
    ends: bool = False
    reason: str = ""
    """Why they are ended: whoever holds one reads it."""


@frozen
class Present:
    """What one process answers: the newest of its sessions that fit, as records, and how many fit."""

    gate: str
    sessions: tuple[Mapping[str, object], ...]
    found: int
