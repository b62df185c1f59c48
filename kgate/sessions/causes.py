"""Why a stream ends, in the words that its holder reads. One line, printable, and it reads well behind any prefix that kubectl puts before it."""

from __future__ import annotations

from kgate.model import Cause, Decision, Ending, Ground, Limits

_ENDINGS = {
    Ground.EXPIRED: Ending.EXPIRED,
    Ground.LOGOUT: Ending.LOGOUT,
    Ground.TIME: Ending.TIME,
    Ground.FACT: Ending.FACT,
    Ground.DEVICE: Ending.DEVICE,
    Ground.NETWORK: Ending.NETWORK,
    Ground.COUNTRY: Ending.NETWORK,
    Ground.AUTHENTICATION: Ending.AUTHENTICATION,
    Ground.EXPRESSION: Ending.EXPRESSION,
    Ground.LOCK: Ending.LOCK,
    Ground.GRANT: Ending.GRANT,
}


def denied(decision: Decision, id_: str, changed_at: float | None) -> Cause:
    """The decision came out otherwise this time."""
    first = decision.reasons[0] if decision.reasons else None
    ending = _ENDINGS.get(first.ground, Ending.POLICY) if first is not None else Ending.POLICY
    return Cause(ending, f"kgate: closed by policy: {_words(decision)} (request {id_})", changed_at)


def _words(decision: Decision) -> str:
    if decision.allowed:
        return f'rule "{decision.rule}" allows it now under another name; run the command again'
    if not decision.reasons or decision.reasons[0].ground is Ground.NO_RULE:
        return "no rule allows it any more"
    first = decision.reasons[0]
    if first.ground is Ground.DENIED or not first.rule:
        return first.text
    return f'rule "{first.rule}" no longer allows it: {first.text}'


def unanswered(id_: str, changed_at: float | None) -> Cause:
    """Whoever has to be asked again did not answer in time: what cannot be decided is not allowed."""
    return Cause(
        Ending.POLICY, f"kgate: closed by policy: whether it is still allowed could not be found out in time (request {id_})", changed_at
    )


def undecided(id_: str, changed_at: float | None) -> Cause:
    """A bug, which must not be a way to stay."""
    return Cause(
        Ending.POLICY,
        f"kgate: closed by policy: whether it is still allowed could not be decided, which is a fault of the gate (request {id_})",
        changed_at,
    )


def over_duration(limits: Limits, rule: str, id_: str, changed_at: float) -> Cause:
    """It lasted as long as its rule lets it."""
    return Cause(
        Ending.LIMIT,
        f'kgate: closed by policy: rule "{limits.duration_by or rule}" allows {_span(limits.duration)} (request {id_})',
        changed_at,
    )


def over_idle(limits: Limits, rule: str, id_: str, changed_at: float) -> Cause:
    """Nothing passed for as long as its rule lets it be idle."""
    return Cause(
        Ending.LIMIT,
        f'kgate: closed by policy: idle for {_span(limits.idle)}, which is all that rule "{limits.idle_by or rule}" allows (request {id_})',
        changed_at,
    )


def over_bytes(limits: Limits, rule: str, id_: str, changed_at: float) -> Cause:
    """It carried as much as its rule lets it."""
    return Cause(
        Ending.LIMIT, f'kgate: closed by policy: rule "{limits.bytes_by or rule}" allows {limits.bytes} bytes (request {id_})', changed_at
    )


def cut_by(by: str, reason: str, id_: str, changed_at: float) -> Cause:
    """Somebody ended this very stream; it may begin again."""
    return Cause(Ending.CUT, f"kgate: closed by {by}{f': {reason}' if reason else ''} (request {id_})", changed_at)


def stale(id_: str) -> Cause:
    """Nothing is known of who lost their right meanwhile (security.md promise 5)."""
    return Cause(
        Ending.STALE, f"kgate: the gate has lost touch with its store, so it cannot tell who may still be here; try again (request {id_})"
    )


def draining(id_: str) -> Cause:
    """The gate itself stops."""
    return Cause(Ending.DRAIN, f"kgate: the gate is shutting down; run the command again (request {id_})")


def _span(seconds: float | None) -> str:
    whole = int(seconds or 0)
    hours, minutes = divmod(whole // 60, 60)
    if whole % 60 or not whole:
        return f"{whole} s"
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)
