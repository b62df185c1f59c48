"""Plain data → frozen attrs classes, strictly: no coercion, no unknown keys, and every error with the line it comes from.

cattrs does the walking (with its detailed validation, so that it goes on after the first error); we give it hooks that refuse what it would
coerce, and turn the tree of exceptions that it raises into ``Mistake``s. The place of an error is the path that cattrs noted on the way up, looked
up in the lines that ``reading`` kept.

A class says how its values are written by its types: ``Duration``, ``Size``, ``Words`` … have one notation each (``values``, ``globs``). A key that
is a Python keyword is renamed with ``Annotated[T, override(rename="as")]``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from collections.abc import Mapping as AbstractMapping
from enum import Enum
from types import GenericAlias
from typing import Any, TypeVar, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import make_dict_structure_fn

from kgate.documents import values
from kgate.documents.globs import Words, words
from kgate.documents.reading import Mapping, Plain, line_of
from kgate.documents.values import Unacceptable
from kgate.errors import Mistake

T = TypeVar("T")
Path = tuple[str | int, ...]
_SHAPES = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "nothing",
}
_BELOW = "write lines of the form key: value below it, further in"
_PLURAL_OF_ONE = "one entry is a list too: [{}]"


def describe(value: Plain) -> str:
    """What ``value`` is, in words."""
    return next((words for kind, words in _SHAPES.items() if isinstance(value, kind)), type(value).__name__)


MOST_COMPARED = 1000
"""Known words up to which the nearest is looked for: comparing two takes 20 µs."""
MOST_HINTS = 20
"""Mistakes of one kind in one place that get a hint each. Whoever made more made the same one again."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the known word that ``word`` was probably meant to be, or all of them where they are few."""
    known = sorted(known)
    if len(known) > MOST_COMPARED:
        return ""
    close = difflib.get_close_matches(word[:64].lower(), known, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"known here: {', '.join(known)}" if 0 < len(known) <= 12 else ""


def a_text(value: Plain, _: Any = str) -> str:
    """``value`` where it is text; raises Unacceptable."""
    if not isinstance(value, str):
        hint = f'put it in quotes: "{value}"' if isinstance(value, (bool, int, float)) else "write it behind the colon"
        raise Unacceptable(f"must be text, not {describe(value)}", hint)
    return value


def a_whole_number(value: Plain, _: Any = int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unacceptable(f"must be a whole number, not {describe(value)}", "write it in digits, without quotes")
    return value


def _boolean(value: Plain, _: Any) -> bool:
    if not isinstance(value, bool):
        raise Unacceptable(f"must be true or false, not {describe(value)}", "write one of these words, without quotes")
    return value


def a_list(value: Plain) -> list[Plain]:
    """``value`` where it is a list; raises Unacceptable."""
    if not isinstance(value, list):
        hint = _PLURAL_OF_ONE.format(value) if isinstance(value, (str, int)) else "begin each entry with a dash"
        raise Unacceptable(f"must be a list, not {describe(value)}", hint)
    return value


def list_of_words(value: Plain, _: Any = Words) -> Words:
    """A list of words, at least one; raises Unacceptable."""
    if not a_list(value):
        raise Unacceptable("is an empty list", "leave the key out, or name something")
    try:
        return words(a_text(item) for item in value)
    except Unacceptable:
        raise
    except ValueError as error:
        raise Unacceptable(f"has {error}") from None


def written(parse: Callable[[str], T]) -> Callable[[Plain, Any], T]:
    """A hook for a value that is written as text."""
    return lambda value, _: parse(a_text(value))


def _duration(value: Plain, _: Any) -> values.Duration:
    if isinstance(value, int) and not isinstance(value, bool):
        raise Unacceptable(f"{value} has no unit", f'write "{value}s" for seconds')
    return values.duration(a_text(value))


def _enum(value: Plain, kind: type[Enum]) -> Enum:
    known = {str(member.value): member for member in kind}
    if a_text(value) not in known:
        raise Unacceptable(f'"{value}" is not known', nearest(value, known))
    return known[value]


def strict_converter() -> Converter:
    """A converter with the notations of every kgate file; a folder adds hooks for its own value types."""
    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    converter.register_structure_hook(str, a_text)
    converter.register_structure_hook(int, a_whole_number)
    converter.register_structure_hook(bool, _boolean)
    converter.register_structure_hook(Words, list_of_words)
    converter.register_structure_hook(values.Duration, _duration)
    converter.register_structure_hook(values.Size, written(values.size))
    converter.register_structure_hook(values.Instant, written(values.instant))
    converter.register_structure_hook(values.Address, written(values.address))
    converter.register_structure_hook_func(lambda kind: kind == values.Network, written(values.network))
    converter.register_structure_hook_func(lambda kind: isinstance(kind, type) and issubclass(kind, Enum), _enum)
    converter.register_structure_hook_factory(_is_generic(tuple), lambda kind: _tuple_hook(converter, kind))
    converter.register_structure_hook_factory(_is_generic(AbstractMapping), lambda kind: _mapping_hook(converter, kind))
    converter.register_structure_hook_factory(attrs.has, lambda kind: _class_hook(converter, kind))
    return converter


def _is_generic(origin: type) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) == origin


def _tuple_hook(converter: Converter, kind: Any) -> Callable[[Plain, Any], tuple[Any, ...]]:
    whole: Any = GenericAlias(list, get_args(kind)[:1])
    return lambda value, _: tuple(converter.structure(a_list(value), whole))


def _mapping_hook(converter: Converter, kind: Any) -> Callable[[Plain, Any], dict[Any, Any]]:
    whole: Any = GenericAlias(dict, get_args(kind))

    def structure(value: Plain, _: Any) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise Unacceptable(f"must be a mapping, not {describe(value)}", _BELOW)
        made: dict[Any, Any] = converter.structure(value, whole)
        return made

    return structure


def _class_hook(converter: Converter, kind: type[T]) -> Callable[[Plain, Any], T]:
    fill: Callable[[Plain, Any], T] = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True)

    def structure(value: Plain, _: Any) -> T:
        if not isinstance(value, dict):
            raise Unacceptable(f"must be a mapping, not {describe(value)}", _BELOW)
        return fill(value, kind)

    return structure


def structure(
    converter: Converter, data: Plain, kind: type[T], file: str, mistakes: list[Mistake], *, root: Plain = None, path: Path = ()
) -> T | None:
    """``data`` as a ``kind``, or None with what is wrong added to ``mistakes``. ``path`` is where it stands below ``root``, for the messages."""
    try:
        return converter.structure(data, kind)
    except (ExceptionGroup, Unacceptable) as error:
        whole = data if root is None else root
        mistakes.extend(_mistakes(error, path, whole, file))
        return None


def structure_list(
    converter: Converter, root: Mapping, key: str, kind: type[T], file: str, mistakes: list[Mistake], *, unique: tuple[str, ...] = ("name",)
) -> list[T]:
    """The items of the list at ``key``, each structured by itself, so that a mistake in one hides none in another; wrong ones are left out.

    Two items with the same value under one of the ``unique`` keys are a mistake.
    """
    items = root.get(key)
    if not isinstance(items, list):
        given = f"must be a list, not {describe(items)}" if key in root else "is missing"
        mistakes.append(Mistake(file, line_of(root, (key,)), f'"{key}" {given}', f"write {key}: [] for none"))
        return []
    for each in unique:
        mistakes += _repeated(root, key, each, file)
    made = [structure(converter, item, kind, file, mistakes, root=root, path=(key, number)) for number, item in enumerate(items)]
    return [item for item in made if item is not None]


def unknown_keys(root: Mapping, known: Iterable[str], file: str) -> list[Mistake]:
    """A mistake for each key of ``root`` that is not ``known``."""
    known = frozenset(known)
    return [Mistake(file, line_of(root, (key,)), f'unknown key "{key}"', nearest(key, known)) for key in root if key not in known]


def _repeated(root: Mapping, key: str, unique: str, file: str) -> Iterable[Mistake]:
    seen: dict[str, int] = {}
    for number, item in enumerate(root[key]):
        value = item.get(unique) if isinstance(item, dict) else None
        if not isinstance(value, str):
            continue
        line = line_of(root, (key, number, unique))
        if value in seen:
            yield Mistake(file, line, f'a second one of {key} has the {unique} "{value}", the first is on line {seen[value]}', "change one")
        seen.setdefault(value, line)


def key_path(path: Path) -> str:
    """``rules[3].who.users``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _mistakes(error: Exception, path: Path, root: Plain, file: str) -> Iterable[Mistake]:
    if isinstance(error, ClassValidationError):
        noted, others = error.group_exceptions()
        for inner, attribute in noted:
            yield from _mistakes(inner, (*path, _written_name(error.cl, attribute.name)), root, file)
        for inner in others:
            yield from _mistakes(inner, path, root, file)
    elif isinstance(error, IterableValidationError):
        noted_items, others = error.group_exceptions()
        for inner, item in noted_items:
            yield from _mistakes(inner, (*path, item.index), root, file)
        for inner in others:
            yield from _mistakes(inner, path, root, file)
    elif isinstance(error, ForbiddenExtraKeysError):
        known = {_written_name(error.cl, attribute.name) for attribute in attrs.fields(error.cl)}
        within = f" in {key_path(path)}" if path else ""
        for number, key in enumerate(sorted(error.extra_fields)):
            hint = nearest(key, known) if number < MOST_HINTS else ""
            yield Mistake(file, line_of(root, (*path, key)), f'unknown key "{key}"{within}', hint)
    elif isinstance(error, KeyError):
        within = f" in {key_path(path[:-1])}" if path[:-1] else ""
        yield Mistake(file, line_of(root, path[:-1]), f'"{path[-1]}" is missing{within}')
    elif isinstance(error, Unacceptable):
        place = (*path, *error.at)
        yield Mistake(file, line_of(root, place), f"{key_path(place)}: {error.text}" if place else error.text, error.hint)
    elif isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from _mistakes(inner, path, root, file)
    else:
        raise error


def _written_name(kind: type, name: str) -> str:
    """The key of attribute ``name`` in the file: an ``Annotated[…, override(rename=…)]`` counts."""
    annotation = attrs.fields_dict(kind)[name].type if attrs.has(kind) and name in attrs.fields_dict(kind) else None
    renamed = [note.rename for note in getattr(annotation, "__metadata__", ()) if getattr(note, "rename", None)]
    return renamed[0] if renamed else name
