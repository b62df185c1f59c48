"""One cluster as an exchange finds it: connections, and the gate's own credential."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kgate.exchange.legs import UpstreamLeg


class NoConnection(Protocol):
    """Why no connection could be had."""

    @property
    def text(self) -> str:
        """The rest of a sentence: ``connection refused``."""


Then = Callable[[UpstreamLeg | NoConnection], None]


class Upstream(Protocol):
    """One cluster's connections and the gate's credential for it."""

    @property
    def authority(self) -> bytes:
        """The Host of upstream requests."""

    @property
    def base_path(self) -> bytes:
        """What the cluster's URL has before ``/api``: empty, or ``/k8s/clusters/c-1``."""

    @property
    def bearer(self) -> bytes | None:
        """The gate's own token for the cluster, where it has one; a client certificate is in the connection."""

    def acquire(self, then: Then) -> None:
        """A connection with room for one request."""

    def acquire_own(self, then: Then) -> None:
        """A new HTTP/1.1 connection, for an upgrade."""

    def acquire_unshared(self, then: Then) -> None:
        """An HTTP/1.1 connection on which nobody else has anything, for what a proxied server answers as it likes."""

    def spare(self, leg: UpstreamLeg) -> None:
        """A connection that was acquired and is not used after all."""

    def refused(self) -> None:
        """The cluster answered 401: the gate's own credential is no good (any more)."""
