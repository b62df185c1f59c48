"""An admitted request as the rest of the gate sees it while it lives, whatever protocol carries it.

The registry asks what it has carried, when it last moved, and what the decision is now; the audit who asked for what, and how it ended. Every
new decision comes from the function that admitted the request, and goes on record where it came out otherwise.
"""

from __future__ import annotations

from kgate.exchange.admission import Admitted
from kgate.exchange.forwarded import ForwardedPorts
from kgate.exchange.gate import Gate
from kgate.exchange.relay import Relay
from kgate.exchange.tape import Tape, as_recorded
from kgate.model import Action, Cause, Context, Decision, Identity, Impersonation, Pending, Recording


class LiveRequest:
    """What ``Stream`` and ``OnRecord`` want of an ``Exchange``, but for how it is cut and when it takes too long."""

    __slots__ = (
        "_carried",
        "_gate",
        "_ports",
        "_relay",
        "_touched",
        "admitted",
        "bytes_in",
        "bytes_out",
        "closed_by",
        "decision",
        "id",
        "revocation",
        "started",
        "status",
        "tape",
    )

    def __init__(self, gate: Gate, admitted: Admitted, id_: str) -> None:
        self._gate = gate
        self.admitted, self.decision = admitted, admitted.decision
        self.id = id_
        self.started = self._touched = gate.now()
        self.bytes_in = self.bytes_out = self.status = 0
        self._carried = 0
        """Payload of the tunnel when that was last asked."""
        self._relay: Relay | None = None
        """The tunnel, while there is one."""
        self._ports: ForwardedPorts | None = None
        self.closed_by: Cause | None = None
        self.revocation: float | None = None
        self.tape: Tape | None = None
        """What is recorded of it, where anything is."""

    @property
    def identity(self) -> Identity:
        """Who asked."""
        return self.admitted.identity

    @property
    def action(self) -> Action:
        """What was asked."""
        return self.admitted.asked.action

    @property
    def context(self) -> Context:
        """Where and when."""
        return self.admitted.context

    @property
    def recording(self) -> str:
        """The name of its recording; empty where there is none."""
        return self.tape.name if self.tape is not None else ""

    @property
    def bytes_carried(self) -> int:
        """Both ways, for ``limits.bytes``."""
        relay = self._relay
        return self.bytes_in + self.bytes_out if relay is None else relay.bytes_in + relay.bytes_out

    @property
    def ports(self) -> tuple[int, ...]:
        """Those that a port-forward reaches."""
        return self._ports.reached if self._ports is not None else self.action.ports

    @property
    def touched(self) -> float:
        """When bytes of the request, its answer or its tunnel last passed; of a tunnel when that was seen, for it is asked a few times a second.

        What keeps its connections alive passes for nothing: kubectl sends a ping every five seconds.
        """
        if self._relay is not None and (carried := self._relay.tunnel.tally.carried) != self._carried:
            self._carried, self._touched = carried, self._gate.now()
        return self._touched

    def decide_again(self) -> Decision | Pending:
        """The decision as of now, by the very function that admitted it; one that came out otherwise goes on record."""
        verdict = self._gate.decide_again(self)
        if isinstance(verdict, Pending):
            return verdict
        if _answer(verdict.decision) != _answer(self.decision):
            self._gate.recorder.change(self, verdict)
        if verdict.decision.allowed and self._ports is not None:
            return self._ports.again(verdict.decision)
        if verdict.decision.record is not Recording.NONE:
            return as_recorded(verdict.decision, self.action, self.tape.record if self.tape is not None else Recording.NONE)
        return verdict.decision

    def redecided(self, decision: Decision) -> None:
        """Still allowed, under another rule or until another instant."""
        self.decision = decision

    def _admit_port(self, port: int) -> bool:
        """Whether a stream of a port-forward may reach ``port``."""
        if self._ports is None:
            self._ports = ForwardedPorts(self._gate, self)
        found = self._ports.admit(port, self.decision)
        if found is not None:
            self.decision = found
        return found is not None


def _answer(decision: Decision) -> tuple[bool, str, Impersonation | None]:
    """What of a decision its holder notices, and a reader of the audit: not until when it holds, nor the revision."""
    return decision.allowed, decision.rule, decision.impersonate
