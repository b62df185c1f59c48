"""What an authorizer is. Its answer comes at once: there is no wait between a decision and the registration of what it allows.

One that must ask somebody else gives ``Pending``: what it wants is fetched, and then it is asked again.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum
from typing import Protocol

from attrs import field, frozen

from kgate.model import Action, Cluster, Context, Decision, Identity, Impersonation, Pending
from kgate.policy.visible import Face


class Authorizer(Protocol):
    """Answers whether somebody may do something."""

    def authorize(self, identity: Identity, action: Action, context: Context) -> Decision | Pending:
        """The decision on what holds now. Asked for every request, and again for whatever lives when something changed."""

    def overview(self, identity: Identity, cluster: Cluster, context: Context) -> Overview:
        """What the policy gives ``identity`` in ``cluster`` now."""


class Overview(Protocol):
    """What the policy gives somebody in one cluster, for a list. Nobody else is asked about it: a list has hundreds of lines."""

    @property
    def faces(self) -> tuple[Face, ...]:
        """As whom the cluster may see them."""

    def seen_as(self, action: Action) -> Impersonation | None:
        """As whom the cluster would see them do ``action``; None where the policy does not allow it."""


class Opinion(Enum):
    """What another authorizer says. Only ``ALLOWED`` lets anything pass."""

    ALLOWED = "allowed"
    DENIED = "denied"
    NONE = "no opinion"


@frozen
class Answer:
    """An opinion, in the authorizer's own words, and for how many seconds it counts; None leaves that to the settings."""

    opinion: Opinion
    text: str = ""
    holds: float | None = None


@frozen
class Unanswered:
    """No opinion could be had, which is a denial: the rest of a sentence that begins with who was asked."""

    text: str


@frozen(cache_hash=True)
class Question:
    """What one authorizer is asked. Two that are equal have one answer, so all that can change the answer is in here."""

    authorizer: str
    body: Hashable = field(repr=False)
    """What is sent, in the authorizer's own form."""
    cluster: str = ""
    """For one that is asked at the cluster itself."""
    impersonate: Impersonation | None = None
    """In whose name it is asked there."""


@frozen(cache_hash=True)
class Questions:
    """What a ``Pending`` of the chain wants: all of them, asked at the same time."""

    each: tuple[Question, ...]


class Asker(Protocol):
    """Another authorizer, as the chain and net/ know it. Third parties give one by an entry point (docs/authorizers.md)."""

    def question(self, identity: Identity, action: Action, context: Context, decision: Decision) -> Question | None:
        """What to ask about something that ``decision`` of the policy allows; None where this authorizer is not concerned. Pure and quick."""

    async def ask(self, question: Question) -> Answer | Unanswered:
        """Ask it. Whatever takes longer than the settings' timeout is cancelled, and is a denial."""
