"""What the header fields of a request say, whatever its target: read once for all the requests of a connection that say the same.

Nearly every client sends the same fields with each request. What they mean depends on nothing else, so the connection keeps the last reading
(``ClientLeg.said``) and the next request with equal fields has it for one comparison of lists. It is kept by the connection alone, so a
token is remembered no longer than the connection it came on. Who the token belongs to is asked anew each time: that can change.
"""

from __future__ import annotations

from kgate.audit.line import Pieces, pieces_of
from kgate.identity.credentials import Credentials
from kgate.kube.browsers import from_browser
from kgate.kube.credentials import bearer_token
from kgate.kube.headers import inbound_refusal, ordinary_headers
from kgate.kube.impersonation import ImpersonationRequest, impersonation_request
from kgate.kube.refusal import Headers, Refusal
from kgate.model import Identity, Impersonation
from kgate.wire.events import SharedFields

_TELLING = {b"user-agent": "user-agent", b"kubectl-command": "command", b"kubectl-session": "session"}


class Said:
    """``bearer`` is the token, or why the fields cannot be read at all; ``impersonation`` what ``--as`` asks for; ``kubectl`` what kubectl says of
    itself, a hint only; ``from_browser``, whether a browser sent it and says for whose page."""

    __slots__ = ("_pieces", "_shown", "_upstream", "bearer", "from_browser", "headers", "impersonation", "kubectl", "user_agent")

    def __init__(
        self,
        headers: Headers,
        bearer: str | Refusal | None,
        impersonation: ImpersonationRequest | Refusal | None,
        user_agent: str,
        kubectl: tuple[tuple[str, str], ...],
    ) -> None:
        self.headers, self.bearer, self.impersonation, self.user_agent, self.kubectl = headers, bearer, impersonation, user_agent, kubectl
        self.from_browser = from_browser(headers)
        self._pieces: Pieces | None = None
        self._shown: Credentials | None = None
        self._upstream: tuple[Impersonation, bytes | None, SharedFields] | None = None

    @classmethod
    def by(cls, headers: Headers) -> Said:
        """What ``headers`` say."""
        refusal = inbound_refusal(headers)
        told = {_TELLING[name]: value.decode("utf-8", "replace") for name, value in headers if name in _TELLING}
        user_agent = told.pop("user-agent", "")
        return cls(headers, refusal or bearer_token(headers), impersonation_request(headers), user_agent, tuple(told.items()))

    def shown(self, bearer: str | None, certificate: bytes | None, address: str) -> Credentials:
        """What the request shows of its sender, with what its connection does."""
        known = self._shown
        if known is None or known.bearer != bearer or known.certificate is not certificate or known.address != address:
            known = self._shown = Credentials(bearer, certificate, address)
        return known

    def pieces(self, identity: Identity) -> Pieces:
        """What the records of these requests say alike, if they are that person's."""
        known = self._pieces
        if known is None or known.identity is not identity:
            known = self._pieces = pieces_of(identity)
        return known

    def upstream(self, impersonate: Impersonation, bearer: bytes | None) -> SharedFields:
        """The fields of an ordinary request upstream, in that name and with the gate's own token, but for those of the single request."""
        known = self._upstream
        if known is None or (known[0] is not impersonate and known[0] != impersonate) or known[1] != bearer:
            known = self._upstream = impersonate, bearer, SharedFields(ordinary_headers(self.headers, impersonate, bearer))
        return known[2]
