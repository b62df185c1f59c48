"""One capability of the gate, put together: what the composition root asks of it, and what a capability that has nothing to say leaves as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kgate.api.application import Routes
from kgate.identity.authenticator import Source


class Part:
    """See the module."""

    def routes(self) -> Sequence[Routes]:
        """Its pages and endpoints; asked once."""
        return ()

    def sources(self) -> Sequence[Source]:
        """Who it knows people by; asked at each reload."""
        return ()

    def reloaded(self) -> None:
        """Another configuration is in force."""

    def tick(self) -> None:
        """Called a few times a second."""

    def problems(self) -> Mapping[str, str]:
        """What is not as it should be, for /readyz."""
        return {}
