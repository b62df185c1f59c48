"""The policy language once more, slow and obvious: straight from the plain data of the file, no index, no compiled form, no shared code.

Three values throughout: True, False, None for "not known". An allow needs True; a deny is stopped only by False.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from kgate.model import Action, Context, Grant, Identity, Impersonation, Operation

Truth = bool | None
Rule = dict[str, Any]
BY_NAME = {"exec", "attach", "port-forward", "cp", "proxy", "impersonate", "token", "lock"}
CLUSTER_SCOPED = {("", "nodes"), ("", "namespaces"), ("", "users"), ("", "groups")}  # of those that the tests ask for
DISCOVERY = [r"/api", r"/apis", r"/version", r"/api/[^/]+", r"/apis/[^/]+", r"/apis/[^/]+/[^/]+", r"/openapi", r"/openapi/.*"]


def decide(
    rules: list[Rule], who: Identity, action: Action, context: Context, sets: dict[str, Any] | None = None
) -> tuple[bool, str, Impersonation | None]:
    """Allowed, by which rule, as whom. ``sets`` has ``people`` and ``clusters`` of the file."""
    sets = sets or {}
    if (who.expires is not None and who.expires <= context.now) or not action.verb:
        return False, "", None
    if who.networks and in_networks(who.networks, context.address) is not True:
        return False, "", None
    if who.clusters and not listed(list(who.clusters), [action.cluster.name]):
        return False, "", None
    for rule in rules:
        if "deny" in rule and any(matches(rule, entry, who, action, context, sets, True) is not False for entry in rule["deny"]):
            return False, rule["name"], None
    if not action.resource and action.verb in ("get", "head") and any(re.fullmatch(path, action.path) for path in DISCOVERY):
        return granted("", {}, who)
    for rule in rules:
        if "allow" in rule and any(matches(rule, entry, who, action, context, sets, False) is True for entry in rule["allow"]):
            return granted(rule["name"], rule.get("as", {}), who)
    return False, "", None


def granted(name: str, asked: dict[str, Any], who: Identity) -> tuple[bool, str, Impersonation | None]:
    if "user" not in asked and who.user.startswith("system:") and who.issuer != "impersonated":
        return False, name, None
    groups = [group for group in who.groups if not group.startswith("system:") or who.issuer == "impersonated"]
    if "groups" in asked:
        groups = [one for text in asked["groups"] for one in seen_names(text, who)]
    user, uid = [who.user], ["" if "user" in asked else who.uid]
    if "user" in asked:
        user = seen_names(asked["user"], who)
    if "uid" in asked:
        uid = seen_names(asked["uid"], who)
    if len(user) != 1 or len(uid) != 1:
        return False, name, None
    return True, name, Impersonation(user[0], tuple(dict.fromkeys(groups)), uid[0])


def filled(text: str, who: Identity) -> list[str]:
    """Every text that a template stands for, by trying all values of its one placeholder; of two placeholders one after the other."""
    if "{" not in text:
        return [text]
    before, _, rest = text.partition("{")
    inside, _, after = rest.partition("}")
    word, colon, pattern = inside.partition(":")
    values = {
        "identity.user": [who.user], "identity.groups": list(who.groups), "identity.uid": [who.uid], "identity.robot": [who.robot],
        "device.name": [who.device.name] if who.device else [],
    }[word]  # fmt: skip
    if colon:
        begin, end = pattern.split("*")
        found = [re.fullmatch(f"{re.escape(begin)}(.+){re.escape(end)}", value, re.DOTALL) for value in values]
        values = [match[1] for match in found if match]
    made = [before + value + tail for value in values if value for tail in filled(after, who)]
    return list(dict.fromkeys(made))


def seen_names(text: str, who: Identity) -> list[str]:
    if "{" not in text:
        return [text]
    return [name for name in filled(text, who) if name.isprintable() and name.strip() == name and not name.startswith("system:")]


def matches(
    rule: Rule, entry: dict[str, Any], who: Identity, action: Action, context: Context, sets: dict[str, Any], denies: bool
) -> Truth:
    return every(
        [
            is_meant(rule, who, sets),
            is_on(rule["clusters"], action, denies) and on_sets(rule, action, denies, sets),
            asks(entry, action, denies),
            place(entry, action, who),
            selected(entry, action),
            called(entry, action, denies),
            container(entry, action),
            command(entry, action),
            port(entry, action, denies),
            system_names(entry, action, denies),
            holds(rule.get("when", {}), who, action, context),
            negated(holds(rule["unless"], who, action, context)) if "unless" in rule else True,
            any(fits(grant, rule, who, action, context) for grant in context.grants) if "request" in rule else True,
        ]
    )


def fits(grant: Grant, rule: Rule, who: Identity, action: Action, context: Context) -> bool:
    lasts = not grant.revoked_by and grant.begins <= context.now < grant.until
    there = grant.cluster == action.cluster.name and (not grant.namespace or grant.namespace == action.namespace)
    return lasts and there and grant.user == who.user and grant.rule == rule["name"]


def is_for(asked: dict[str, list[str]], who: Identity) -> bool:
    return (
        listed(asked.get("users"), [who.user])
        and listed(asked.get("groups"), list(who.groups) or [""])
        and listed(asked.get("issuers"), [who.issuer])
        and listed(asked.get("robots"), [who.robot] if who.robot else [])
        and listed(asked.get("devices"), [who.device.name] if who.device else [])
    )


def is_meant(rule: Rule, who: Identity, sets: dict[str, Any]) -> bool:
    within = [name for name, lists in lists_of(sets, "people") if any(is_for(each, who) for each in lists)]
    return is_for(rule["who"], who) and listed(rule["who"].get("people"), within)


def on_sets(rule: Rule, action: Action, denies: bool, sets: dict[str, Any]) -> bool:
    within = [name for name, lists in lists_of(sets, "clusters") if any(is_on(each, action, denies) for each in lists)]
    return listed(rule["clusters"].get("sets"), within)


def lists_of(sets: dict[str, Any], key: str) -> list[tuple[str, list[Any]]]:
    return [(name, lists if isinstance(lists, list) else [lists]) for name, lists in sets.get(key, {}).items()]


def is_on(asked: dict[str, Any], action: Action, denies: bool) -> bool:
    labels = dict(action.cluster.labels)
    for key, words in asked.get("labels", {}).items():
        words = [words] if isinstance(words, str) else words
        if key in labels and not listed(words, [labels[key]]):
            return False
        if key not in labels and not (denies and listed(words, [])):
            return False
    return listed(asked.get("names"), [action.cluster.name])


def asks(entry: dict[str, Any], action: Action, denies: bool) -> bool:
    operation = action.operation.value if action.operation else ""
    if "paths" in entry:
        return not action.resource and listed(entry["verbs"], [action.verb]) and listed(entry["paths"], [action.path])
    if not action.resource:
        return False
    if "actions" in entry:
        names = ["cp", "exec"] if operation == "cp" else [operation] if operation else []
        return bool(names) and listed(entry["actions"], names) and names_resource(entry.get("resources"), action, "")
    verbs = [action.verb]
    if operation in BY_NAME:
        if not denies:
            return False
        return any(listed(entry["verbs"], [verb]) for verb in {action.verb, "get", "create"}) and names_resource(
            entry["resources"], action, action.subresource
        )
    return listed(entry["verbs"], verbs) and names_resource(entry["resources"], action, action.subresource)


def names_resource(words: list[str] | None, action: Action, subresource: str) -> bool:
    if words is None:
        return True
    plain = [word for word in words if word[0] != "!"]
    out = [word[1:] for word in words if word[0] == "!"]
    included = not plain or any(is_resource(word, action, subresource) for word in plain)
    return included and not any(is_resource(word, action, subresource) for word in out)


def is_resource(word: str, action: Action, subresource: str) -> bool:
    thing, _, sub = word.partition("/")
    resource, dot, group = thing.partition(".")
    if resource == "*" and not dot:
        group = "*"
    if not glob(resource, action.resource) or not glob(group, action.api_group):
        return False
    return True if resource == "*" and "/" not in word else glob(sub, subresource)


def place(entry: dict[str, Any], action: Action, who: Identity) -> Truth:
    if "namespaces" not in entry or not action.resource:
        return True
    spans = not action.namespace and action.verb in ("list", "watch", "deletecollection", "lock")
    if spans and (action.api_group, action.resource) not in CLUSTER_SCOPED:
        return unknown(entry["namespaces"])
    own = [name for word in entry["namespaces"] if "{" in word for name in filled(word, who)]
    if action.namespace in own and re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", action.namespace):
        return not any(glob(word[1:], action.namespace) for word in entry["namespaces"] if word[0] == "!")
    plain = [word for word in entry["namespaces"] if "{" not in word]
    if len(plain) < len(entry["namespaces"]) and all(word[0] == "!" for word in plain):
        return False
    return listed(plain, [action.namespace])


def selected(entry: dict[str, Any], action: Action) -> Truth:
    """By what the selectors leave possible, value by value of those that the tests write."""
    found: list[Truth] = []
    selects = action.verb in ("list", "watch", "deletecollection")
    for key, words in entry.get("label_selector", {}).items():
        found.append(all_fit(words, possible(key, action.label_selector if selects else "")))
    for key, words in entry.get("field_selector", {}).items():
        path = {"metadata.name": action.name, "metadata.namespace": action.namespace}.get(key, "")
        found.append(all_fit(words, {path} if path else possible(key, action.field_selector if selects else "")))
    return every(found)


def possible(key: str, selector: str) -> set[str]:
    left: set[str] | None = None
    for term in re.split(r",(?![^()]*\))", selector):
        equal = re.fullmatch(rf"{re.escape(key)}==?([^=]*)", term)
        within = re.fullmatch(rf"{re.escape(key)} in \((.*)\)", term)
        values = {equal[1]} if equal else set(within[1].split(",")) if within else None
        if values is not None:
            left = values if left is None else left & values
    return left or set()


def all_fit(words: Any, values: set[str]) -> Truth:
    words = [words] if isinstance(words, str) else words
    fit = [listed(words, [value]) for value in values]
    return None if not fit else True if all(fit) else None if any(fit) else False


def called(entry: dict[str, Any], action: Action, denies: bool) -> Truth:
    if "names" not in entry or not action.resource:
        return True
    if not action.name:
        return unknown(entry["names"])
    parts = action.name.split(":")
    bare = parts[1] if len(parts) == 3 else parts[0] if len(parts) == 2 else action.name
    return listed(entry["names"], [bare if action.operation is Operation.PROXY else action.name])


def container(entry: dict[str, Any], action: Action) -> Truth:
    operation = action.operation.value if action.operation else ""
    if "containers" not in entry or operation not in ("exec", "attach", "cp", "logs"):
        return True
    return listed(entry["containers"], [action.container]) if action.container else unknown(entry["containers"])


def command(entry: dict[str, Any], action: Action) -> Truth:
    operation = action.operation.value if action.operation else ""
    if "commands" not in entry or not (operation == "exec" or (operation == "cp" and "cp" not in entry["actions"])):
        return True
    if not action.command:
        return None
    return any(argv(pattern, list(action.command)) for pattern in entry["commands"])


def argv(pattern: list[str], words: list[str]) -> bool:
    if pattern == ["**"]:
        return True
    if not pattern or not words:
        return not pattern and not words
    return glob(pattern[0], words[0]) and argv(pattern[1:], words[1:])


def port(entry: dict[str, Any], action: Action, denies: bool) -> Truth:
    operation = action.operation.value if action.operation else ""
    if "ports" not in entry or operation not in ("port-forward", "proxy"):
        return True
    allowed = set()
    for each in entry["ports"]:
        low, _, high = str(each).partition("-")
        allowed |= set(range(int(low), int(high or low) + 1))
    if operation == "proxy":
        last = action.name.split(":")[-1] if action.name.count(":") in (1, 2) else ""
        return int(last) in allowed if last.isdigit() else None
    if not action.ports:
        return not denies
    return bool(allowed & set(action.ports)) if denies else set(action.ports) <= allowed


def system_names(entry: dict[str, Any], action: Action, denies: bool) -> bool:
    if denies or action.operation is not Operation.IMPERSONATE:
        return True
    if action.resource == "serviceaccounts":
        return "resources" in entry or "namespaces" in entry
    if not action.name.startswith("system:"):
        return True
    system = [word for word in entry.get("names", []) if word.startswith("system:")]
    return bool(system) and listed(system + [word for word in entry["names"] if word[0] == "!"], [action.name])


def holds(conditions: dict[str, Any], who: Identity, action: Action, context: Context) -> Truth:
    found: list[Truth] = []
    if "time" in conditions:
        found.append(clock(conditions["time"], context.now))
    if "network" in conditions:
        found.append(in_networks(conditions["network"], context.address))
    if "device" in conditions:
        known = who.device.compliant if who.device else None
        asked = conditions["device"]
        if "compliant" in asked:
            found.append(None if known is None else known == asked["compliant"])
        posture = dict(who.device.posture) if who.device else {}
        found += [listed(words, [posture[key]]) if key in posture else None for key, words in asked.get("posture", {}).items()]
    if "country" in conditions:
        found.append(listed(conditions["country"], [context.country]) if context.country else None)
    if "asn" in conditions:
        found.append(listed([str(each) for each in conditions["asn"]], [str(context.asn)]) if context.asn is not None else None)
    if "user_agent" in conditions:
        found.append(listed(conditions["user_agent"], [context.user_agent]) if context.user_agent else None)
    if "authentication" in conditions:
        found.append(signed_in(conditions["authentication"], who, context.now))
    facts = {fact.name: json.loads(fact.value) for fact in context.facts if fact.until is None or context.now < fact.until}
    for name, wanted in conditions.get("facts", {}).items():
        found.append(is_so(wanted, facts[name]) if name in facts else None)
    if "expression" in conditions:
        found.append(EXPRESSIONS[conditions["expression"]](who, action, facts))
    return every(found)


def signed_in(asked: dict[str, Any], who: Identity, now: float) -> Truth:
    found: list[Truth] = []
    if "acr" in asked:
        found.append(listed(asked["acr"], [who.acr]) if who.acr else None)
    if "amr" in asked:
        found.append(listed(asked["amr"], list(who.amr)) if who.amr else None)
    if "max_age" in asked:
        seconds = {"h": 3600, "m": 60}[asked["max_age"][-1]] * int(asked["max_age"][:-1])
        found.append(now < who.authenticated_at + seconds if who.authenticated_at is not None else None)
    return every(found)


def is_so(wanted: Any, found: Any) -> Truth:
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return None
        return every([is_so(each, found[key]) if key in found else None for key, each in wanted.items()])
    if isinstance(wanted, list):
        return any(json.dumps(each) == json.dumps(found) for each in wanted)
    return json.dumps(wanted) == json.dumps(found)


EXPRESSIONS: dict[str, Callable[[Identity, Action, dict[str, Any]], Truth]] = {
    '"a" in identity.groups': lambda who, action, facts: "a" in who.groups,
    "facts.freeze == 'none'": lambda who, action, facts: facts["freeze"] == "none" if "freeze" in facts else None,
    "'a' in identity.groups || facts.freeze == 'none'": lambda who, action, facts: (
        True if "a" in who.groups else facts["freeze"] == "none" if "freeze" in facts else None
    ),
    "device.compliant && action.namespace.startsWith('team-')": lambda who, action, facts: (
        False if not action.namespace.startswith("team-") else who.device.compliant if who.device else None
    ),
    "action.operation == 'exec' && action.command.size() == 1": lambda who, action, facts: (
        action.operation is Operation.EXEC and len(action.command) == 1
    ),
    # of decisions.yaml
    "identity.user in facts.on_call": lambda who, action, facts: who.user in facts["on_call"] if "on_call" in facts else None,
    'action.name.startsWith(identity.user + "-") && action.namespace == "x"': lambda who, action, facts: (
        action.name.startswith(f"{who.user}-") and action.namespace == "x"
    ),
    '"leads" in identity.groups || !facts.incident.open': lambda who, action, facts: (
        True if "leads" in who.groups else not facts["incident"]["open"] if "incident" in facts else None
    ),
    'action.command.size() == 2 && action.command[1].matches("^[a-z]+$") && cluster.labels.?env.orValue("") != "prod"': (
        lambda who, action, facts: (
            len(action.command) == 2
            and re.fullmatch("[a-z]+", action.command[1]) is not None
            and dict(action.cluster.labels).get("env") != "prod"
        )
    ),
}
"""Those that the tests' policies have, and what they mean."""


def clock(asked: dict[str, Any], now: float) -> bool:
    local = datetime.fromtimestamp(now, ZoneInfo(asked["zone"]))
    spans = asked.get("hours", ["00:00-24:00"])
    return any(shows(span, local, asked) for span in ([spans] if isinstance(spans, str) else spans))


def shows(span: str, local: datetime, asked: dict[str, Any]) -> bool:
    begin, end = span.split("-")
    at = local.strftime("%H:%M")
    if begin < end:
        return begin <= at < end and on(local, asked)
    return (at >= begin and on(local, asked)) or (at < end and on(local - timedelta(days=1), asked))


def on(local: datetime, asked: dict[str, Any]) -> bool:
    day = local.strftime("%Y-%m-%d")
    spans = [each.split("..") for each in asked.get("dates", [])]
    in_days = "days" not in asked or local.strftime("%a").lower() in asked["days"]
    return in_days and (not spans or any(span[0] <= day <= span[-1] for span in spans))


def in_networks(texts: Any, address: str) -> Truth:
    try:
        where = ipaddress.ip_address(address)
    except ValueError:
        return None
    if where.version == 6 and where.ipv4_mapped:
        where = where.ipv4_mapped
    plain = [text for text in texts if text[0] != "!"]
    out = [text[1:] for text in texts if text[0] == "!"]
    return (not plain or any(where in ipaddress.ip_network(text) for text in plain)) and not any(
        where in ipaddress.ip_network(text) for text in out
    )


def listed(words: list[str] | None, values: list[str]) -> bool:
    if words is None:
        return True
    plain = [word for word in words if word[0] != "!"]
    out = [word[1:] for word in words if word[0] == "!"]
    return (not plain or any(glob(word, value) for word in plain for value in values)) and not any(
        glob(word, value) for word in out for value in values
    )


def unknown(words: list[str]) -> Truth:
    """A list asked about a value that the request does not tell."""
    return True if "*" in words and not any(word[0] == "!" for word in words) else None


def glob(pattern: str, value: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value, re.DOTALL) is not None


def every(truths: list[Truth]) -> Truth:
    if False in truths:
        return False
    return None if None in truths else True


def negated(truth: Truth) -> Truth:
    return None if truth is None else not truth
