"""Static tokens for robots, ready to be asked.

The lookup by digest leaks nothing of use to timing: whoever can choose a digest's prefix can already choose the token. Expiry is checked on each use;
``networks`` and ``clusters`` travel in the identity and are held against every request.
"""

from __future__ import annotations

from kgate.errors import Mistake
from kgate.identity.credentials import Credentials, Rejected
from kgate.model import Identity


class Tokens:
    """The tokens of one file. ``identities`` are by digest."""

    def __init__(self, identities: dict[bytes, Identity], warnings: tuple[Mistake, ...] = ()) -> None:
        self.identities, self.warnings = identities, warnings

    def authenticate(self, credentials: Credentials, now: float) -> Identity | Rejected | None:
        """Whose token it is; None where it is none of these."""
        if credentials.bearer is None:
            return None
        identity = self.identities.get(credentials.digest)
        if identity is not None and identity.expires is not None and identity.expires <= now:
            return Rejected(f"the token {identity.robot} has expired", "ask for a new one")
        return identity
