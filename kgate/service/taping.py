"""Recordings of exec and attach, put together: what a cast says of its stream, where it goes, how long it is kept.

Whether anything of a stream is recorded is the decision's to say (``record`` of the rule). The directory is looked after only where the policy in force
has such a rule; ``keep`` holds in any case, in the first process of a gate.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred

from kgate.audit.record import MOST_ARGUMENTS, Record, safe, timestamp, what
from kgate.audit.recording.cast import header
from kgate.audit.recording.names import DAY_SECONDS, name_of
from kgate.exchange.gate import OnRecord, Recordable
from kgate.exchange.quota import Quota
from kgate.exchange.tape import Tape, Terms, wanted
from kgate.model import Action, Recording
from kgate.net.reels import Reels
from kgate.policy.evaluate import Policy
from kgate.service.part import Part, Shared
from kgate.settings import Configuration
from kgate.settings.operation import AuditMode, AuditSettings

TIDY_SECONDS: Final = 3600.0
_FACTS: Final = frozenset({"cluster", "action", "namespace", "name", "container", "command"})
_SPENT: Final = "what is recorded of you in a day has the %d bytes that audit.recordings.bytes_per_person allows; try again later"


class Taping(Part):
    """See the module. ``lost`` puts on record that a stream goes on unrecorded; ``tidies``: whether this process removes what is kept for long enough."""

    def __init__(self, shared: Shared, settings: AuditSettings, lost: Callable[[OnRecord, str], None], *, tidies: bool) -> None:
        self._shared, self._lost = shared, lost
        self._gate, self._keep = shared.records.gate, settings.recordings.keep if tidies else None
        self._terms = Terms(
            settings.recordings.bytes, settings.mode is AuditMode.STRICT, spent=_SPENT % settings.recordings.bytes_per_person
        )
        self._quota = Quota(settings.recordings.bytes_per_person / DAY_SECONDS, DAY_SECONDS, lends=True)
        self._reels = Reels(shared.reactor, settings.recorded, shared.now, shared.turn.flush)
        self._is_asked_for = False
        self._tidied = shared.now() - TIDY_SECONDS
        self._ahead = shared.wall() - shared.now()

    @property
    def open(self) -> int:
        """Recordings that are being made."""
        return len(self._reels)

    @property
    def made(self) -> int:
        """Recordings that were begun."""
        return self._reels.made

    @property
    def bytes(self) -> int:
        """What was written of all of them."""
        return self._reels.bytes

    def tape(self, exchange: Recordable) -> Tape:
        """The recording of ``exchange``, not yet begun."""
        asked, decision, identity = exchange.admitted.asked, exchange.admitted.decision, exchange.identity
        record = wanted(asked.action, decision)
        began = self._shared.wall()
        facts = {
            "id": exchange.id,
            "gate": self._gate,
            "began": timestamp(began),
            "user": safe(exchange.identity.user),
            **_of(asked.action),
            "rule": decision.rule,
            "record": record.value,
        }
        title = f"{safe(exchange.identity.user)}: {_title(asked.action)}"
        return Tape(
            exchange.id,
            name_of(exchange.id),
            record,
            header(title, _command(asked.action), began, facts),
            self._terms._replace(
                spend=lambda much: self._quota.spend(identity.user, identity.issuer, self._shared.now(), much) == 0.0,
                charge=lambda much: self._quota.charge(identity.user, identity.issuer, self._shared.now(), much),
            ),
            self._reels.open,
            self._shared.now,
            exchange.cut,
            lambda problem: self._lost(exchange, problem),
        )

    # --- a part of the gate

    def prepare(self, configuration: Configuration) -> Callable[[], None]:
        """Whether a rule records."""
        asked_for = _records(configuration.policy)

        def take_over() -> None:
            self._is_asked_for = asked_for

        return take_over

    def tick(self) -> None:
        """Called a few times a second."""
        self._reels.tick()

    def look(self) -> None:
        """Called every few seconds."""
        if self._is_asked_for:
            self._reels.look()
        if self._keep is not None and self._shared.now() - self._tidied >= TIDY_SECONDS:
            self._tidied = self._shared.now()
            self._reels.outlived(self._today() - self._keep, self._tidy)

    def problems(self) -> Mapping[str, str]:
        """For /readyz: what is to be recorded is refused then, or goes on unrecorded."""
        problem = self._reels.problem if self._is_asked_for else ""
        return {"recordings": f"{self._reels.directory}: {problem}"} if problem else {}

    def finish(self) -> Deferred[None]:
        """Fires when every recording is complete, or known not to be."""
        return self._reels.stop()

    def _today(self) -> float:
        """Unix seconds, by which something is old. A clock that was set forward since the start is not believed: what ends early is the safe side, what is
        removed early is gone (security.md class 28)."""
        return min(self._shared.wall(), self._shared.now() + self._ahead)

    def _tidy(self, days: list[tuple[str, int]]) -> None:
        """What goes is on record before it goes: ``kgate audit verify`` would miss it."""
        for day, count in days:
            self._shared.records.event("recordings-removed", {"recording": f"{day}/", "count": count}, partial(self._remove, day))

    def _remove(self, day: str, durable: bool) -> None:
        if durable:
            self._reels.remove(day)


def _records(policy: Policy) -> bool:
    return any(rule.record is not Recording.NONE for rule in policy.rules)


def _of(action: Action) -> Record:
    """What was asked for, as its audit record has it."""
    return {name: value for name, value in what(action) if name in _FACTS} | {"tty": action.tty}


def _command(action: Action) -> str:
    return safe(shlex.join(action.command[:MOST_ARGUMENTS]))


def _title(action: Action) -> str:
    operation = action.operation.value if action.operation is not None else action.verb
    where = f"{action.cluster.name}/{action.namespace}/{action.name}" + (f" ({action.container})" if action.container else "")
    return safe(f"{operation} {where}")
