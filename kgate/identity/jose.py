"""Signed tokens (JWS, RFC 7515; JWT, RFC 7519) and the keys of whoever signs them (JWK, RFC 7517), read strictly.

The signature itself is joserfc's business. What is here is everything around it where libraries are lenient and attacks live (security.md class 20;
Wycheproof's vectors are the judge):

* The token's header chooses nothing. ``alg`` must be one that the caller allows *and* that fits the key's type and curve, so ``none`` and an RSA key
  taken for an HMAC secret have no way in. ``jku``, ``x5u``, ``jwk`` and ``x5c`` are not looked at; ``kid`` is compared and nothing else.
* ``crit`` names extensions that must be understood, and none is: such a token is refused, and with it ``b64`` (RFC 7797).
* base64url has one spelling of each value: no padding, no other alphabet, no stray bits at the end. JSON has no member twice.
* A key is used for what it is for: ``use``, ``key_ops`` and ``alg``. RSA keys have 2048 to 8192 bits, a sane
  exponent, and were not made by the chips of ROCA (CVE-2017-15361). A set that mixes public keys with secret ones, or that names two keys of one kind
  alike, has something wrong with it: the first is refused, of the second neither is used.
"""

from __future__ import annotations

import base64
import json
import re
import warnings
from collections import Counter
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from attrs import field, frozen
from joserfc import jwk, jws
from joserfc.errors import JoseError, SecurityWarning

MAX_KEYS = 100
MAX_KEY_SET = 256 * 1024
MIN_RSA, MAX_RSA = 2048, 8192
MIN_SECRET = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Bytes: RFC 7518 section 3.2 asks for as many as the hash has."""

SECRET = frozenset(MIN_SECRET)
PUBLIC = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"})
"""What an issuer on the network may sign with."""

_KINDS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(SECRET, ("oct", "")),
    **dict.fromkeys((name for name in PUBLIC if name[:2] in ("RS", "PS")), ("RSA", "")),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
"""Each algorithm's key type and curve (RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864)."""
_MEMBERS: Mapping[str, tuple[str, ...]] = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",), "oct": ("k",)}
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")

Claims = Mapping[str, Any]
_YEAR_10000 = 253_402_300_800


@frozen
class Flaw:
    """Why a token or a key cannot be used: the rest of a sentence that begins with it."""

    text: str


@frozen
class Jws:
    """A token as it reads, nothing of it believed yet."""

    token: str = field(repr=False)
    algorithm: str
    kid: str
    typ: str
    payload: bytes = field(repr=False)


@frozen(eq=False)
class Key:
    """A key that may verify. ``algorithm`` is the only one that it is for; empty is any that fits its kind."""

    kid: str
    kind: tuple[str, str]
    algorithm: str
    bits: int
    _key: Any = field(repr=False)

    def fits(self, algorithm: str) -> bool:
        """Whether a signature by ``algorithm`` may be held against it."""
        return _KINDS.get(algorithm) == self.kind and self.algorithm in ("", algorithm)

    def verifies(self, token: Jws) -> bool:
        """Whether it made the token's signature."""
        if not self.fits(token.algorithm) or self.bits < 8 * MIN_SECRET.get(token.algorithm, 0):
            return False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SecurityWarning)  # EdDSA is called Ed25519 since RFC 9864; issuers go on calling it so
                jws.deserialize_compact(token.token, self._key, registry=_registry(token.algorithm))
        except (JoseError, ValueError):
            return False
        return True


@frozen(eq=False)
class KeySet:
    """An issuer's keys; ``unusable`` says why others of its document were left out. ``secret``: whoever has the document can sign."""

    keys: tuple[Key, ...]
    unusable: tuple[str, ...] = ()
    secret: bool = False

    def candidates(self, token: Jws) -> tuple[Key, ...]:
        """The keys that may have signed: the one that ``kid`` names, or all of a fitting kind where the token names none."""
        return tuple(key for key in self.keys if key.fits(token.algorithm) and (not token.kid or key.kid == token.kid))


def verify(token: Jws, keys: KeySet, allowed: Collection[str]) -> bool:
    """Whether one of the keys made the signature, by an algorithm that is allowed."""
    return token.algorithm in allowed and any(key.verifies(token) for key in keys.candidates(token))


@lru_cache
def _registry(algorithm: str) -> jws.JWSRegistry:
    """joserfc's limits are below what a token may have (16 KiB, authenticator.py); extra header members are none of its business."""
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = registry.max_payload_length = registry.max_signature_length = 64 * 1024
    return registry


# --- tokens


def read_jws(token: str) -> Jws | Flaw:
    """The token's parts. ``token`` may be anything."""
    parts = token.split(".")
    if len(parts) == 5:
        return Flaw("is encrypted (JWE), which is not asked for here")
    decoded = [_decoded(part) for part in parts]
    if len(parts) != 3 or None in decoded:
        return Flaw("is not a signed token (JWS) in compact form")
    header_bytes, payload, signature = decoded
    header = read_object(header_bytes or b"")
    if isinstance(header, Flaw):
        return Flaw(f"has a header that {header.text}")
    named = {name: header.get(name, "") for name in ("alg", "kid", "typ")}
    if not all(isinstance(value, str) for value in named.values()) or not named["alg"] or not signature:
        return Flaw("has no signature, or a header that does not say how it was made")
    if "crit" in header or "b64" in header:
        return Flaw("has critical header parameters, of which none is known here")
    return Jws(token, named["alg"], named["kid"], named["typ"], payload or b"")


def read_object(document: bytes) -> dict[str, Any] | Flaw:
    """A JSON object in which no member occurs twice, at any depth (RFC 7515 section 4, RFC 7519 section 4)."""
    found = read_json(document)
    return found if isinstance(found, (dict, Flaw)) else Flaw("is not a JSON object")


def numeric_date(claims: Claims, name: str) -> float | None:
    """The claim as Unix seconds (RFC 7519 section 2, NumericDate); None where there is none, or one past the year 9999, which no record could state
    (RFC 3339 section 1)."""
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _YEAR_10000 else None


def read_json(document: bytes) -> Any:
    """Any JSON value, read as strictly; a ``Flaw`` where it is none."""
    try:
        return json.loads(document.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return Flaw(str(error) if isinstance(error, _NotStrict) else "is not JSON")


class _NotStrict(ValueError):
    """JSON, but not of the kind that has one meaning."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _NotStrict("has a member twice")
    return made


def _refuse(word: str) -> None:
    raise _NotStrict(f"has {word}, which is not JSON")


def _decoded(text: str) -> bytes | None:
    """The bytes of canonical base64url without padding (RFC 7515 section 2), None for any other spelling."""
    if len(text) % 4 == 1 or not _BASE64URL.fullmatch(text):
        return None
    value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return value if base64.urlsafe_b64encode(value).rstrip(b"=").decode() == text else None


# --- keys


def read_key_set(document: bytes) -> KeySet | Flaw:
    """The keys of a JWK set. Keys of other kinds and for other uses are left out, as RFC 7517 section 5 asks."""
    if len(document) > MAX_KEY_SET:
        return Flaw(f"has more than {MAX_KEY_SET // 1024} KiB")
    root = read_object(document)
    if isinstance(root, Flaw):
        return root
    entries = root.get("keys")
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        return Flaw("has no list of keys")
    if len(entries) > MAX_KEYS:
        return Flaw(f"has more than {MAX_KEYS} keys")
    if len({_is_secret(each) for each in entries}) > 1:
        return Flaw("holds secret keys beside public ones")
    found = [read_key(each) for each in entries]
    keys = [each for each in found if isinstance(each, Key)]
    names = Counter((each["kid"], str(each.get("kty")), str(each.get("crv", ""))) for each in entries if _signs_by_name(each))
    unusable = [f"key {_name(entry)} {each.text}" for entry, each in zip(entries, found, strict=True) if isinstance(each, Flaw)]
    unusable += [f'{count} keys are named "{name[:64]}"' for (name, *_), count in names.items() if count > 1]
    return KeySet(tuple(key for key in keys if names[key.kid, *key.kind] <= 1), tuple(unusable), any(map(_is_secret, entries)))


def read_key(entry: Mapping[str, Any]) -> Key | Flaw:
    """One JWK. A private key counts as its public half."""
    kty, crv, alg, kid = (entry.get(name, "") for name in ("kty", "crv", "alg", "kid"))
    if not (isinstance(kty, str) and isinstance(crv, str) and isinstance(alg, str) and isinstance(kid, str)):
        return Flaw("has a member that is not text")
    if (kty, crv) not in _KINDS.values():
        return Flaw("is of a kind that is not used here")
    flaw = _purpose(entry, alg)
    if flaw is not None:
        return flaw
    members = {name: entry.get(name) for name in _MEMBERS[kty]}
    numbers = {name: _decoded(value) for name, value in members.items() if isinstance(value, str)}
    if not all(numbers.values()) or len(numbers) < len(members):
        return Flaw("has a member that is missing or not base64url")
    weak = _rsa_flaw(numbers["n"] or b"", numbers["e"] or b"") if kty == "RSA" else None
    if weak is not None:
        return weak
    try:
        key = jwk.import_key({"kty": kty, "crv": crv, **{name: str(value) for name, value in members.items()}})
    except (JoseError, ValueError) as error:
        return Flaw(f"cannot be read: {str(error)[:100]}")
    return Key(kid, (kty, crv), alg, 8 * len(numbers.get("k") or b""), key)


def _purpose(entry: Mapping[str, Any], alg: str) -> Flaw | None:
    """RFC 7517 sections 4.2 to 4.4."""
    if entry.get("use", "sig") != "sig":
        return Flaw("is not for signatures (use)")
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or not {"verify", "sign"} & {each for each in operations if isinstance(each, str)}:
        return Flaw("is not for signatures (key_ops)")
    return None if not alg or alg in _KINDS else Flaw(f"is for {alg[:32]}, which is not used here")


def _rsa_flaw(n: bytes, e: bytes) -> Flaw | None:
    modulus, exponent = int.from_bytes(n), int.from_bytes(e)
    if not MIN_RSA <= modulus.bit_length() <= MAX_RSA:
        return Flaw(f"has {modulus.bit_length()} bits; RSA keys have {MIN_RSA} to {MAX_RSA}")
    if not 3 <= exponent < 2**32 or exponent % 2 == 0:
        return Flaw("has an exponent that makes signatures forgeable or slow")
    return Flaw("was made by a chip with the ROCA flaw (CVE-2017-15361)") if _has_roca_fingerprint(modulus) else None


def _powers(prime: int) -> frozenset[int]:
    return frozenset(pow(65537, exponent, prime) for exponent in range(prime))


_ROCA = {
    prime: _powers(prime)
    for prime in (
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137,
        139, 149, 151, 157, 163, 167,
    )
}  # fmt: skip


def _has_roca_fingerprint(modulus: int) -> bool:
    """Nemec et al., "The Return of Coppersmith's Attack" (2017), section 3: the primes, and so the modulus, are powers of 65537 modulo each small
    prime. A sound modulus looks so once in 2^27."""
    return all(modulus % prime in powers for prime, powers in _ROCA.items())


def _signs_by_name(entry: Mapping[str, Any]) -> bool:
    """Whether a token may mean it by its name, usable or not."""
    kid, alg = entry.get("kid"), entry.get("alg", "")
    return isinstance(kid, str) and bool(kid) and isinstance(alg, str) and _purpose(entry, alg) is None


def _is_secret(entry: Mapping[str, Any]) -> bool:
    return "d" in entry or "k" in entry


def _name(entry: Mapping[str, Any]) -> str:
    kid = entry.get("kid")
    return f'"{kid[:64]}"' if isinstance(kid, str) and kid.isprintable() else "without a name"
