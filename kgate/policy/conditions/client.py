"""``user_agent: ["kubectl/*"]``: the program, by its own word. Anybody can write anything there, so this keeps out nobody who means it; it is for
policies such as "no kubectl older than 1.28 by mistake"."""

from __future__ import annotations

from attrs import frozen

from kgate.documents.globs import Words
from kgate.model import Ground
from kgate.policy.details import shown, unlike
from kgate.policy.question import Question


@frozen
class UserAgents:
    """Globs of the ``User-Agent`` header."""

    words: Words
    ground = Ground.USER_AGENT

    def holds(self, asked: Question) -> bool | None:
        """Whether the program is one of them."""
        return self.words.matches(asked.context.user_agent) if asked.context.user_agent else None

    def edge(self, asked: Question) -> float | None:
        """Never by itself."""
        return None

    def miss(self, asked: Question) -> str:
        """Which program."""
        agent = asked.context.user_agent
        return unlike("the user agent", agent, self.words) if agent else "the request names no user agent"

    def hit(self, asked: Question) -> str:
        """Which program."""
        return f"the user agent is {shown(asked.context.user_agent) or 'not named'}"
