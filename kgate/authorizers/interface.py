"""What an authorizer is. Its answer comes at once: there is no wait between a decision and the registration of what it allows.

One that must ask somebody else gives ``Pending``: what it wants is fetched, and then it is asked again.
"""

from __future__ import annotations

from typing import Protocol

from kgate.model import Action, Context, Decision, Identity, Pending


class Authorizer(Protocol):
    """Answers whether somebody may do something."""

    def authorize(self, identity: Identity, action: Action, context: Context) -> Decision | Pending:
        """The decision on what holds now. Asked for every request, and again for whatever lives when something changed."""
