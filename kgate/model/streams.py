"""What lives: the one thing that those who carry streams and those who end them both speak of."""

from __future__ import annotations

from typing import Protocol

from kgate.model.decisions import Cause, Decision, Pending
from kgate.model.people import Identity
from kgate.model.requests import Action


class Stream(Protocol):
    """A live exchange or tunnel. Times are monotonic but ``decision.until``, which is Unix seconds."""

    @property
    def id(self) -> str:
        """The request's id."""

    @property
    def identity(self) -> Identity:
        """Who holds it."""

    @property
    def action(self) -> Action:
        """What it is."""

    @property
    def decision(self) -> Decision:
        """Under which it lives."""

    @property
    def started(self) -> float:
        """When it was admitted."""

    @property
    def touched(self) -> float:
        """When bytes last passed."""

    @property
    def bytes_carried(self) -> int:
        """Both ways."""

    def decide_again(self) -> Decision | Pending:
        """The decision as of now."""

    def redecided(self, decision: Decision) -> None:
        """Still allowed; this is the decision from now on."""

    def look(self, now: float) -> None:
        """Called a few times a second: end what takes too long."""

    def cut(self, cause: Cause) -> None:
        """End it, saying why."""
