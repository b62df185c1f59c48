"""The source of issuers' tokens as a gate has it, without a network: two clocks, and a fetch that gives what the issuer publishes."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable

from attrs import define, evolve, field
from issuer import NOW, URL, TestIssuer
from joserfc.jwk import Key

from kgate.identity.credentials import Credentials, Rejected
from kgate.identity.elsewhere import ClaimsWanted
from kgate.identity.issuer_configuration import load_authentication_configuration
from kgate.identity.issuers import Ends, Issuers
from kgate.identity.jose import KeySet, read_key_set
from kgate.identity.key_ring import KeyRing, KeysWanted
from kgate.model import Identity, Pending

PLAIN = {
    "issuer": {"url": URL, "audiences": ["kgate"]},
    "claimMappings": {"username": {"claim": "sub", "prefix": ""}, "groups": {"claim": "groups", "prefix": "corp:"}},
}


def configuration(*issuers: object) -> str:
    return json.dumps(
        {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": list(issuers or [PLAIN])}, indent=1
    )


@define(slots=False)
class IssuerGate:
    """A source with one issuer, two clocks, and a network that gives what the issuer publishes."""

    issuer: TestIssuer = field(factory=TestIssuer)
    file: str = field(factory=configuration)
    now: float = NOW
    monotonic: float = 1000.0
    down: bool = False
    publishes: list[Key] | None = None
    """What is published where that is not all of the issuer's keys."""
    fetched: list[KeysWanted] = field(factory=list)
    userinfo: bool = False
    elsewhere: dict[str, bytes] = field(factory=dict)
    """What is answered at each address; the empty one is the issuer's userinfo."""
    asked: list[ClaimsWanted] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.ring, self.ends = KeyRing(self.issuer.url), Ends()
        self.reload()

    def reload(self) -> None:
        """The configuration is read again."""
        issuers, userinfo = load_authentication_configuration(self.file, "f"), [URL] if self.userinfo else []
        self.source = Issuers(issuers, {self.ring.issuer: self.ring}, lambda: self.monotonic, userinfo, self.ends)

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.monotonic += seconds

    def fetch(self, wanted: KeysWanted) -> None:
        self.fetched.append(wanted)
        self.ring.began(self.monotonic)
        document = (self.issuer if self.publishes is None else evolve(self.issuer, keys=self.publishes)).document()
        keys = read_key_set(document)
        if self.down or not isinstance(keys, KeySet):
            self.ring.failed("it cannot be reached")
        else:
            self.ring.learned(keys, document, wanted.kid, self.monotonic)

    def get(self, wanted: Hashable, then: Callable[[], None]) -> None:
        """The same as a ``Fetch``: at once."""
        if isinstance(wanted, ClaimsWanted):
            self.asked.append(wanted)
            self.source.elsewhere.learned(wanted, self.elsewhere.get(wanted.endpoint))
        else:
            assert isinstance(wanted, KeysWanted)
            self.fetch(wanted)
        then()

    def ask(self, token: str) -> Identity | Rejected | None:
        """As the gate does: fetch what is wanted and ask again."""
        for _ in range(8):
            found = self.source.authenticate(Credentials(token), self.now)
            if not isinstance(found, Pending):
                return found
            self.get(found.wanted, lambda: None)
        raise AssertionError("asked again and again")
