"""What a verified token's claims make of its holder: Kubernetes' rules (``issuer_configuration``), and the names that may go further (``names``)."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from kgate.expressions import Expression, Failed
from kgate.identity.credentials import Rejected
from kgate.identity.issuer_configuration import ClaimMappings, GroupsMapping, IssuerConfiguration, UidMapping, UsernameMapping
from kgate.identity.jose import Claims, numeric_date
from kgate.identity.names import identity_fault, machine_fault, name_fault
from kgate.model import Identity

_ASK = "ask whoever runs this gate"
_MAX_EXTRA = 64


@frozen
class Wrong:
    """Why the claims make nobody; the rest of a sentence that begins with the token."""

    text: str

    def rejected(self) -> Rejected:
        """The answer."""
        return Rejected(f"the token {self.text}", _ASK)


def identity_of(configuration: IssuerConfiguration, claims: Claims) -> Identity | Rejected:
    """Who holds a token with these claims, whose signature, issuer, audience and times are good. What they leave elsewhere is there already."""
    wrong = _validate(configuration, claims)
    made = wrong if wrong is not None else _map(configuration, claims)
    if isinstance(made, Wrong):
        return made.rejected()
    wrong = _validate_user(configuration, made)
    return made if wrong is None else wrong.rejected()


def _validate(configuration: IssuerConfiguration, claims: Claims) -> Wrong | None:
    for rule in configuration.claimValidationRules:
        if rule.claim is not None and claims.get(rule.claim) != rule.requiredValue:
            return Wrong(f'does not have the value that this gate asks of its claim "{rule.claim}"')
        if rule.expression is not None and rule.expression.holds({"claims": claims}) is not True:
            return Wrong(f"is not accepted: {rule.message or f'its claims do not fulfil {rule.expression.text}'}")
    return None


def _validate_user(configuration: IssuerConfiguration, identity: Identity) -> Wrong | None:
    user = {
        "username": identity.user,
        "uid": identity.uid,
        "groups": list(identity.groups),
        "extra": {key: list(values) for key, values in identity.extra},
    }
    for rule in configuration.userValidationRules:
        if rule.expression.holds({"user": user}) is not True:
            return Wrong(f"is not accepted: {rule.message or f'its user does not fulfil {rule.expression.text}'}")
    return None


def _map(configuration: IssuerConfiguration, claims: Claims) -> Identity | Wrong:
    mappings = configuration.claimMappings
    user = _username(mappings.username, claims)
    groups = _groups(mappings.groups, claims) if mappings.groups is not None else ()
    uid = _uid(mappings.uid, claims) if mappings.uid is not None else ""
    extra = _extra(mappings, claims)
    for each in (user, groups, uid, extra):
        if isinstance(each, Wrong):
            return each
    assert not isinstance(user, Wrong) and not isinstance(groups, Wrong) and not isinstance(uid, Wrong) and not isinstance(extra, Wrong)
    fault = identity_fault(user, groups) or (uid and name_fault(uid))
    if fault:
        return Wrong(f"cannot be used: {fault}")
    if user.startswith("system:"):
        return Wrong("names a user of the cluster's own (system:…)")
    machine = machine_fault(user)
    if machine is not None:
        return Wrong(machine)
    return Identity(
        user,
        groups,
        uid=uid,
        extra=extra,
        issuer=configuration.issuer.url,
        expires=numeric_date(claims, "exp"),
        authenticated_at=numeric_date(claims, "auth_time"),
        acr=_text(claims, "acr"),
        amr=tuple(each for each in _list(claims, "amr") if isinstance(each, str)),
        subject=_text(claims, "sub"),
        issuer_session=_text(claims, "sid"),
        issued_at=numeric_date(claims, "iat"),
        email=_text(claims, "email").lower() if claims.get("email_verified") is True else "",
    )


def _username(mapping: UsernameMapping, claims: Claims) -> str | Wrong:
    if mapping.expression is not None:
        return _one(mapping.expression, claims, "user name")
    name = claims.get(mapping.claim or "")
    if not isinstance(name, str) or not name:
        return Wrong(f'has no text in its claim "{mapping.claim}", which is to be the user name')
    if mapping.claim == "email" and claims.get("email_verified", True) is not True:
        return Wrong("has an e-mail address that its issuer has not verified")
    return f"{mapping.prefix or ''}{name}"


def _groups(mapping: GroupsMapping, claims: Claims) -> tuple[str, ...] | Wrong:
    if mapping.expression is not None:
        return _several(mapping.expression, claims, "groups")
    found = claims.get(mapping.claim or "")
    names = [found] if isinstance(found, str) else found if isinstance(found, list) else [] if found is None else [None]
    groups = tuple(dict.fromkeys(f"{mapping.prefix or ''}{each}" for each in names if isinstance(each, str)))
    return (
        groups if all(isinstance(each, str) for each in names) else Wrong(f'has something else than names in its claim "{mapping.claim}"')
    )


def _uid(mapping: UidMapping, claims: Claims) -> str | Wrong:
    if mapping.expression is not None:
        return _one(mapping.expression, claims, "uid")
    uid = claims.get(mapping.claim or "")
    return uid if isinstance(uid, str) else Wrong(f'has no text in its claim "{mapping.claim}", which is to be the uid')


def _extra(mappings: ClaimMappings, claims: Claims) -> tuple[tuple[str, tuple[str, ...]], ...] | Wrong:
    made: list[tuple[str, tuple[str, ...]]] = []
    for mapping in mappings.extra:
        values = _several(mapping.valueExpression, claims, mapping.key)
        if isinstance(values, Wrong):
            return values
        if len(values) > _MAX_EXTRA or (fault := next(filter(None, map(name_fault, values)), None)):
            return Wrong(f"cannot be used: a value of {mapping.key} {fault if len(values) <= _MAX_EXTRA else 'is one of too many'}")
        if values:
            made.append((mapping.key, values))
    return tuple(sorted(made))


def _one(expression: Expression, claims: Claims, what: str) -> str | Wrong:
    found = expression.evaluate({"claims": claims})
    return found if isinstance(found, str) else _no(expression, found, what, "text")


def _several(expression: Expression, claims: Claims, what: str) -> tuple[str, ...] | Wrong:
    """A text is a list of one; nothing, and an empty text, is an empty list."""
    found = expression.evaluate({"claims": claims})
    if found is None or found == "":
        return ()
    names = [found] if isinstance(found, str) else found
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        return _no(expression, found, what, "names")
    return tuple(dict.fromkeys(each for each in names if each))


def _no(expression: Expression, found: object, what: str, wanted: str) -> Wrong:
    why = found.text if isinstance(found, Failed) else f"it gives no {wanted}"
    return Wrong(f"gives no {what} by {expression.text}: {why}")


def _text(claims: Mapping[str, object], name: str) -> str:
    """An informative claim: what is not usable text counts as not there."""
    value = claims.get(name)
    return value if isinstance(value, str) and name_fault(value) is None else ""


def _list(claims: Mapping[str, object], name: str) -> list[object]:
    value = claims.get(name)
    return value if isinstance(value, list) else []
