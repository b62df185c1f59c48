"""Resources as RBAC writes them, with the group after the name: ``pods``, ``pods/log``, ``deployments.apps``, ``*/scale``, ``*``.

Without a group the core group is meant (``*.*`` and ``pods.*`` are every group's). Without a subresource the object itself is meant, save that a bare
``*`` (or ``*.apps``) includes the plain subresources, as in RBAC. Subresources that open a channel or mint a credential are granted by
``actions`` only (``CHANNELS``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from attrs import frozen

from kgate.documents.globs import Glob, Selection, split_exclusions
from kgate.documents.values import Unacceptable
from kgate.model import Operation
from kgate.policy.well_known import HOME


class ResourceKey(NamedTuple):
    """One kind of thing that a request can name."""

    group: str
    resource: str
    subresource: str

    def __str__(self) -> str:
        name = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{name}/{self.subresource}" if self.subresource else name


CHANNELS = {
    "exec": Operation.EXEC,
    "attach": Operation.ATTACH,
    "portforward": Operation.PORT_FORWARD,
    "proxy": Operation.PROXY,
    "token": Operation.TOKEN,
}
"""Subresource → the action under which it is granted."""
_WRITTEN = re.compile(r"(?P<resource>[a-z0-9*-]+)(\.(?P<group>[a-z0-9*.-]+))?(/(?P<subresource>[a-z0-9*/-]+))?")


@frozen(cache_hash=True)
class ResourcePattern:
    """A pattern with a star. ``subresource`` None: the plain ones are included, none asked for."""

    group: Glob
    resource: Glob
    subresource: Glob | None
    prefix = ""

    def matches(self, value: ResourceKey) -> bool:
        """Whether ``value`` fits."""
        return (
            self.resource.matches(value.resource)
            and self.group.matches(value.group)
            and (self.subresource is None or self.subresource.matches(value.subresource))
        )


class Resources(Selection[ResourceKey]):
    """A list of resources."""

    @property
    def channels(self) -> tuple[str, ...]:
        """The words that name a channel's subresource."""
        return tuple(text for text in self.texts if text.partition("/")[2] in CHANNELS and text[0] != "!")


def resources(texts: Iterable[str]) -> Resources:
    """The list that ``texts`` write. Raises Unacceptable for the first word that is no resource."""
    texts = tuple(texts)
    included, excluded = split_exclusions(texts)
    return Resources(texts, *_by_kind(included), *_by_kind(excluded), "*" in included or not included)


def _by_kind(texts: list[str]) -> tuple[frozenset[ResourceKey], tuple[ResourcePattern, ...]]:
    parsed = [_parse(text) for text in texts]
    exact = frozenset(each for each in parsed if isinstance(each, ResourceKey))
    return exact, tuple(each for each in parsed if isinstance(each, ResourcePattern))


def _parse(text: str) -> ResourceKey | ResourcePattern:
    match = _WRITTEN.fullmatch(text)
    if match is None or "**" in text:
        raise Unacceptable(f'has "{text}", which is not a resource', "write it as pods, pods/log, deployments.apps or *")
    resource, group, subresource = match["resource"], match["group"] or "", match["subresource"]
    if not group and resource in HOME:
        meant = f"{resource}.{HOME[resource]}" + (f"/{subresource}" if subresource else "")
        raise Unacceptable(f'has "{text}", but the core group has no {resource}', f'did you mean "{meant}"?')
    if text == "*" or (resource == "*" and not group):
        group = "*"
    if "*" not in f"{resource}{group}{subresource}":
        return ResourceKey(group, resource, subresource or "")
    whole = resource == "*" and subresource is None
    return ResourcePattern(Glob(group), Glob(resource), None if whole else Glob(subresource or ""))
