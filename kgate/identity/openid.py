"""The gate as a client of an OpenID provider: what it sends people there with, and what it believes of what comes back.

OpenID Connect Core 1.0 (authorization code flow only, with PKCE), Discovery 1.0, RFC 9207 (``iss`` in the answer, against mix-up) and RFC 9700 (current
best practice). Bytes and values only: ``net/provider`` asks, ``identity`` verifies the ID token's signature and maps its claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from attrs import field, frozen

from kgate.identity.jose import Flaw, read_object
from kgate.identity.pkce import METHOD, challenge_of

WELL_KNOWN = "/.well-known/openid-configuration"
AGE_SKEW = 60.0
_LONGEST = 16 * 1024


@frozen
class Provider:
    """What its discovery document says. Endpoints that it does not have are empty."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    end_session_endpoint: str = ""
    says_iss: bool = False
    """It promises ``iss`` in every answer (RFC 9207 section 3)."""
    post_only: bool = False
    """Its token endpoint takes the client's secret in the body only (``client_secret_post``)."""


@frozen
class Client:
    """How the gate is registered there."""

    id: str
    secret: str = field(repr=False)
    redirect_uri: str


@frozen
class ProviderTokens:
    """What the provider gave for a code, or for a refresh token."""

    id_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    """Good for the provider's userinfo, and not kept."""


@frozen
class Denied:
    """The provider said no: ``error`` is its code (RFC 6749 section 5.2), ``text`` its sentence, in printable characters."""

    error: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.error}: {self.text}" if self.text else self.error


def read_provider(document: bytes, issuer: str) -> Provider | Flaw:
    """A discovery document, which must be the issuer's own (Discovery section 4.3)."""
    found = read_object(document)
    if isinstance(found, Flaw):
        return found
    if found.get("issuer") != issuer:
        return Flaw(f"says that it is {_printable(found.get('issuer'))}, not {issuer}")
    endpoints = {name: _endpoint(found.get(name)) for name in ("authorization_endpoint", "token_endpoint", "end_session_endpoint")}
    missing = [name for name in ("authorization_endpoint", "token_endpoint") if not endpoints[name]]
    if missing:
        return Flaw(f"names no {missing[0]} that could be used")
    methods = found.get("token_endpoint_auth_methods_supported")
    return Provider(
        issuer,
        **endpoints,
        says_iss=found.get("authorization_response_iss_parameter_supported") is True,
        post_only=isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods,
    )


def authorization_url(
    provider: Provider,
    client: Client,
    scopes: Sequence[str],
    state: str,
    nonce: str,
    verifier: str,
    step_up: bool = False,
    acr_values: Sequence[str] = (),
    prompt: str | None = None,
) -> str:
    """Where the browser goes (Core section 3.1.2.1). ``step_up`` asks for the person anew, and for one of ``acr_values`` if there are any. ``prompt`` is what
    is asked otherwise; None is what a refresh token needs by the specification (section 11)."""
    asked = {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": client.redirect_uri,
        "scope": " ".join(scopes),
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": METHOD,
    }
    usual = prompt if prompt is not None else "consent" if "offline_access" in scopes else ""
    if step_up:
        # max_age=0 says the same as prompt=login (Core section 3.1.2.1), which leaves the one value that Microsoft Entra takes for what must be there.
        usual = "consent" if usual == "consent" else "login"
        asked |= {"max_age": "0"} | ({"acr_values": " ".join(acr_values)} if acr_values else {})
    if usual:
        asked["prompt"] = usual
    joint = "&" if urlsplit(provider.authorization_endpoint).query else "?"
    return provider.authorization_endpoint + joint + urlencode(asked)


def read_query(query: str) -> dict[str, str] | None:
    """Parameters of a query or a form; None where one is there twice (RFC 6749 section 3.1) or it cannot be read."""
    if len(query) > _LONGEST:
        return None
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        return None
    return dict(pairs) if len({name for name, _ in pairs}) == len(pairs) else None


def read_answer(parameters: Mapping[str, str], provider: Provider) -> str | Denied | Flaw:
    """The code of an authorization response whose ``state`` was found. A mix-up of providers is a Flaw (RFC 9207 section 2.4)."""
    iss = parameters.get("iss")
    if iss is None and provider.says_iss:
        return Flaw("does not say which provider it comes from, though this one always does")
    if iss is not None and iss != provider.issuer:
        return Flaw(f"comes from {_printable(iss)}, not from {provider.issuer} where the sign-in began")
    if "error" in parameters:
        return Denied(_printable(parameters["error"]), _printable(parameters.get("error_description", "")))
    code = parameters.get("code", "")
    return code if code else Flaw("has neither a code nor an error")


def code_form(client: Client, code: str, verifier: str) -> dict[str, str]:
    """Redeems a code."""
    return {"grant_type": "authorization_code", "code": code, "redirect_uri": client.redirect_uri, "code_verifier": verifier}


def refresh_form(refresh_token: str) -> dict[str, str]:
    """Asks the provider whether it still stands by a sign-in."""
    return {"grant_type": "refresh_token", "refresh_token": refresh_token}


def read_tokens(status: int, body: bytes) -> ProviderTokens | Denied | Flaw:
    """The answer of a token endpoint (RFC 6749 sections 5.1 and 5.2). A Flaw is no answer to the question: ask again later."""
    found = read_object(body)
    if isinstance(found, Flaw):
        return Flaw(f"answered {status} with something that {found.text}")
    if status == 200 and not found.get("error"):
        given = [found.get(name) for name in ("id_token", "refresh_token", "access_token")]
        tokens = ["" if each is None else each for each in given]  # some providers write null for what they do not give
        if not all(isinstance(each, str) for each in tokens):
            return Flaw("answered with tokens that are not text")
        # Without the one token that there must be it is no answer of a token endpoint's, and no word on whether the sign-in still stands.
        return ProviderTokens(*tokens) if tokens[2] else Flaw("answered without an access token")
    if (status == 200 or 400 <= status < 500) and isinstance(found.get("error"), str):
        return Denied(_printable(found["error"]), _printable(found.get("error_description", "")))
    return Flaw(f"answered {status}")


def nonce_flaw(claims: Mapping[str, Any], nonce: str, client: Client) -> Flaw | None:
    """What is wrong with the ID token's claims for this very sign-in (Core section 3.1.3.7, steps 4, 5 and 11)."""
    if claims.get("nonce") != nonce:
        return Flaw("is not the answer to this sign-in (nonce)")
    audience = claims.get("aud")
    if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != client.id:
        return Flaw("was issued for another client (azp)")
    if claims.get("azp", client.id) != client.id:
        return Flaw("was issued for another client (azp)")
    return None


def freshness_flaw(claims: Mapping[str, Any], asked_at: float) -> Flaw | None:
    """Whether the person was really asked anew, as a step-up demands (Core section 3.1.2.1, ``max_age``)."""
    signed_in = claims.get("auth_time")
    if not isinstance(signed_in, int | float) or isinstance(signed_in, bool):
        return Flaw("does not say when you signed in (auth_time), which a step-up needs")
    return None if signed_in >= asked_at - AGE_SKEW else Flaw("is of an earlier sign-in: the identity provider did not ask you again")


def logout_url(provider: Provider, client: Client, id_token: str, after: str) -> str:
    """Where a browser ends the provider's own session too (RP-Initiated Logout 1.0); empty where the provider has no such place."""
    if not provider.end_session_endpoint:
        return ""
    joint = "&" if urlsplit(provider.end_session_endpoint).query else "?"
    asked = {"client_id": client.id, "post_logout_redirect_uri": after} | ({"id_token_hint": id_token} if id_token else {})
    return provider.end_session_endpoint + joint + urlencode(asked)


def _endpoint(value: object) -> str:
    """An https URL; empty for anything else."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    return value if parts.scheme == "https" and parts.netloc and not parts.fragment else ""


def _printable(value: object) -> str:
    """Somebody else's words, for a message: one line, cut."""
    text = value if isinstance(value, str) else "something that is not text"
    return "".join(each if each.isprintable() else " " for each in text)[:300]
