"""The ports of a live port-forward. One tunnel is admitted as a whole, and each port that is asked for inside it is decided by itself: a rule may name
some ports and not others, and they may be different rules'."""

from __future__ import annotations

from kgate.exchange.gate import Gate, OnRecord
from kgate.model import Decision, Limits, Pending
from kgate.policy.evaluate import sooner


class ForwardedPorts:
    """Which ports a tunnel asked for, and whether it may reach them."""

    __slots__ = ("_allowed", "_gate", "_stream")

    def __init__(self, gate: Gate, stream: OnRecord) -> None:
        self._gate, self._stream = gate, stream
        self._allowed: dict[int, bool] = {}

    @property
    def reached(self) -> tuple[int, ...]:
        """Those that it may reach, of what it asked for."""
        return tuple(sorted(port for port, allowed in self._allowed.items() if allowed))

    def admit(self, port: int, held: Decision) -> Decision | None:
        """``held``, until the port's edge and in its limits too, if the tunnel may reach ``port`` under the name that it has; None if not.

        What has to be waited for is a no.
        """
        verdict = self._gate.decide_port(self._stream, port)
        if isinstance(verdict, Pending):
            return None
        decision = verdict.decision
        allowed = decision.allowed and decision.impersonate == held.impersonate
        if self._allowed.get(port) is not allowed:
            self._allowed[port] = allowed
            self._gate.recorder.port(self._stream, port, verdict)
        return _with(held, decision) if allowed else None

    def again(self, held: Decision) -> Decision | Pending:
        """``held`` if all ports in use are still allowed under the same name, until the first of their edges. The first that is lost ends all."""
        for port in self.reached:
            found = self._gate.decide_port(self._stream, port)
            if isinstance(found, Pending):
                return found
            if not found.decision.allowed or found.decision.impersonate != held.impersonate:
                self._gate.recorder.port(self._stream, port, found)
                return found.decision
            held = _with(held, found.decision)
        return held


def _with(held: Decision, port: Decision) -> Decision:
    """What holds of a tunnel and of a port that it reaches: the first rule that lets any port pass may know no limit, while the port's own does."""
    return held.but(until=sooner(held.until, port.until), limits=_strictest(held.limits, port.limits, port.rule))


def _strictest(held: Limits, port: Limits, rule: str) -> Limits:
    """The strictest of both, and whose each is: ``rule`` is the port's."""
    size = held.bytes if port.bytes is None or (held.bytes is not None and held.bytes < port.bytes) else port.bytes
    duration, idle = sooner(held.duration, port.duration), sooner(held.idle, port.idle)
    return Limits(
        duration,
        idle,
        size,
        duration_by=held.duration_by if duration == held.duration else rule,
        idle_by=held.idle_by if idle == held.idle else rule,
        bytes_by=held.bytes_by if size == held.bytes else rule,
    )
