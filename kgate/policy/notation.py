"""How the values of a policy file are written: each of the language's own notations is one hook of the converter."""

from __future__ import annotations

import re

from cattrs import Converter

from kgate.documents.globs import Words
from kgate.documents.reading import Mapping, Plain
from kgate.documents.structuring import a_list, a_text, describe, list_of_words, strict_converter, written
from kgate.documents.values import Unacceptable, accept
from kgate.policy.cases import Json, Port
from kgate.policy.conditions import expression
from kgate.policy.conditions.client import UserAgents
from kgate.policy.conditions.facts import Facts, facts
from kgate.policy.conditions.network import Networks, networks
from kgate.policy.conditions.place import Countries, Systems, countries, systems
from kgate.policy.conditions.time import Dates, Day, Hours, dates, hours, zone
from kgate.policy.details import Argv, argv, port_span
from kgate.policy.parties import LabelWords, SeenName
from kgate.policy.places import Places, places
from kgate.policy.resources import Resources, resources
from kgate.policy.rules import (
    ACTIONS,
    PATH_VERBS,
    VERBS,
    Actions,
    Paths,
    PortSpan,
    RuleName,
    Verbs,
    unknown_words,
)
from kgate.policy.templates import seen

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def rule_name(text: str) -> RuleName:
    """A name that can be shown anywhere. Raises Unacceptable."""
    if not NAME.fullmatch(text):
        raise Unacceptable(f'"{text}" is not a name for a rule', "use letters, digits, dot, dash and underscore, at most 63")
    return RuleName(text)


def _verbs(value: Plain, _: object) -> Words:
    found = list_of_words(value)
    accept(*unknown_words(found, VERBS | PATH_VERBS))
    return found


def _actions(value: Plain, _: object) -> Words:
    found = list_of_words(value)
    accept(*unknown_words(found, ACTIONS))
    return found


def _paths(value: Plain, _: object) -> Words:
    found = list_of_words(value)
    for text in found.texts:
        if not text.removeprefix("!").startswith(("/", "*")):
            raise Unacceptable(f'has "{text}", which is not a path', "a path begins with /")
    return found


def _places(value: Plain) -> Places:
    try:
        return places(a_text(item) for item in _some(value))
    except Unacceptable:
        raise
    except ValueError as error:
        raise Unacceptable(f"has {error}") from None


def _label(value: Plain, _: object) -> Words:
    return list_of_words([value] if isinstance(value, str) else value)


def _one_port(value: Plain) -> Port:
    low, high = port_span(value)
    if low != high:
        raise Unacceptable(f"{value} is more than one port", "a request asks for single ports")
    return Port(low)


def _day(text: str) -> Day:
    if text not in Day.__members__:
        raise Unacceptable(f'"{text}" is not a day', f"write {', '.join(Day.__members__)}")
    return Day[text]


def _or_one(value: Plain) -> list[str]:
    return [value] if isinstance(value, str) else [a_text(item) for item in a_list(value)]


def policy_converter() -> Converter:
    """The converter for policy files: each of the language's own notations is one hook here."""
    converter = strict_converter()
    hook = converter.register_structure_hook
    converter.register_structure_hook_func(lambda kind: kind is Verbs, _verbs)
    converter.register_structure_hook_func(lambda kind: kind is Actions, _actions)
    converter.register_structure_hook_func(lambda kind: kind is Paths, _paths)
    converter.register_structure_hook_func(lambda kind: kind is LabelWords, _label)
    converter.register_structure_hook_func(lambda kind: kind is RuleName, written(rule_name))
    converter.register_structure_hook_func(lambda kind: kind is SeenName, written(seen))
    converter.register_structure_hook_func(lambda kind: kind is PortSpan, lambda value, _: port_span(value))
    converter.register_structure_hook_func(lambda kind: kind == tuple[Hours, ...], lambda value, _: tuple(map(hours, _or_one(value))))
    converter.register_structure_hook_func(lambda kind: kind == tuple[Dates, ...], lambda value, _: tuple(map(dates, _or_one(value))))
    converter.register_structure_hook_func(lambda kind: kind is Port, lambda value, _: _one_port(value))
    converter.register_structure_hook_func(lambda kind: kind is Json, lambda value, _: value)
    hook(Places, lambda value, _: _places(value))
    hook(Resources, lambda value, _: resources(a_text(item) for item in _some(value)))
    hook(Networks, lambda value, _: networks(a_text(item) for item in a_list(value)))
    hook(Countries, lambda value, _: countries(a_text(item) for item in a_list(value)))
    hook(Systems, lambda value, _: systems(a_list(value)))
    hook(UserAgents, lambda value, _: UserAgents(list_of_words(value)))
    hook(Facts, lambda value, _: facts(_a_mapping(value)))
    hook(expression.Condition, written(expression.condition))
    hook(Argv, lambda value, _: argv(a_text(item) for item in a_list(value)))
    converter.register_structure_hook_func(lambda kind: getattr(kind, "__name__", "") == "ZoneInfo", written(zone))
    hook(Day, written(_day))
    return converter


def _a_mapping(value: Plain) -> Mapping:
    if not isinstance(value, Mapping):
        raise Unacceptable(f"must be a mapping, not {describe(value)}")
    return value


def _some(value: Plain) -> list[Plain]:
    if not a_list(value):
        raise Unacceptable("is an empty list", "leave the key out, or name something")
    return list(value)
