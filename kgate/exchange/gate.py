"""What an exchange needs of the rest of the gate: small ports, put together by the composition root.

Routes are replaced whole on reload; an exchange that is under way keeps the connections of the cluster that it was admitted to.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

from kgate.exchange.admission import Admitted, Verdict
from kgate.exchange.patience import Patience
from kgate.exchange.tape import Tape
from kgate.model import Action, Cause, Identity, Pending, Stream

Fetch = Callable[[Hashable, Callable[[], None]], None]
"""Gets what a ``Pending`` wants, tells whoever wanted it, and then calls back, in any case and within its own time limit."""


class OnRecord(Protocol):
    """What the records of a request are made from."""

    @property
    def id(self) -> str:
        """The request's id."""

    @property
    def admitted(self) -> Admitted:
        """Who asked for what, and the decision."""

    @property
    def identity(self) -> Identity:
        """Who asked."""

    @property
    def action(self) -> Action:
        """What for."""

    @property
    def started(self) -> float:
        """When it was admitted (monotonic)."""

    @property
    def status(self) -> int:
        """Of the answer; 0 where there was none."""

    @property
    def bytes_in(self) -> int:
        """Of the request's body."""

    @property
    def bytes_out(self) -> int:
        """Of the answer's."""

    @property
    def closed_by(self) -> Cause | None:
        """Why the gate ended it, where it did."""

    @property
    def revocation(self) -> float | None:
        """Seconds from the change to the end."""

    @property
    def tape(self) -> Tape | None:
        """What is recorded of it, where anything is."""


class Recordable(OnRecord, Protocol):
    """A request that may become a stream of which a recording is made."""

    def cut(self, cause: Cause) -> None:
        """End it, saying why."""


class Live(Protocol):
    """The registry of what is live."""

    def add(self, stream: Stream) -> None:
        """From now on changes reach it."""

    def remove(self, stream: Stream) -> None:
        """It ended."""

    def limit(self, stream: Stream) -> None:
        """Cut it if it has reached a limit."""


class Recorder(Protocol):
    """What of a request goes on record."""

    def decision(self, exchange: OnRecord, then: Callable[[bool], None]) -> None:
        """What was decided; ``then(True)`` once that is durable, ``then(False)`` where it cannot be in time."""

    def port(self, exchange: OnRecord, port: int, verdict: Verdict) -> None:
        """That a live port-forward may reach a port, or may not."""

    def change(self, exchange: OnRecord, verdict: Verdict) -> None:
        """That a live request is decided otherwise now."""

    def end(self, exchange: OnRecord) -> None:
        """That it is over; counted."""


class Gate(Protocol):
    """What an exchange asks of the gate around it."""

    @property
    def recorder(self) -> Recorder:
        """Where what happens to it goes on record."""

    @property
    def live(self) -> Live:
        """The registry."""

    @property
    def patience(self) -> Patience:
        """How long to wait, as of now."""

    def now(self) -> float:
        """Monotonic seconds."""

    def tape(self, exchange: Recordable) -> Tape | None:
        """What is to be recorded of a request that asks for an upgrade; None where nothing is."""

    def decide_again(self, exchange: OnRecord) -> Verdict | Pending:
        """The decision on a live request as of now."""

    def decide_port(self, exchange: OnRecord, port: int) -> Verdict | Pending:
        """The decision on one port of a live port-forward as of now."""
