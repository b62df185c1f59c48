"""What of a cluster is not as it should be, and what to do about it: one sentence each, in the order in which somebody puts it right.

``WRONG`` is what requests fail by; a ``WARNING`` is what will fail, or is more than the gate should have; a ``NOTE`` is only worth to be known.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum
from shlex import quote
from typing import Final

from attrs import frozen

from kgate.inspection.seen import Credential, Seen, Served, Unknown, Validity
from kgate.kube.gate_rights import GIVEN, NEEDED, RBAC_LINES, REVIEWS, Also, Granted, besides, has_star_of_extras, impersonation
from kgate.kube.rules_review import Listed, ListedRule
from kgate.kube.self_subject_review import UserInfo
from kgate.kube.status import one_line

SOON: Final = 14 * 86400.0
CLOCKS_APART: Final = 60.0
"""Seconds."""
_MOST_NAMED: Final = 8
_ACCOUNT: Final = "system:serviceaccount:"
ANONYMOUS: Final = "system:anonymous"


class Level(Enum):
    """How bad it is."""

    NOTE = "note"
    WARNING = "warning"
    WRONG = "wrong"


class State(Enum):
    """How a cluster is, all in all."""

    WELL = "well"
    WARNED = "warned"
    WRONG = "wrong"
    UNREACHABLE = "unreachable"


class About(Enum):
    """What a finding is about."""

    REACH = "reach"
    CERTIFICATE = "certificate"
    CREDENTIAL = "credential"
    VERSION = "version"
    IMPERSONATION = "impersonation"
    RIGHTS = "rights"
    PROTOCOL = "protocol"
    CLOCK = "clock"


@frozen
class Finding:
    """``text`` is the rest of a sentence that begins with the cluster's name; ``hint`` says what to do, ``lines`` what to write."""

    level: Level
    about: About
    text: str
    hint: str = ""
    lines: tuple[str, ...] = ()


def state_of(seen: Seen, found: tuple[Finding, ...]) -> State:
    """The worst of it."""
    levels = {each.level for each in found}
    if not seen.reached:
        return State.UNREACHABLE
    return State.WRONG if Level.WRONG in levels else State.WARNED if Level.WARNING in levels else State.WELL


def findings(seen: Seen, now: float, *, delegates: bool) -> tuple[Finding, ...]:
    """All that there is to say of it at ``now`` (Unix seconds). ``delegates``: the configuration has it review tokens (``identity.service_accounts``)."""
    if not seen.reached:
        return (_unreached(seen, now),)
    needs = _reviews(seen) if delegates else ()
    return (*_way(seen, now), *_credential(seen, now), *_answers(seen), *_impersonation(seen), *needs, *rights(seen, delegates))


# --- the way there


def _unreached(seen: Seen, now: float) -> Finding:
    failure, certificate = seen.failure, seen.certificate
    if failure.startswith("certificate verify failed"):
        why = failure.partition(": ")[2] or failure
        return Finding(Level.WRONG, About.CERTIFICATE, f"its certificate is not trusted: {why}", _trust_hint(seen, certificate, now))
    if failure.startswith("the exec plugin"):
        return Finding(
            Level.WRONG, About.CREDENTIAL, f"there is no credential for it: {failure}", "run the plugin by hand, as the gate's account"
        )
    if failure.startswith("the token file"):
        return Finding(
            Level.WRONG, About.CREDENTIAL, f"there is no credential for it: {failure}", "put the cluster's token for the gate there"
        )
    if not seen.addresses:
        host = f"of the proxy {seen.proxy}" if seen.proxy else f"in {seen.server}"
        hint = "correct it in the configuration, or ask whoever runs this machine's DNS"
        return Finding(Level.WRONG, About.REACH, f"the name {host} has no address", hint)
    if seen.late is not None and not failure:
        failure = f"no answer within {seen.late:g} s"
    where = f"{seen.server} ({', '.join(seen.addresses)}{', through the proxy ' + seen.proxy if seen.proxy else ''})"
    return Finding(Level.WRONG, About.REACH, f"{where} cannot be reached: {failure}", _reach_hint(failure))


def _reach_hint(failure: str) -> str:
    if "speak TLS" in failure:
        return "check the port of its server: what listens there is something else"
    if "refused" in failure:
        return "nothing listens there: check the address and port of its server, and that the API server runs"
    return "check that this machine has a way there: routes, firewalls, the forward proxy"


def _trust_hint(seen: Seen, certificate: Served | None, now: float) -> str:
    if certificate is None:
        return "name the authority that signs it: certificate_authority, or certificate-authority-data in the kubeconfig"
    ends, begins = certificate.validity.ends, certificate.validity.begins
    if ends is not None and ends <= now:
        return f"it ended on {day(ends)}: renew the API server's certificate (kubeadm certs renew apiserver)"
    if begins is not None and begins > now:
        return f"it begins on {day(begins)}: set this machine's clock right"
    if "mismatch" in seen.failure:
        names = ", ".join(certificate.names) or "nobody"
        return f"it is for {names}, not for {seen.server_name}: name one of those as tls_server_name (tls-server-name in a kubeconfig)"
    return (
        f"it is signed by {certificate.issuer or 'itself'}: put the certificate of that authority into certificate_authority"
        " (certificate-authority-data in a kubeconfig), if it is yours"
    )


def _way(seen: Seen, now: float) -> Iterator[Finding]:
    if seen.unchecked:
        text = "nobody checks its certificate (insecure_skip_tls_verify), so whoever is in between could be it"
        yield Finding(Level.WARNING, About.CERTIFICATE, text, "name its certificate_authority")
    ends = seen.certificate.validity.ends if seen.certificate is not None else None
    if ends is not None and ends - now < SOON:
        text = f"the API server's certificate {_ending(ends, now)}"
        yield Finding(Level.WARNING, About.CERTIFICATE, text, "renew it there (kubeadm certs renew apiserver)")
    if not seen.http2:
        text = "it speaks no HTTP/2, so each request under way has a connection of its own"
        yield Finding(Level.NOTE, About.PROTOCOL, text, "let what stands before it (a balancer that ends TLS?) offer h2 by ALPN")
    if seen.clock is not None and abs(seen.clock) > CLOCKS_APART:
        text = f"its clock is {abs(seen.clock):.0f} s {'ahead of' if seen.clock > 0 else 'behind'} this machine's"
        yield Finding(Level.WARNING, About.CLOCK, text, "tokens and certificates end by both: set both by NTP")


# --- who the gate is there


def _credential(seen: Seen, now: float) -> Iterator[Finding]:
    me = seen.me
    if isinstance(me, Unknown) and me.status == 401:
        yield Finding(Level.WRONG, About.CREDENTIAL, f"it refuses the gate's credential ({seen.where})", _renewal(seen))
    elif isinstance(me, UserInfo) and me.user == ANONYMOUS:
        text = f"it does not know the gate's credential ({seen.where}) and takes it for nobody ({ANONYMOUS})"
        yield Finding(Level.WRONG, About.CREDENTIAL, text, _renewal(seen))
    elif isinstance(me, Unknown) and me.status == 404:
        text = "it cannot say who the gate is there: it has no SelfSubjectReview"
        yield Finding(Level.NOTE, About.VERSION, text, "Kubernetes 1.28 and later have")
    elif isinstance(me, Unknown):
        yield Finding(Level.WRONG, About.CREDENTIAL, f"it does not say who the gate is there: {_said(me)}", "look at the API server's log")
    ends = seen.validity.ends
    if ends is not None and ends <= now:
        yield Finding(Level.WRONG, About.CREDENTIAL, f"the gate's credential ({seen.where}) {_ending(ends, now)}", _renewal(seen))
    elif ends is not None and ends - now < SOON and not _is_renewed(seen.credential, seen.validity):
        yield Finding(Level.WARNING, About.CREDENTIAL, f"the gate's credential ({seen.where}) {_ending(ends, now)}", _renewal(seen))


def _is_renewed(credential: Credential, validity: Validity) -> bool:
    """Whether somebody gets the next one in time without being told: a plugin does, and whoever mounts a token file that is good for hours."""
    begins, ends = validity.begins, validity.ends
    short = begins is not None and ends is not None and ends - begins < SOON
    return credential is Credential.PLUGIN or (credential is Credential.TOKEN_FILE and short)


def _renewal(seen: Seen) -> str:
    return {
        Credential.TOKEN: "give the gate a new token (conf/kubernetes/impersonator.yaml says how)",
        Credential.TOKEN_FILE: "put a new token there (conf/kubernetes/impersonator.yaml says how); the gate reads it by itself",
        Credential.CERTIFICATE: "have the cluster's authority for clients sign a new one, and put it there",
        Credential.PLUGIN: "run the plugin by hand, as the gate's account, and see what it gives",
    }[seen.credential]


def _answers(seen: Seen) -> Iterator[Finding]:
    if isinstance(seen.version, Unknown) and not (isinstance(seen.me, Unknown) and seen.me.status == 401):
        yield Finding(Level.NOTE, About.VERSION, f"it does not tell its version: {_said(seen.version)}", "")
    if seen.late is not None:
        text = f"it was not done answering after {seen.late:g} s, so some of this is not known"
        yield Finding(Level.WRONG, About.REACH, text, "look at the API server's load; --timeout waits longer")


# --- what it may


def known_rules(seen: Seen) -> tuple[ListedRule, ...]:
    """All that was listed, each once."""
    return tuple(dict.fromkeys(rule for listed in seen.rules if isinstance(listed, Listed) for rule in listed.rules))


def granted(seen: Seen) -> dict[str, Granted]:
    """What of each kind it may impersonate, where that is known."""
    rules = known_rules(seen)
    return {kind: impersonation(kind, answer, rules) for kind, answer in seen.impersonates.items() if isinstance(answer, bool)}


def _impersonation(seen: Seen) -> Iterator[Finding]:
    may, rules = granted(seen), known_rules(seen)
    missing = [kind for kind in NEEDED if may.get(kind) is Granted.NONE]
    if missing:
        hint = "kubectl apply -f conf/kubernetes/impersonator.yaml, or give its ClusterRole these rules"
        if "userextras" in missing and has_star_of_extras(rules):
            hint = 'RBAC takes "userextras/*" for one name, not for all: its ClusterRole needs these rules'
        yield Finding(Level.WRONG, About.IMPERSONATION, f"the gate may not impersonate {_listed(missing)} there", hint, RBAC_LINES)
    for kind, answer in seen.impersonates.items():
        if isinstance(answer, Unknown):
            text = f"it does not say whether the gate may impersonate {kind}: {_said(answer)}"
            yield Finding(Level.WRONG, About.IMPERSONATION, text, "look at the API server's log")
    some = [kind for kind in NEEDED if may.get(kind) is Granted.SOME]
    if some:
        text = f"the gate may impersonate only some {_listed(some)} there"
        yield Finding(Level.NOTE, About.IMPERSONATION, text, "whoever is not among those that its rules name is refused by the cluster")
    if not missing:
        yield from _trial(seen)


def _reviews(seen: Seen) -> Iterator[Finding]:
    if seen.reviews is False and isinstance(seen.me, UserInfo):
        user, account = seen.me.user, seen.me.user.removeprefix(_ACCOUNT)
        whom = f"--user {quote(user)}" if account == user else f"--serviceaccount {quote(account)}"
        text = "the gate may not create tokenreviews there, which identity.service_accounts needs"
        hint = f"kubectl create clusterrolebinding kgate-reviews --clusterrole system:auth-delegator {whom}"
        yield Finding(Level.WRONG, About.RIGHTS, text, hint)


def _trial(seen: Seen) -> Iterator[Finding]:
    if seen.trial is None:
        return
    wanted, answer = seen.trial.impersonate, seen.trial.answer
    if isinstance(answer, Unknown):
        text = f"a question in the name {wanted.user} came to nothing: {_said(answer)}"
        yield Finding(Level.WRONG, About.IMPERSONATION, text, "look at the API server's audit log for that name")
        return
    lost = [
        what
        for what, there in (
            ("user", answer.user == wanted.user),
            ("group", set(wanted.groups) <= set(answer.groups)),
            ("uid", answer.uid == wanted.uid or not wanted.uid),
            ("extra", set(wanted.extra) <= set(answer.extra)),
        )
        if not there
    ]
    if lost:
        text = (
            f"impersonation does not work: a question as {wanted.user} came back as {one_line(answer.user, 100)}, its {_listed(lost)} lost"
        )
        hint = "something before the API server takes Impersonate-* headers away: connect the gate to the API server itself"
        yield Finding(Level.WRONG, About.IMPERSONATION, text, hint)


def also(seen: Seen) -> tuple[Also, ...]:
    """What it may beyond impersonation and what everybody may there, reviews for service accounts included."""
    given = (*GIVEN, *(seen.given.rules if seen.given is not None else ()))
    return besides(known_rules(seen), given, seen.feared)


def rights(seen: Seen, delegates: bool) -> Iterator[Finding]:
    """Whether it can do nothing else (security.md, promise 6)."""
    given = (*GIVEN, *(seen.given.rules if seen.given is not None else ()))
    more = besides(known_rules(seen), (*given, *REVIEWS), seen.feared)
    if more:
        named = "; ".join(map(str, more[:_MOST_NAMED])) + (
            f"; and {len(more) - _MOST_NAMED} more (-o json)" if len(more) > _MOST_NAMED else ""
        )
        hint = "whoever gets hold of the credential has that: bind it to impersonation alone (conf/kubernetes/impersonator.yaml)"
        yield Finding(Level.WARNING, About.RIGHTS, f"the gate's credential can also {named}", hint)
    elif not delegates and also(seen):
        text = f"the gate's credential can also {'; '.join(map(str, also(seen)))}"
        yield Finding(Level.NOTE, About.RIGHTS, text, "identity.service_accounts would need that, and it gives nothing away by itself")
    unlisted = [each for each in seen.rules if isinstance(each, Unknown)]
    if unlisted:
        text = f"it does not list what the gate's credential can do: {_said(unlisted[0])}"
        yield Finding(Level.WARNING, About.RIGHTS, text, "see that it can only impersonate: kubectl auth can-i --list, with its kubeconfig")
    elif any(isinstance(each, Listed) and each.incomplete for each in seen.rules):
        text = "its list of what the gate's credential can do is not complete: it has an authorizer besides RBAC"
        yield Finding(Level.NOTE, About.RIGHTS, text, "what would give the cluster away was asked for one by one")


# --- words


def _said(unknown: Unknown) -> str:
    return f"{unknown.text} ({unknown.status})" if unknown.status else unknown.text


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _ending(ends: float, now: float) -> str:
    if ends <= now:
        return f"ended on {day(ends)}"
    return f"ends {day(ends)}, in {lasts(ends - now)}"


def day(instant: float) -> str:
    """``2026-12-14 08:00 UTC``; years that no calendar has are never."""
    try:
        return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "never"


def lasts(seconds: float) -> str:
    """``13 days``, ``5 hours``, ``40 min``."""
    for unit, size in (("day", 86400.0), ("hour", 3600.0)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{max(0, int(seconds // 60))} min"
