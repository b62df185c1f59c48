"""Which issuers are believed, and what their tokens say: the fields of Kubernetes' ``AuthenticationConfiguration`` (apiserver.config.k8s.io/v1), by
name and by meaning, so that an operator can move a file over unchanged.

    issuer                who signs: url, audiences, discoveryURL, certificateAuthority (PEM)
    claimValidationRules  what a token must say beside: a claim's value, or a CEL condition over ``claims``
    claimMappings         which claims become user name, groups, uid and extra: a claim with a prefix, or a CEL expression over ``claims``
    userValidationRules   CEL conditions over ``user``, what was made of it

Every expression is compiled here, when the file is loaded. What Kubernetes checks of such a file is checked here too, the unverified e-mail
address that is taken for a name (claims.email without claims.email_verified) included. ``anonymous`` means nothing to a gate that knows everybody, and is
refused unless it says that there is none; ``egressSelectorType`` is for an API server's own network, and is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from hashlib import sha256
from typing import NewType
from urllib.parse import urlsplit

from attrs import frozen
from cattrs import Converter
from cryptography import x509

from kgate.documents.reading import read_mapping
from kgate.documents.structuring import strict_converter, structure_list, unknown_keys, written
from kgate.documents.values import Unacceptable, accept
from kgate.errors import InvalidFileError, Mistake
from kgate.expressions import Expression, Kind, Vocabulary

API_VERSIONS = tuple(f"apiserver.config.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
CLAIMS = Vocabulary({"claims": Kind.MAPPING})
USER = Vocabulary({"user": Kind.MAPPING})

IssuerUrl = NewType("IssuerUrl", str)
"""``https://`` with neither query nor fragment. Compared to a token's ``iss`` byte by byte: a slash more is another issuer."""
Bundle = NewType("Bundle", str)
"""PEM text of certificate authorities."""
ExtraKey = NewType("ExtraKey", str)
"""``example.com/key``, in lower case."""
ClaimsCondition = NewType("ClaimsCondition", Expression)
ClaimsText = NewType("ClaimsText", Expression)
ClaimsTexts = NewType("ClaimsTexts", Expression)
UserCondition = NewType("UserCondition", Expression)

_EMAIL = re.compile(r"\bclaims\s*\.\s*\??\s*email\b")
_VERIFIED = re.compile(r"\bclaims\s*\.\s*\??\s*email_verified\b")
_EXTRA = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[-a-z0-9._~!$&'()*+,;=:@/]+")
_ONE = "name one of claim and expression"


class AudienceMatchPolicy(Enum):
    """How a token's audiences must fit."""

    ANY = "MatchAny"
    """One of them is among ours."""
    UNSAID = ""


@frozen
class Issuer:
    """Who signs."""

    url: IssuerUrl
    audiences: tuple[str, ...]
    discoveryURL: IssuerUrl | None = None
    """Where to ask instead of ``url``/.well-known/openid-configuration."""
    certificateAuthority: Bundle | None = None
    """Whom to trust for both; the system's roots where it is left out."""
    audienceMatchPolicy: AudienceMatchPolicy = AudienceMatchPolicy.UNSAID
    egressSelectorType: str | None = None

    def __attrs_post_init__(self) -> None:
        several = len(self.audiences) > 1 and self.audienceMatchPolicy is not AudienceMatchPolicy.ANY
        accept(
            None if self.audiences and all(self.audiences) else Unacceptable("names nobody", "name the gate's client id", ("audiences",)),
            Unacceptable("must be said for several audiences", "write MatchAny", ("audienceMatchPolicy",)) if several else None,
            Unacceptable("is the same as url", "leave it out", ("discoveryURL",)) if self.discoveryURL == self.url else None,
        )

    @property
    def discovery(self) -> str:
        """The address of the discovery document (OpenID Connect Discovery 1.0 section 4)."""
        return self.discoveryURL or self.url.rstrip("/") + "/.well-known/openid-configuration"


@frozen
class ClaimValidationRule:
    """What a token must say."""

    claim: str | None = None
    requiredValue: str = ""
    expression: ClaimsCondition | None = None
    message: str = ""

    def __attrs_post_init__(self) -> None:
        by_claim = self.claim is not None
        accept(
            None if by_claim != (self.expression is not None) else Unacceptable("says not exactly one thing", _ONE),
            Unacceptable("goes only with expression", "take it out", ("message",)) if by_claim and self.message else None,
            Unacceptable("goes only with claim", "take it out", ("requiredValue",)) if not by_claim and self.requiredValue else None,
        )


def _one_of(claim: str | None, prefix: str | None, expression: Expression | None) -> None:
    missing = claim is not None and prefix is None
    accept(
        None if (claim is not None) != (expression is not None) else Unacceptable("says not exactly one thing", _ONE),
        Unacceptable("is an empty name", "name a claim", ("claim",)) if claim == "" else None,
        Unacceptable("needs a prefix beside claim", 'write prefix: "" for none') if missing else None,
        Unacceptable("goes only with claim", "take it out", ("prefix",)) if expression is not None and prefix is not None else None,
    )


@frozen
class UsernameMapping:
    """The user's name."""

    claim: str | None = None
    prefix: str | None = None
    expression: ClaimsText | None = None

    def __attrs_post_init__(self) -> None:
        _one_of(self.claim, self.prefix, self.expression)


@frozen
class GroupsMapping:
    """The user's groups."""

    claim: str | None = None
    prefix: str | None = None
    expression: ClaimsTexts | None = None

    def __attrs_post_init__(self) -> None:
        _one_of(self.claim, self.prefix, self.expression)


@frozen
class UidMapping:
    """The user's uid."""

    claim: str | None = None
    expression: ClaimsText | None = None

    def __attrs_post_init__(self) -> None:
        _one_of(self.claim, "" if self.claim is not None else None, self.expression)


@frozen
class ExtraMapping:
    """One further attribute."""

    key: ExtraKey
    valueExpression: ClaimsTexts


@frozen
class ClaimMappings:
    """What of a token becomes an identity."""

    username: UsernameMapping
    groups: GroupsMapping | None = None
    uid: UidMapping | None = None
    extra: tuple[ExtraMapping, ...] = ()

    def __attrs_post_init__(self) -> None:
        keys = [each.key for each in self.extra]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        accept(Unacceptable(f"has {twice} twice", "keep one", ("extra",)) if twice else None)


@frozen
class UserValidationRule:
    """What must be true of the user that was made."""

    expression: UserCondition
    message: str = ""


@frozen
class IssuerConfiguration:
    """One entry of the list: Kubernetes' ``JWTAuthenticator``."""

    issuer: Issuer
    claimMappings: ClaimMappings
    claimValidationRules: tuple[ClaimValidationRule, ...] = ()
    userValidationRules: tuple[UserValidationRule, ...] = ()

    @property
    def mapping(self) -> str:
        """The same where claims make the same person, in every gate: a digest of the rules."""
        rules = (self.claimMappings, self.claimValidationRules, self.userValidationRules)
        return sha256(repr(rules).encode()).hexdigest()[:32]

    def __attrs_post_init__(self) -> None:
        name = self.claimMappings.username.expression
        beside = (
            [name]
            + [each.valueExpression for each in self.claimMappings.extra]
            + [each.expression for each in self.claimValidationRules if each.expression is not None]
        )
        unverified = (
            name is not None and _EMAIL.search(name.text) and not any(_VERIFIED.search(each.text) for each in beside if each is not None)
        )
        hint = "add a claimValidationRule with the expression claims.?email_verified.orValue(true) == true"
        place = ("claimMappings", "username", "expression")
        accept(Unacceptable("uses claims.email, and nothing looks at claims.email_verified", hint, place) if unverified else None)


def register_hooks(converter: Converter) -> None:
    """Teach a converter the notations of this module's types."""

    def on(kind: object, parse: Callable[[str], object]) -> None:
        converter.register_structure_hook_func(lambda asked: asked is kind, written(parse))

    on(IssuerUrl, _issuer_url)
    on(Bundle, _bundle)
    on(ExtraKey, _extra_key)
    on(ClaimsCondition, lambda text: CLAIMS.compile(text, Kind.BOOLEAN))
    on(ClaimsText, lambda text: CLAIMS.compile(text, Kind.TEXT))
    on(ClaimsTexts, lambda text: CLAIMS.compile(text, Kind.TEXTS, Kind.TEXT))
    on(UserCondition, lambda text: USER.compile(text, Kind.BOOLEAN))


def load_authentication_configuration(text: str, file: str) -> tuple[IssuerConfiguration, ...]:
    """The issuers of an AuthenticationConfiguration file. Raises InvalidFileError with every mistake."""
    mistakes: list[Mistake] = []
    root = read_mapping(text, file, mistakes)
    mistakes += unknown_keys(root, ("apiVersion", "kind", "jwt", "anonymous"), file)
    if root.get("kind") != "AuthenticationConfiguration" or root.get("apiVersion") not in API_VERSIONS:
        mistakes.append(Mistake(file, root.line, "is not an AuthenticationConfiguration", f"write apiVersion: {API_VERSIONS[0]}"))
    anonymous = root.get("anonymous")
    if anonymous is not None and (not isinstance(anonymous, dict) or anonymous.get("enabled") is not False):
        line = root.lines["anonymous"]
        mistakes.append(Mistake(file, line, "anonymous: this gate lets nobody in without a name", "write anonymous: {enabled: false}"))
    issuers = tuple(structure_list(_CONVERTER, root, "jwt", IssuerConfiguration, file, mistakes, unique=()))
    mistakes += [Mistake(file, root.lines.get("jwt", 0), text, hint) for text, hint in repeated(issuers)]
    if mistakes:
        raise InvalidFileError(sorted(mistakes, key=lambda mistake: mistake.line))
    return issuers


def repeated(issuers: Sequence[IssuerConfiguration]) -> list[tuple[str, str]]:
    """What is wrong with the list as a whole."""
    urls = [each.issuer.url for each in issuers]
    found = [(f"the issuer {url} stands here twice", "keep one") for url in dict.fromkeys(urls) if urls.count(url) > 1]
    documents = [each.issuer.discoveryURL for each in issuers if each.issuer.discoveryURL is not None]
    return found + [(f"the discoveryURL {url} is used twice", "keep one") for url in dict.fromkeys(documents) if documents.count(url) > 1]


def _issuer_url(text: str) -> IssuerUrl:
    try:
        parts = urlsplit(text)
        good = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or "?" in text or "#" in text or parts.username or not text.isascii() or " " in text:
        raise Unacceptable(f'"{text}" is not the URL of an issuer', "it is https://host[:port][/path], as the issuer itself writes it")
    return IssuerUrl(text)


def _bundle(text: str) -> Bundle:
    try:
        x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise Unacceptable("is not PEM text", "put the certificates themselves here, from -----BEGIN CERTIFICATE----- on") from None
    return Bundle(text)


def _extra_key(text: str) -> ExtraKey:
    domain = text.partition("/")[0]
    if not _EXTRA.fullmatch(text):
        raise Unacceptable(f'"{text}" is not a key for extra', "write it as example.com/key, in lower case")
    if any(domain == reserved or domain.endswith(f".{reserved}") for reserved in ("k8s.io", "kubernetes.io")):
        raise Unacceptable(f'"{text}" is Kubernetes\' own', "use a domain of yours")
    return ExtraKey(text)


_CONVERTER = strict_converter()
register_hooks(_CONVERTER)
