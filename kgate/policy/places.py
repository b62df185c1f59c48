"""``namespaces``: words and globs as everywhere, and templates, which are the caller's own namespaces."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from kgate.documents.globs import Words, words
from kgate.documents.values import Unacceptable
from kgate.model import Ground, Identity
from kgate.policy.details import nothing_said, unlike
from kgate.policy.question import Question
from kgate.policy.templates import Template, namespaces_of, template
from kgate.policy.well_known import spans_namespaces


@frozen
class Places(Words):
    """A list of namespaces. One with templates means other namespaces for each caller, so no index can hold it: ``OwnPlaces`` is asked."""

    templates: tuple[Template, ...] = ()


def places(texts: Iterable[str]) -> Places:
    """The list that ``texts`` write. Raises Unacceptable; ValueError as ``words`` does."""
    texts = tuple(texts)
    templated = [text for text in texts if "{" in text or "}" in text]
    for text in templated:
        if text.startswith("!"):
            raise Unacceptable(f'"{text}" excludes a template', "for somebody of whom it is nothing it would exclude nothing")
        if "*" in _without_slots(text):
            raise Unacceptable(f'"{text}" has a star outside of a placeholder', "a template stands for whole names")
    plain = words(text for text in texts if text not in templated)
    return Places(
        texts,
        plain.exact,
        plain.patterns,
        plain.excluded_exact,
        plain.excluded_patterns,
        plain.everything and not templated,
        tuple(map(template, templated)),
    )


@frozen
class OwnPlaces:
    """``namespaces`` with templates, asked of one request."""

    places: Places
    ground = Ground.NAMESPACE

    def holds(self, asked: Question) -> bool | None:
        """Whether the namespace is in the list or the caller's own; a request for every namespace is neither."""
        if spans_namespaces(asked.action):
            return None
        namespace, places = asked.action.namespace, self.places
        if places.excludes(namespace):
            return False
        listed = bool(places.exact or places.patterns) and places.matches(namespace)
        return listed or namespace in self._own(asked.identity)

    def miss(self, asked: Question) -> str:
        """Which namespace, and which are the caller's own."""
        if not asked.action.namespace:
            return nothing_said(self.ground, asked.action, str(self.places))
        own = ", ".join(sorted(self._own(asked.identity))[:6]) or "no namespace"
        return f"{unlike('namespace', asked.action.namespace, self.places)} (for {asked.identity.user} that is {own})"

    def _own(self, identity: Identity) -> frozenset[str]:
        return frozenset().union(*(namespaces_of(each, identity) for each in self.places.templates))


def _without_slots(text: str) -> str:
    return "".join(part.partition("}")[2] if number else part for number, part in enumerate(text.split("{")))
