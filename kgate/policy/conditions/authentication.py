"""``authentication: {acr, amr, max_age}``: how strongly somebody signed in, and how long ago.

``acr`` and ``amr`` are the words of the identity provider (OpenID Connect Core section 2, RFC 8176). What the credential does not say is unknown: a
client certificate or a robot's token has no strength and no age. Whoever lacks it can mend it, so a denial names the command.
"""

from __future__ import annotations

from attrs import fields, frozen

from kgate.documents.globs import Words
from kgate.documents.values import Duration, Unacceptable, accept
from kgate.model import Ground
from kgate.policy.question import Question

STEP_UP = "run kgate login --step-up"


@frozen
class Strength:
    """All that is asked must hold; any word of a list will do."""

    acr: Words | None = None
    amr: Words | None = None
    max_age: Duration | None = None
    ground = Ground.AUTHENTICATION

    def __attrs_post_init__(self) -> None:
        asked = any(getattr(self, each.name) is not None for each in fields(Strength))
        accept(None if asked else Unacceptable("asks nothing", "name acr, amr or max_age"))

    def holds(self, asked: Question) -> bool | None:
        """Whether the sign-in was strong and recent enough; None where the credential does not say."""
        answers = (self._acr(asked), self._amr(asked), self._recent(asked))
        return False if False in answers else None if None in answers else True

    def edge(self, asked: Question) -> float | None:
        """The instant at which the sign-in is too old."""
        signed_in = asked.identity.authenticated_at
        if self.max_age is None or signed_in is None:
            return None
        edge = signed_in + self.max_age
        return edge if edge > asked.context.now else None

    def miss(self, asked: Question) -> str:
        """What it lacks, and what to do."""
        who = asked.identity
        if self._acr(asked) is not True:
            return f"the sign-in's strength (acr) is {who.acr or 'not known'}, not {self.acr}; {STEP_UP}"
        if self._amr(asked) is not True:
            return f"the sign-in used {', '.join(who.amr) or 'no method that is known'}, not {self.amr}; {STEP_UP}"
        if who.authenticated_at is None:
            return f"when the sign-in was is not known; {STEP_UP}"
        return f"the sign-in is older than {_span(self.max_age or 0)}; {STEP_UP}"

    def hit(self, asked: Question) -> str:
        """That it is, for an ``unless``."""
        return "the sign-in is as strong and as recent as the rule excludes" if self.holds(asked) else self.miss(asked)

    def _acr(self, asked: Question) -> bool | None:
        if self.acr is None:
            return True
        return self.acr.matches(asked.identity.acr) if asked.identity.acr else None

    def _amr(self, asked: Question) -> bool | None:
        if self.amr is None:
            return True
        return self.amr.any(asked.identity.amr) if asked.identity.amr else None

    def _recent(self, asked: Question) -> bool | None:
        if self.max_age is None:
            return True
        signed_in = asked.identity.authenticated_at
        return asked.context.now < signed_in + self.max_age if signed_in is not None else None


def _span(seconds: float) -> str:
    whole = int(seconds)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if whole >= size and whole % size == 0:
            return f"{whole // size} {unit}"
    return f"{seconds:g} s"
