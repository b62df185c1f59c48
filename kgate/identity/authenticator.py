"""The configured sources, asked in order.

A source answers with an identity, with a rejection (this is mine, and it is no good), or with None (not mine). A token speaks before a certificate:
it is what the person chose for this request, the certificate is what the machine shows on every connection. A bad token is a rejection even where a
good certificate stands beside it: falling back would act as somebody whom the client did not name. A device's certificate beside a token adds the device.

Sources answer at once from what they hold. One that must fetch something first (a key set, an introspection) answers ``Pending``; the caller has it
fetched and asks again, so this stays pure. So it is where a gate that just started has not read yet who is out: nobody is let in on the strength of that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from kgate.identity.credentials import Credentials, Rejected
from kgate.identity.devices import Devices
from kgate.identity.notices import Notices
from kgate.identity.people import People
from kgate.model import Identity, Pending


class LeaversWanted:
    """Who is out (the directory, notices of issuers) was not read from the store yet."""


_LEAVERS_WANTED: Final = Pending(LeaversWanted())
_SIGN_IN: Final = "check the user of this kubeconfig context"


class Source(Protocol):
    """Knows some people or programs."""

    def authenticate(self, credentials: Credentials, now: float) -> Identity | Rejected | Pending | None:
        """Who it is; None where these credentials are none of this source's."""


class Authenticator:
    """Who sends a request. Replaced whole on reload, so that a revoked token is unknown at once."""

    def __init__(
        self,
        bearers: Sequence[Source] = (),
        certificates: Source | None = None,
        people: People | None = None,
        notices: Notices | None = None,
        devices: Devices | None = None,
        leavers_known: Callable[[], bool] | None = None,
    ) -> None:
        self._bearers, self._certificates = tuple(bearers), certificates
        self._people = people if people is not None else People(())
        self._notices = notices if notices is not None else Notices()
        self._devices = devices
        self._leavers_known = leavers_known
        """None from when they are known."""

    def authenticate(self, credentials: Credentials, now: float) -> Identity | Rejected | Pending:
        """Who it is, or what is wrong with the credentials. Asked anew for every request: expiry counts at ``now``."""
        if self._leavers_known is not None:
            if not self._leavers_known():
                return _LEAVERS_WANTED
            self._leavers_known = None
        found = self._by_credentials(credentials, now)
        if isinstance(found, Pending):
            return found
        told = found if isinstance(found, Rejected) else self._notices.applied(found)
        return told if isinstance(told, Rejected) else self._people.resolve(told)

    def _by_credentials(self, credentials: Credentials, now: float) -> Identity | Rejected | Pending:
        bearer, certificate = credentials.bearer, credentials.certificate
        if bearer is not None:
            found = self._by_token(credentials, now)
            if self._devices is not None and certificate is not None and isinstance(found, Identity):
                return self._devices.beside(found, certificate, now)
            return found
        device = self._devices.alone(certificate, now) if self._devices is not None and certificate is not None else None
        if device is not None:
            return device
        if self._certificates is not None and certificate is not None:
            person = self._certificates.authenticate(credentials, now)
            if person is not None:
                return person
        return Rejected("the request has no credentials", _SIGN_IN)

    def _by_token(self, credentials: Credentials, now: float) -> Identity | Rejected | Pending:
        if not credentials.well_formed:
            return Rejected("the token is not well formed", _SIGN_IN)
        for source in self._bearers:
            found = source.authenticate(credentials, now)
            if found is not None:
                return found
        return Rejected("the token is not known to this gate", _SIGN_IN)
