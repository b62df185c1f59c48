"""An issuer of a test's own: keys that it makes, key sets that it publishes, tokens that it signs, well formed or not."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Mapping
from typing import Any

from attrs import define, field
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

NOW = 1_800_000_000.0
URL = "https://idp.example"


def b64(value: bytes | str | Mapping[str, Any]) -> str:
    """base64url of bytes, text or a JSON object."""
    raw = json.dumps(value).encode() if isinstance(value, Mapping) else value.encode() if isinstance(value, str) else value
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def make_key(kid: str, algorithm: str = "ES256") -> Key:
    """A private key that signs by ``algorithm``."""
    parameters: Any = {"kid": kid, "use": "sig", "alg": algorithm}
    if algorithm[:2] in ("RS", "PS"):
        return RSAKey.generate_key(2048, parameters)
    if algorithm[:2] == "Ed":
        return OKPKey.generate_key("Ed25519", parameters)
    return ECKey.generate_key({"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm], parameters)


@define
class TestIssuer:
    """``keys`` are published, the last one signs."""

    __test__ = False
    url: str = URL
    keys: list[Key] = field(factory=lambda: [make_key("one")])

    def rotate(self, kid: str, *, keep: bool = True) -> None:
        """From now on another key signs."""
        self.keys = [*(self.keys if keep else ()), make_key(kid)]

    def document(self) -> bytes:
        """The key set."""
        return json.dumps({"keys": [key.as_dict(private=False) for key in self.keys]}).encode()

    def claims(self, now: float = NOW, **changed: Any) -> dict[str, Any]:
        """A token's usual claims; one that is None is left out."""
        usual = {"iss": self.url, "sub": "alice", "aud": "kgate", "iat": now, "exp": now + 600, "groups": ["sre"]} | changed
        return {name: value for name, value in usual.items() if value is not None}

    def sign(self, claims: Mapping[str, Any] | bytes, key: Key | None = None, **header: Any) -> str:
        """A token with just these claims."""
        key = key or self.keys[-1]
        algorithm = str(key.get("alg"))
        payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)
            return jws.serialize_compact({"alg": algorithm, "kid": key.kid, **header}, payload, key, registry=registry)

    def token(self, now: float = NOW, **changed: Any) -> str:
        """A token with the usual claims, changed."""
        return self.sign(self.claims(now, **changed))

    def raw(self, header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes, signature: bytes = b"x") -> str:
        """Three parts that nobody signed."""
        return f"{b64(header)}.{b64(payload)}.{b64(signature)}"
