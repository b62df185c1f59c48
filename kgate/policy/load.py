"""Policy files → ``Policy``: every mistake at once, or a policy that is ready to be asked.

Each rule, set and test is structured by itself, so that a mistake in one hides none in another. A policy may be several files (a directory): their
rules follow each other in the order of the files' names, their sets are one. Joined by ``join`` they are one text again, which is what a revision
names and what is kept beside the audit.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from attrs import define, field

from kgate.documents.reading import Mapping, line_of, read_mapping
from kgate.documents.structuring import MOST_HINTS, Path, describe, nearest, structure, structure_list, unknown_keys
from kgate.documents.values import Unacceptable
from kgate.errors import InvalidFileError, Mistake
from kgate.model import Recording
from kgate.policy.cases import Case, Placed
from kgate.policy.evaluate import Policy
from kgate.policy.index import Index
from kgate.policy.notation import policy_converter, rule_name
from kgate.policy.parties import Clusters, Members, NamedCluster
from kgate.policy.rules import Rule

T = TypeVar("T")
REVISION_LENGTH = 12
MARK = "--- # kgate policy file: "
"""Begins each file of a joined text. No single file can hold it elsewhere: a second YAML document is refused."""
_MARKED = re.compile(rf"^{re.escape(MARK)}([^\n/]+)\n", re.MULTILINE)
MOST_EXPRESSIONS = 512 * 1024
"""Characters, of a policy."""
_KEYS = ("rules", "tests", "people", "clusters")


def join(files: Sequence[tuple[str, str]]) -> str:
    """One text of several files, name and text each."""
    return "".join(f"{MARK}{name}\n{text}{'' if text.endswith(chr(10)) else chr(10)}" for name, text in files)


def load_policy(text: str, file: str) -> Policy:
    """The policy that ``text`` writes; ``file`` is its name for messages. Raises InvalidFileError with every mistake."""
    reading = _Reading()
    for name, part in split(text, file):
        reading.take(part, name, alone=name == file)
    reading.check()
    if reading.mistakes:
        raise InvalidFileError(sorted(reading.mistakes, key=lambda mistake: (mistake.file, mistake.line)))
    rules, warnings, named = tuple(reading.rules), _warnings(reading, file), tuple(reading.named())
    reading.let_go()
    index = Index(rules, reading.people, reading.clusters)
    return Policy(file, revision_of(text), rules, index, warnings, text, tuple(reading.tests), named)


def revision_of(text: str) -> str:
    """What names the policy that ``text`` writes: short, for people and records."""
    return fingerprint(text)[:REVISION_LENGTH]


def fingerprint(text: str) -> str:
    """SHA-256 in hex: what no other text has, however hard somebody looks for one."""
    return hashlib.sha256(text.encode()).hexdigest()


def split(text: str, file: str) -> Iterable[tuple[str, str]]:
    """The files that ``join`` joined; one that stands alone is itself."""
    if not text.startswith(MARK):
        return [(file, text)]
    pieces = _MARKED.split(text)[1:]
    return [(f"{file}/{name}", part) for name, part in zip(pieces[::2], pieces[1::2], strict=True)]


@define
class _Reading:
    """What the files read so far hold."""

    mistakes: list[Mistake] = field(factory=list)
    rules: list[Rule] = field(factory=list)
    tests: list[Placed] = field(factory=list)
    people: dict[str, tuple[Members, ...]] = field(factory=dict)
    clusters: dict[str, tuple[Clusters, ...]] = field(factory=dict)
    _expressions: int = 0
    _roots: list[tuple[str, Mapping]] = field(factory=list)

    def take(self, text: str, file: str, *, alone: bool) -> None:
        """One file. ``alone``: it is the whole policy, so it must have rules."""
        root = read_mapping(text, file, self.mistakes)
        self._roots.append((file, root))
        self.mistakes += unknown_keys(root, _KEYS, file)
        self._bound_expressions(root, file)
        if "rules" in root or alone:
            self.rules += structure_list(_CONVERTER, root, "rules", Rule, file, self.mistakes)
        if "tests" in root:
            self._take_tests(root, file)
        self._take_sets(root, "people", Members, self.people, file)
        self._take_sets(root, "clusters", Clusters, self.clusters, file)

    def check(self) -> None:
        """What shows only when all files are there."""
        places: dict[str, str] = {}
        for file, root in self._roots:
            rules = root.get("rules")
            for number, rule in enumerate(rules if isinstance(rules, list) else ()):
                if isinstance(rule, dict):
                    self._once(rule.get("name"), places, file, line_of(root, ("rules", number, "name")))
                    self._known(root, number, ("who", "people"), self.people, file)
                    self._known(root, number, ("clusters", "sets"), self.clusters, file)

    def unheeded(self) -> Iterable[Mistake]:
        """Rules that ask for a recording of what is never recorded: whoever wrote that must not believe that there is one."""
        by_name = {rule.name: rule for rule in self.rules}
        for file, root in self._roots:
            for number, written in enumerate(root.get("rules", ())):
                rule = by_name[written["name"]]
                if rule.record is not Recording.NONE and not rule.may_be_recorded:
                    text = f'rules[{number}].record: "{rule.record.value}" records nothing of what this rule allows'
                    yield Mistake(file, line_of(root, ("rules", number, "record")), text, "exec, attach and cp are recorded, under actions")

    def named(self) -> Iterable[NamedCluster]:
        """The clusters that rules and sets name as they are."""
        for file, root in self._roots:
            for number, rule in enumerate(root.get("rules", ())):
                yield from _clusters_in(root, ("rules", number, "clusters"), f'rule "{rule["name"]}"', file)
            for name, lists in root.get("clusters", {}).items():
                for path in [(number,) for number in range(len(lists))] if isinstance(lists, list) else [()]:
                    yield from _clusters_in(root, ("clusters", name, *path), f'set "{name}"', file)

    def _bound_expressions(self, root: Mapping, file: str) -> None:
        """Compiling takes 5 ms for each KiB, so a file of nothing but expressions would take minutes. Raises InvalidFileError."""
        rules = root.get("rules")
        for number, rule in enumerate(rules if isinstance(rules, list) else ()):
            for key in ("when", "unless"):
                within = rule.get(key) if isinstance(rule, dict) else None
                text = within.get("expression") if isinstance(within, dict) else None
                self._expressions += len(text) if isinstance(text, str) else 0
                if self._expressions > MOST_EXPRESSIONS:
                    line = line_of(root, ("rules", number, key))
                    text = f"the expressions of the policy have more than {MOST_EXPRESSIONS // 1024} KiB together"
                    raise InvalidFileError([*self.mistakes, Mistake(file, line, text, "ask by who, time or facts what they can say")])

    def let_go(self) -> None:
        """Drop the plain data rule by rule: a million objects that go at once hold the interpreter for a fifth of a second, and with it all traffic."""
        while self._roots:
            _, root = self._roots.pop()
            for value in root.values():
                while isinstance(value, list) and value:
                    value.pop()

    def _take_tests(self, root: Mapping, file: str) -> None:
        before = len(self.mistakes)
        cases = structure_list(_CONVERTER, root, "tests", Case, file, self.mistakes, unique=())
        if len(self.mistakes) == before:
            self.tests += [Placed(line_of(root, ("tests", number)), case, file) for number, case in enumerate(cases)]

    def _take_sets(self, root: Mapping, key: str, kind: type[T], into: dict[str, tuple[T, ...]], file: str) -> None:
        sets = root.get(key) if key in root else Mapping(0)
        if not isinstance(sets, Mapping):
            self.mistakes.append(Mistake(file, line_of(root, (key,)), f"{key}: must be a mapping, not {describe(sets)}"))
            return
        for name, value in sets.items():
            lists = value if isinstance(value, list) else [value]
            made = [
                structure(
                    _CONVERTER,
                    each,
                    kind,
                    file,
                    self.mistakes,
                    root=root,
                    path=(key, name, *((number,) if isinstance(value, list) else ())),
                )
                for number, each in enumerate(lists)
            ]
            fault = self._set_fault(name, lists, into)
            if fault is not None:
                self.mistakes.append(Mistake(file, line_of(root, (key, name)), f"{key}.{name}: {fault.text}", fault.hint))
            into[name] = tuple(each for each in made if each is not None)

    @staticmethod
    def _set_fault(name: str, lists: list[object], known: dict[str, tuple[T, ...]]) -> Unacceptable | None:
        try:
            rule_name(name)
        except Unacceptable as fault:
            return Unacceptable(fault.text.replace("for a rule", "for a set"), fault.hint)
        if name in known:
            return Unacceptable("stands in another file too", "give it another name")
        return None if lists else Unacceptable("is an empty list", "name somebody, or take the set out")

    def _once(self, name: object, places: dict[str, str], file: str, line: int) -> None:
        """Within one file ``structure_list`` says it; here it is another file's rule."""
        if isinstance(name, str) and places.setdefault(name, file) != file:
            self.mistakes.append(Mistake(file, line, f'a rule "{name}" is in {places[name]} too', "give it another name"))

    def _known(self, root: Mapping, number: int, path: tuple[str, str], sets: Iterable[str], file: str) -> None:
        """A set that nobody defined is nobody: most likely a slip."""
        for place, name in _plain_words(root, ("rules", number, *path)):
            if name not in sets:
                line = line_of(root, ("rules", number, *path, place))
                text = f'rules[{number}].{".".join(path)}[{place}]: there is no set "{name}"'
                self.mistakes.append(Mistake(file, line, text, nearest(name, sets) if len(self.mistakes) < MOST_HINTS else ""))


def _clusters_in(root: Mapping, path: Path, whose: str, file: str) -> Iterable[NamedCluster]:
    for place, name in _plain_words(root, (*path, "names")):
        yield NamedCluster(name, whose, file, line_of(root, (*path, "names", place)))


def _plain_words(root: Mapping, path: Path) -> Iterable[tuple[int, str]]:
    """The words without a star in the list at ``path``, excluded or not, each with its place."""
    *outer, last = path
    within: Any = root
    for key in outer:
        at = isinstance(key, int) and isinstance(within, list)
        within = within[key] if at else within.get(key) if isinstance(within, dict) else None
    words = within.get(last) if isinstance(within, dict) else None
    for place, word in enumerate(words if isinstance(words, list) else ()):
        if isinstance(word, str) and "*" not in word:
            yield place, word.removeprefix("!")


def _warnings(reading: _Reading, file: str) -> tuple[Mistake, ...]:
    if any(not rule.denies for rule in reading.rules):
        return tuple(reading.unheeded())
    return (Mistake(file, 1, "no rule allows anything", "every request but discovery is denied"),)


_CONVERTER = policy_converter()
