"""What changes while the gate runs: rules, clusters, tokens, locks, notices, grants, the directory, sessions. Each activity is one turn."""

from __future__ import annotations

import secrets
import time
import urllib.error
import urllib.parse
from contextlib import suppress
from typing import Any

from sign_in import Browser

from kgate.api.clients import CLIENT_ID
from kgate.identity.notice_tokens import BACKCHANNEL_LOGOUT
from kgate.identity.pkce import challenge_of
from kgate.store.sealing import digest
from soak.what_runs import PUSH, World, first_policy

_CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
_RISC = "https://schemas.openid.net/secevent/risc/event-type/"
_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MANY_LOCKS = 1000
MANY_LOCKS_EVERY = 300.0


def policies(world: World, kept: list[Any]) -> None:
    """Another policy: rules that were never there before, and now and then one that takes rights away, or that does not check."""
    policy = first_policy()
    for number in range(world.chance.randrange(5, 60)):
        name = f"r-{world.chance.randrange(10**9)}-{number}"
        who = {"users": [world.somebody(), f"team-{world.chance.randrange(10**6)}-*"]}
        when = {"expression": f'identity.user != "x-{world.chance.randrange(10**9)}"'}
        allow = [{"verbs": ["get", "list"], "resources": [f"things{world.chance.randrange(1000)}.example.com"]}]
        policy["rules"].append({"name": name, "who": who, "clusters": {"names": ["*"]}, "allow": allow, "when": when})
    if world.chance.random() < 0.1:
        deny = [{"verbs": ["watch"], "resources": ["services"]}, {"actions": ["exec"]}]
        out = {"users": [f"person-{world.chance.randrange(10)}*"]}
        policy["rules"].append({"name": "out", "who": out, "clusters": {"names": ["*"]}, "deny": deny})
    if world.chance.random() < 0.05:
        policy["rules"].append({"name": "bad"})
    world.gate.write_policy(policy)


def clusters(world: World, kept: list[Any]) -> None:
    """Others are added and removed; somebody asks one of them, and watches there."""
    config = world.gate.config
    lasting = {name: each for name, each in config["clusters"].items() if not name.startswith("extra-")}
    name = f"extra-{world.chance.randrange(10**6)}"
    extra = {name: {**lasting["kgate-dev"], "labels": {"env": "dev", "number": name}}}
    config["clusters"] = lasting | (extra if world.chance.random() < 0.7 else {})
    world.gate.write("kgate.yaml", config)
    time.sleep(2)
    for each in kept:
        each.close()
    kept[:] = [world.connection()]
    token = world.token(world.somebody())
    world.begin(kept[0], token, f"/clusters/{name}/api/v1/namespaces/default/pods?watch=true")


def tokens(world: World, kept: list[Any]) -> None:
    """Static tokens are revoked under what lives by them, and others made."""
    made = {f"robot-{world.chance.randrange(10**6)}": secrets.token_hex(24) for _ in range(5)}
    world.robots(made)
    time.sleep(2)
    for each in kept:
        each.close()
    kept.clear()
    for token in made.values():
        kept.append(world.connection())
        world.begin(kept[-1], token, "/clusters/kgate-dev/api/v1/namespaces/default/pods?watch=true")


def facts(world: World, kept: list[Any]) -> None:
    """The world is another one; sometimes everybody is out for a moment."""
    number = world.chance.randrange(10**6)
    world.gate.write("facts.yaml", {"freeze": False, "incident": {"open": bool(number % 2), "number": number}})
    if number % 20 == 0:
        world.gate.write("facts.yaml", {"freeze": True})
        time.sleep(1)
        world.gate.write("facts.yaml", {"freeze": False})


def locks(world: World, kept: list[Any]) -> None:
    """A lock on somebody, and off again. Every few minutes a thousand, that end by themselves."""
    token = world.robot("bob")
    if not kept:
        kept.append(time.monotonic() - MANY_LOCKS_EVERY * 0.8)
    if time.monotonic() - kept[0] > MANY_LOCKS_EVERY:
        kept[0] = time.monotonic()
        for _ in range(MANY_LOCKS):
            wanted = {"name": f"many-{secrets.token_hex(6)}", "user": f"x-{secrets.token_hex(6)}", "duration": "1m"}
            world.own(token, "/kgate/v1/locks", wanted)
            time.sleep(0.02)
    name = f"out-{secrets.token_hex(6)}"
    about = world.chance.choice([{"user": world.somebody()}, {"group": f"group-{world.chance.randrange(99)}"}, {"robot": "ci"}])
    status, _ = world.own(token, "/kgate/v1/locks", {"name": name, **about, "duration": "20s"})
    if status == 201 and world.chance.random() < 0.7:
        time.sleep(0.5)
        world.own(token, f"/kgate/v1/locks/{name}/remove", {})


def notices(world: World, kept: list[Any]) -> None:
    """An issuer says that somebody signed out, a transmitter that an account is disabled, and enabled again."""
    sub, now = world.somebody(), time.time()
    claims = {"iss": world.idp.url, "aud": "kgate", "iat": now, "exp": now + 60, "jti": secrets.token_hex(8), "sub": sub}
    token = world.idp.sign(claims | {"events": {BACKCHANNEL_LOGOUT: {}}}, typ="logout+jwt")
    form = urllib.parse.urlencode({"logout_token": token}).encode()
    world.own("", "/kgate/v1/backchannel-logout", form, "POST", "application/x-www-form-urlencoded")
    for kind in world.chance.choice([(_CAEP + "session-revoked",), (_RISC + "account-disabled", _RISC + "account-enabled")]):
        claims = {"iss": world.transmitter.url, "aud": "gate", "iat": time.time(), "jti": secrets.token_hex(8)}
        claims |= {"sub_id": {"format": "iss_sub", "iss": world.idp.url, "sub": sub}, "events": {kind: {}}}
        event = world.transmitter.sign(claims, typ="secevent+jwt")
        world.own("", "/kgate/v1/signals", event.encode(), "POST", "application/secevent+jwt")


def grants(world: World, kept: list[Any]) -> None:
    """Asked for, approved, used, and then revoked or left to its end."""
    token = world.token(world.somebody())
    wanted = {"cluster": "kgate-prod", "rule": "break-glass", "reason": "the soak", "duration": world.chance.choice(["5s", "30s"])}
    status, made = world.own(token, "/kgate/v1/requests", wanted)
    if status != 201:
        return
    if world.chance.random() < 0.2:
        world.own(world.robot("carol"), f"/kgate/v1/requests/{made['id']}/deny", {})
        return
    world.own(world.robot("bob"), f"/kgate/v1/requests/{made['id']}/approve", {})
    on = world.connection()
    try:
        world.begin(on, token, "/clusters/kgate-prod/api/v1/namespaces/payments/pods?watch=true")
        time.sleep(0.5)
        if world.chance.random() < 0.5:
            world.own(world.robot("bob"), f"/kgate/v1/requests/{made['id']}/revoke", {})
            time.sleep(0.5)
    finally:
        on.close()


def directory(world: World, kept: list[Any]) -> None:
    """Somebody comes, is put into a group, works, is deactivated and removed. Some are left there, up to a number."""
    name = f"joiner-{secrets.token_hex(5)}"
    status, user = world.own(PUSH, "/scim/v2/Users", {"schemas": [_USER], "userName": name, "active": True}, kind="application/scim+json")
    if status != 201:
        return
    members = [{"value": user["id"]}]
    _, group = world.own(
        PUSH, "/scim/v2/Groups", {"schemas": [_GROUP], "displayName": f"g-{name}", "members": members}, kind="application/scim+json"
    )
    on = world.connection()
    try:
        world.begin(on, world.token(name), "/clusters/kgate-dev/api/v1/namespaces/default/pods?watch=true")
        out = {"schemas": [_PATCH], "Operations": [{"op": "replace", "path": "active", "value": False}]}
        world.own(PUSH, f"/scim/v2/Users/{user['id']}", out, "PATCH", "application/scim+json")
    finally:
        on.close()
    kept.append((user["id"], group["id"]))
    if len(kept) > 20:
        for kind, id_ in zip(("Users", "Groups"), kept.pop(0), strict=True):
            world.own(PUSH, f"/scim/v2/{kind}/{id_}", method="DELETE")


def sign_ins(world: World, kept: list[Any]) -> None:
    """``kgate login`` by its requests, work under the session, and its end: signed out, or left. Others begin and never come back."""
    person, url = f"person-{world.chance.randrange(20)}", f"https://127.0.0.1:{world.gate.port}"
    verifier, secret, back = secrets.token_urlsafe(32), secrets.token_urlsafe(32), "http://127.0.0.1:9/"
    asked = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": back,
        "state": secrets.token_urlsafe(16),
        "issuer": world.company.url,
    }
    asked |= {"code_challenge": challenge_of(verifier), "code_challenge_method": "S256"}
    browser = Browser()
    shown = browser.open(f"{url}/oauth2/authorize?{urllib.parse.urlencode(asked)}")
    if world.chance.random() < 0.3:
        return
    with suppress(urllib.error.URLError):  # nobody listens there; the address is what is wanted
        world.company.pick(browser, shown, person)
    found = urllib.parse.parse_qs(urllib.parse.urlsplit(browser.visited[-1]).query)
    form = {"grant_type": "authorization_code", "code": found["code"][0], "redirect_uri": back, "code_verifier": verifier}
    status, made = _form(world, "/oauth2/token", {**form, "client_id": CLIENT_ID, "refresh_next": digest(secret)})
    if status != 200:
        raise AssertionError(f"{status} {made}")
    on = world.connection()
    world.begin(on, made["access_token"], "/clusters/kgate-dev/api/v1/namespaces/default/pods?watch=true")
    if world.chance.random() < 0.5:
        following = secrets.token_urlsafe(32)
        refresh = {"grant_type": "refresh_token", "refresh_token": secret, "client_id": CLIENT_ID, "refresh_next": digest(following)}
        status, _ = _form(world, "/oauth2/token", refresh)
        secret = following if status == 200 else secret
    if world.chance.random() < 0.6:
        _form(world, "/oauth2/revoke", {"client_id": CLIENT_ID, "token": secret})
    on.close()


def pages(world: World, kept: list[Any]) -> None:
    """Somebody signs in with a browser, and another asks for a device's code that nobody types."""
    browser = Browser()
    world.company.pick(browser, browser.open(f"https://127.0.0.1:{world.gate.port}/login"), f"person-{world.chance.randrange(20)}")
    browser.open(f"https://127.0.0.1:{world.gate.port}/")
    _form(world, "/oauth2/device_authorization", {"client_id": CLIENT_ID})


def admin(world: World, kept: list[Any]) -> None:
    """Whoever looks after it: readiness, metrics, the lists."""
    world.gate.admin("/metrics")
    world.gate.admin("/readyz")
    for path in ("/kgate/v1/locks", "/kgate/v1/requests", "/kgate/v1/whoami", "/kgate/v1/clusters"):
        world.own(world.robot("bob"), path)


def _form(world: World, path: str, form: dict[str, str]) -> tuple[int, Any]:
    return world.own("", path, urllib.parse.urlencode(form).encode(), "POST", "application/x-www-form-urlencoded")
