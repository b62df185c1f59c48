"""People and groups as the company's directory pushed them: documents, and beside them the columns that are looked up.

A person who is deleted stays as a row without a document: who left must stay out, whatever token they still hold, until the directory makes them
again. So does each name that a person had before: a token or certificate by it is that person's, so whoever is out is out by all of them, until the
directory gives the name to somebody else. Members are kept by themselves, so that somebody's groups are one query and a group of many is not read to
find them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Any

from attrs import evolve, frozen
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Double,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    and_,
    delete,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)

from kgate.identity.directory import KnownAs, Listed
from kgate.store.changes import publish
from kgate.store.metadata import metadata

TOPIC = "directory"
"""Of the change feed: ids of people who changed, or ``EVERYBODY``."""
EVERYBODY = "*"
MANY = 200
"""How many people a change may name one by one."""

entries = Table(
    "directory_entries",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("name", String(1024), nullable=False),
    Column("folded", String(1024), nullable=False),
    Column("external_id", String(1024), nullable=False),
    Column("email", String(1024), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created", Double, nullable=False),
    Column("modified", Double, nullable=False),
    Column("document", Text, nullable=False),
    Column("person", String(64), index=True),
    Index("ix_directory_entries_kind_folded", "kind", "folded"),
    Index("ix_directory_entries_kind_external_id", "kind", "external_id"),
)

"""``person`` is whose former names a row has; it is deleted, and as active as that person is. Of whoever else it is null."""

members = Table(
    "directory_members",
    metadata,
    Column("group", String(64), primary_key=True),
    Column("member", String(64), primary_key=True, index=True),
    Column("type", String(16), nullable=False),
    Column("display", String(1024), nullable=False),
)


class Kind(Enum):
    """What an entry is; the values are SCIM's resource types."""

    USER = "User"
    GROUP = "Group"


_COLUMNS = {KnownAs.USER_NAME: entries.c.name, KnownAs.EXTERNAL_ID: entries.c.external_id, KnownAs.EMAIL: entries.c.email}


@frozen
class Entry:
    """One resource. ``document`` is its JSON as SCIM has it, without members; times are Unix seconds."""

    id: str
    kind: Kind
    name: str
    document: str
    external_id: str = ""
    email: str = ""
    active: bool = True
    version: int = 1
    created: float = 0.0
    modified: float = 0.0


def find_entry(connection: Connection, kind: Kind, id_: str) -> Entry | None:
    """The entry with this id; one that was deleted is none."""
    found = find_entries(connection, kind, entries.c.id == id_)
    return found[0] if found else None


def find_entries(connection: Connection, kind: Kind, *conditions: object) -> list[Entry]:
    """Those of a kind that meet the conditions on the table's columns, the oldest first."""
    asked = select(entries).where(entries.c.kind == kind.value, entries.c.deleted.is_(False), *conditions)  # type: ignore[arg-type]
    return [_entry(row, kind) for row in connection.execute(asked.order_by(entries.c.created, entries.c.id))]


def _entry(row: Row[Any], kind: Kind) -> Entry:
    return Entry(row.id, kind, row.name, row.document, row.external_id, row.email, row.active, row.version, row.created, row.modified)


def page_of_entries(
    connection: Connection, kind: Kind, start: int, count: int | None, *conditions: ColumnElement[bool]
) -> tuple[int, list[Entry]]:
    """How many there are of a kind that meet the conditions on the table's columns, and of them, by id, those from ``start`` on."""
    chosen = entries.c.kind == kind.value, entries.c.deleted.is_(False), *conditions
    total = connection.execute(select(func.count()).select_from(entries).where(*chosen)).scalar_one()
    rows = connection.execute(select(entries).where(*chosen).order_by(entries.c.id).offset(start).limit(count))
    return int(total), [_entry(row, kind) for row in rows]


def is_taken(connection: Connection, entry: Entry) -> bool:
    """Whether somebody else has the name, in any case of its letters."""
    same = find_entries(connection, entry.kind, entries.c.folded == entry.name.casefold(), entries.c.id != entry.id)
    return bool(same)


def add_entry(connection: Connection, entry: Entry) -> None:
    """A new one. Somebody of that name who was deleted is forgotten: the directory made them again."""
    _forget_deleted(connection, entry)
    connection.execute(insert(entries).values(id=entry.id, kind=entry.kind.value, deleted=False, **_values(entry)))
    tell(connection, entry, entry.modified)
    _former_names_follow(connection, entry)


def change_entry(connection: Connection, before: Entry, entry: Entry, new_id: Callable[[], str]) -> None:
    """Replace what is there. Who is out is out by the names that they had before, too."""
    if entry.name != before.name:
        _forget_deleted(connection, entry)
    connection.execute(update(entries).where(entries.c.id == entry.id).values(_values(entry)))
    tell(connection, entry, entry.modified)
    if entry.kind is Kind.USER and _names(before) != _names(entry) and not _has_had(connection, before):
        former = evolve(before, id=new_id(), modified=entry.modified, document="")
        connection.execute(insert(entries).values(id=former.id, kind=former.kind.value, deleted=True, person=entry.id, **_values(former)))
        tell(connection, former, entry.modified)
    _former_names_follow(connection, entry)


def delete_entry(connection: Connection, entry: Entry, now: float) -> None:
    """A group goes; a person stays as somebody who is out."""
    tell(connection, entry, now)
    connection.execute(delete(members).where((members.c.group == entry.id) | (members.c.member == entry.id)))
    if entry.kind is Kind.GROUP:
        connection.execute(delete(entries).where(entries.c.id == entry.id))
    else:
        connection.execute(update(entries).where(entries.c.id == entry.id).values(active=False, deleted=True, document="", modified=now))
        _former_names_follow(connection, evolve(entry, active=False, modified=now))


def _has_had(connection: Connection, names: Entry) -> bool:
    """Whether these are former names of the person already: some directories write a name now in one way, now in another."""
    same = zip((entries.c.name, entries.c.external_id, entries.c.email), _names(names), strict=True)
    asked = select(entries.c.id).where(entries.c.person == names.id, *(column == name for column, name in same))
    return connection.execute(asked).first() is not None


def _former_names_follow(connection: Connection, person: Entry) -> None:
    """They are of somebody who is out from when the person is, and as long."""
    others = (entries.c.person == person.id) & (entries.c.active != person.active)
    ids = [row.id for row in connection.execute(select(entries.c.id).where(others))]
    if ids:
        connection.execute(update(entries).where(entries.c.id.in_(ids)).values(active=person.active, modified=person.modified))
        _publish(connection, ids, person.modified)


def _forget_deleted(connection: Connection, entry: Entry) -> None:
    """Others of that name who are gone. What other names they had stays out: who has this one now may be a successor."""
    others = or_(entries.c.person.is_(None), entries.c.person != entry.id)
    same_name = and_(entries.c.kind == entry.kind.value, entries.c.folded == entry.name.casefold(), others)
    ids = [row.id for row in connection.execute(select(entries.c.id).where(same_name, entries.c.deleted.is_(True)))]
    if ids:
        connection.execute(delete(entries).where(entries.c.id.in_(ids)))
        _publish(connection, ids, entry.modified)


def _names(entry: Entry) -> tuple[str, ...]:
    """Whatever the gate may know a person by."""
    return entry.name, entry.external_id, entry.email


def _values(entry: Entry) -> dict[str, object]:
    return {
        "name": entry.name,
        "folded": entry.name.casefold(),
        "external_id": entry.external_id,
        "email": entry.email,
        "active": entry.active,
        "version": entry.version,
        "created": entry.created,
        "modified": entry.modified,
        "document": entry.document,
    }


# --- members


@frozen
class Member:
    """Somebody in a group; ``type`` and ``display`` are the directory's words."""

    id: str
    type: str = "User"
    display: str = ""


def members_of(connection: Connection, group: str, named: Collection[str] | None = None) -> tuple[Member, ...]:
    """A group's members, by id, or those of them who are ``named``."""
    asked = select(members.c.member, members.c.type, members.c.display).where(members.c.group == group)
    if named is not None:
        asked = asked.where(members.c.member.in_(list(named)))
    return tuple(Member(*row) for row in connection.execute(asked.order_by(members.c.member)))


def has_member(id_: str) -> ColumnElement[bool]:
    """Of an entry: it is a group that this one is in."""
    return entries.c.id.in_(select(members.c.group).where(members.c.member == id_))


def set_members(connection: Connection, group: str, wanted: Collection[Member], now: float, named: Collection[str] | None = None) -> None:
    """A group has exactly these members from now on, of those who are ``named``; only those who come or go are touched and told of."""
    before, after = set(members_of(connection, group, named)), set(wanted)
    leaving, joining = {member.id for member in before - after}, after - before
    for some in _batches(sorted(leaving)):
        connection.execute(delete(members).where(members.c.group == group, members.c.member.in_(some)))
    if joining:
        rows = [{"group": group, "member": each.id, "type": each.type, "display": each.display} for each in joining]
        connection.execute(insert(members), rows)
    _publish(connection, leaving | {member.id for member in joining}, now)


def tell(connection: Connection, entry: Entry, now: float) -> None:
    """Every gate hears who changed: the person, or everybody in the group, whose name may be another."""
    _publish(connection, {entry.id} if entry.kind is Kind.USER else {each.id for each in members_of(connection, entry.id)}, now)


def _publish(connection: Connection, ids: Collection[str], now: float) -> None:
    for id_ in sorted(ids) if len(ids) <= MANY else [EVERYBODY]:
        publish(connection, TOPIC, id_, now)


def _batches(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + 500] for start in range(0, len(ids), 500)]


# --- the roster


def listed(connection: Connection, known_as: KnownAs, ids: Collection[str] | None = None) -> Mapping[str, Listed]:
    """People by their ids, or those of ``ids`` who are there; deactivated and deleted ones are, as such. Former names of active people are nobody's."""
    chosen = (entries.c.kind == Kind.USER.value) & not_(entries.c.deleted & entries.c.active)
    some = chosen if ids is None else chosen & entries.c.id.in_(list(ids))
    people = connection.execute(select(entries.c.id, _COLUMNS[known_as].label("known"), entries.c.active).where(some)).all()
    joined = select(members.c.member, entries.c.name).join(entries, members.c.group == entries.c.id)
    groups: dict[str, list[str]] = {}
    for row in connection.execute((joined if ids is None else joined.where(members.c.member.in_(list(ids)))).order_by(entries.c.name)):
        groups.setdefault(row.member, []).append(row.name)
    return {each.id: Listed(each.known, each.active, tuple(groups.get(each.id, ())) if each.active else ()) for each in people}


def deactivated_since(connection: Connection, now: float) -> tuple[str, ...]:
    """The ids of people who are out, and became so (or changed) at ``now``: in the transaction that asks."""
    asked = select(entries.c.id).where(entries.c.kind == Kind.USER.value, entries.c.active.is_(False), entries.c.modified == now)
    return tuple(row.id for row in connection.execute(asked))


def names_out(connection: Connection, known_as: KnownAs, ids: Collection[str]) -> tuple[str, ...]:
    """The names by which the gate knows these people, less those that an active one has, in whatever case of the letters."""
    column = _COLUMNS[known_as]
    rows = connection.execute(select(column.label("known")).where(entries.c.id.in_(list(ids)), column != "")) if ids else ()
    names = {row.known for row in rows}
    active = (entries.c.kind == Kind.USER.value) & entries.c.active.is_(True) & entries.c.deleted.is_(False)
    lowered = func.lower(column).in_({name.lower() for name in names})
    taken = {row.known.lower() for row in connection.execute(select(column.label("known")).where(active, column.in_(names) | lowered))}
    return tuple(sorted(name for name in names if name.lower() not in taken))
