"""The directory as a SCIM storage (RFC 7643, RFC 7644): what ``scim2-server``, which speaks the protocol, reads and writes.

It lives for one request, in one transaction. What directories ask (Entra ID, Okta: ``id``, ``userName``, ``externalId``, a group's ``displayName``, who is in a
group, ``active``, and several of these) the database answers, page by page; one by an address or a person's ``displayName`` looks at the text of all, any other
filter at all entries of the kind, and not at more than 5,000. A password that a directory pushes is dropped: the gate has no use for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import email_validator
from attrs import evolve
from scim2_models import (
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    EnterpriseUser,
    ETag,
    Filter,
    Group,
    GroupMember,
    InvalidValueException,
    Meta,
    NotFoundException,
    Patch,
    PreconditionFailedException,
    Resource,
    ResourceType,
    ResponseParameters,
    ScimFilter,
    ScimProvider,
    SearchRequest,
    ServiceProviderConfig,
    Sort,
    TooManyException,
    UniquenessException,
    User,
)
from scim2_models.path import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator, ValuePath
from scim2_server.storage import ScimStorage, SearchPage
from sqlalchemy import ColumnElement, Connection, and_, func, or_

from kgate.store import directory
from kgate.store.directory import Entry, Kind

Document = Resource[Any]

# Addresses within a company need not be anybody's on the Internet: alice@corp.local, alice@intranet.
email_validator.GLOBALLY_DELIVERABLE = False
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

LONGEST = 1024
"""Characters of a name, an address, an external id."""
MOST_RESULTS = 1000
"""On one page."""
MOST_MADE = 5000
"""Entries that are looked at for one answer, where the database cannot give it: each takes half a millisecond, in which the gate does nothing else."""
PROVIDER = ScimProvider(
    [User, EnterpriseUser, Group],
    [ResourceType.from_resource(User[EnterpriseUser]), ResourceType.from_resource(Group)],
    ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=True, max_operations=1000, max_payload_size=1024 * 1024),
        filter=Filter(supported=True, max_results=MOST_RESULTS),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=True),
        etag=ETag(supported=True),
        authentication_schemes=[
            AuthenticationScheme(
                type=AuthenticationScheme.Type.oauthbearertoken,
                name="Bearer token",
                description="A robot's token, which the gate's configuration names for the directory.",
                primary=True,
            )
        ],
    ),
)
"""What the gate serves, and how."""
_MODELS: dict[Kind, type[Document]] = {Kind.USER: User[EnterpriseUser], Kind.GROUP: Group}


class DirectoryStorage(ScimStorage):
    """See the module. ``new_id`` makes an id that nobody can guess, ``now`` is Unix seconds."""

    def __init__(self, connection: Connection, now: float, new_id: Callable[[], str]) -> None:
        self._connection, self._now, self._new_id = connection, now, new_id
        self.members_named: Collection[str] | None = None
        """Of a group these members only are read, and put in or taken out; None: all."""

    def get(self, resource_type: ResourceType, resource_id: str, *, response_parameters: ResponseParameters[Any] | None = None) -> Document:
        """One resource; a group's members only where the answer shows them."""
        left_out = response_parameters.excluded_attributes if response_parameters is not None else None
        return self._document(self._entry(resource_type, resource_id), members="members" not in map(str, left_out or ()))

    def stored(self, path: str) -> Mapping[str, Any]:
        """The JSON of the resource at ``path``, ``/Users/ID``, without what stands elsewhere; empty where there is none."""
        kind, _, id_ = path.strip("/").partition("/")
        entry = directory.find_entry(self._connection, Kind.USER if kind == "Users" else Kind.GROUP, id_)
        found: dict[str, Any] = json.loads(entry.document) if entry is not None else {}
        return found

    def search(self, resource_types: list[ResourceType], search_request: SearchRequest[Any], *, position: Any = None) -> SearchPage:
        """Those that the filter finds, sorted, and of them the page."""
        wanted = search_request.filter
        start = search_request.start_index_0 or 0
        kinds = {Kind(each.name): None for each in resource_types}
        only = next(iter(kinds)) if len(kinds) == 1 and search_request.sort_by is None else None
        told = _told(wanted, only) if only is not None else None
        if only is not None and told is not None and told.all:
            members = "members" not in map(str, search_request.excluded_attributes or ())
            total, page = directory.page_of_entries(self._connection, only, start, search_request.count, *told.conditions)
            return SearchPage(total, [self._document(entry, members=members) for entry in page])
        entries = [entry for kind in kinds for entry in directory.find_entries(self._connection, kind, *_told(wanted, kind).conditions)]
        if len(entries) > MOST_MADE:
            raise TooManyException(
                detail=f"more than {MOST_MADE} would have to be looked at; look for a userName or an id, or without sortBy"
            )
        documents = [self._document(entry) for entry in entries]
        found = [each for each in documents if wanted is None or _fitting(wanted, type(each)).match(each)]
        descending = search_request.sort_order == SearchRequest.SortOrder.descending and search_request.sort_by is not None
        found.sort(key=lambda each: _sort_key(search_request, each), reverse=descending)
        stop = None if search_request.count is None else start + search_request.count
        return SearchPage(len(found), found[start:stop])

    def create(self, resource_type: ResourceType, resource: Document) -> Document:
        """A new resource."""
        entry = _entry(Kind(resource_type.name), self._new_id(), resource, self._now)
        self._refuse_taken(entry)
        directory.add_entry(self._connection, entry)
        self._set_members(entry, resource)
        return self._document(entry)

    def update(self, resource_type: ResourceType, resource: Document, *, expected_version: str | None = None) -> Document:
        """The whole new state of a resource. Whoever is out stays so until the directory says that they are active: what a PUT leaves out it may not
        have asserted (RFC 7644 section 3.5.1)."""
        before = self._entry(resource_type, resource.id or "")
        _check(before, expected_version)
        unsaid = isinstance(resource, User) and resource.active is None
        entry = _entry(before.kind, before.id, resource, self._now)
        active = before.active if unsaid else entry.active
        entry = evolve(entry, version=before.version + 1, created=before.created, modified=self._now, active=active)
        self._refuse_taken(entry)
        directory.change_entry(self._connection, before, entry, self._new_id)
        self._set_members(entry, resource)
        return self._document(entry)

    def delete(self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None) -> None:
        """It is gone; a person is out from now on."""
        entry = self._entry(resource_type, resource_id)
        _check(entry, expected_version)
        directory.delete_entry(self._connection, entry, self._now)

    def _entry(self, resource_type: ResourceType, id_: str) -> Entry:
        entry = directory.find_entry(self._connection, Kind(resource_type.name), id_)
        if entry is None:
            raise NotFoundException(detail=f"there is no {resource_type.name} {id_}")
        return entry

    def _refuse_taken(self, entry: Entry) -> None:
        """Two people may not share a name; groups may (RFC 7643 sections 4.1.1 and 4.2)."""
        if entry.kind is Kind.USER and directory.is_taken(self._connection, entry):
            raise UniquenessException(detail=f"userName {entry.name} is taken")

    def _set_members(self, entry: Entry, resource: Document) -> None:
        if isinstance(resource, Group):
            named = {each.value: _as_member(each) for each in resource.members or () if each.value}
            directory.set_members(self._connection, entry.id, named.values(), self._now, self.members_named)

    def _document(self, entry: Entry, *, members: bool = True) -> Document:
        model = _MODELS[entry.kind]
        document = model.model_validate(json.loads(entry.document) | {"id": entry.id})
        document.meta = Meta(
            resource_type=entry.kind.value,
            created=datetime.fromtimestamp(entry.created, UTC),
            last_modified=datetime.fromtimestamp(entry.modified, UTC),
            version=f'W/"{entry.version}"',
        )
        if isinstance(document, Group) and members:
            document.members = [_member(each) for each in directory.members_of(self._connection, entry.id, self.members_named)] or None
        return document


def _as_member(member: GroupMember) -> directory.Member:
    value, type_, display = (str(each or "") for each in (member.value, member.type or "User", member.display))
    return directory.Member(_kept("members.value", value, 64), _kept("members.type", type_, 16), _kept("members.display", display))


def _kept(attribute: str, text: str, most: int = LONGEST) -> str:
    """A text that a column takes: PostgreSQL counts its characters, and has no U+0000."""
    if len(text) > most or len(text.casefold()) > most or "\0" in text:
        raise InvalidValueException(detail=f"{attribute} is longer than {most} characters, or has the character U+0000")
    return text


def _member(member: directory.Member) -> GroupMember:
    facts = {"value": member.id, "$ref": f"{member.type}s/{member.id}", "type": member.type, "display": member.display or None}
    return GroupMember.model_validate(facts)


def _check(entry: Entry, expected_version: str | None) -> None:
    if expected_version is not None and expected_version != f'W/"{entry.version}"':
        raise PreconditionFailedException(detail="it was changed meanwhile; read it again")


def _entry(kind: Kind, id_: str, resource: Document, now: float) -> Entry:
    """The columns of a resource, and its document without what stands in them or elsewhere."""
    kept = resource.model_copy(deep=True)
    kept.id = kept.meta = None
    if isinstance(kept, Group):
        kept.members = None
    if isinstance(kept, User):
        kept.password = kept.groups = None
    name = resource.user_name if isinstance(resource, User) else getattr(resource, "display_name", "")
    return Entry(
        id_,
        kind,
        _kept("userName" if isinstance(resource, User) else "displayName", str(name or "")),
        json.dumps(kept.model_dump()),
        _kept("externalId", str(resource.external_id or "")),
        _kept("emails.value", _email(resource)),
        not isinstance(resource, User) or resource.active is not False,
        created=now,
        modified=now,
    )


def _email(resource: Document) -> str:
    """The primary address, or the first one."""
    emails = resource.emails or () if isinstance(resource, User) else ()
    chosen = next((each for each in emails if each.primary), emails[0] if emails else None)
    return str(chosen.value or "") if chosen is not None else ""


_PLAIN = re.compile(r"[ !#-\[\]-~]+")
"""Which JSON writes as it is."""
_NAMED = {(Kind.USER, "username"), (Kind.GROUP, "displayname")}
_PARTS = frozenset({CompareOperator.co, CompareOperator.sw, CompareOperator.ew})
_WRITTEN = frozenset({"displayname", "emails.value"})
"""Attributes whose values stand in the document, whatever case of letters they are asked for in."""


class _Told(NamedTuple):
    """What the database can tell of a filter. ``all``: that is the whole filter; else it decides afterwards."""

    conditions: list[ColumnElement[bool]]
    all: bool = True


_NOTHING = _Told([], all=False)


def _told(wanted: ScimFilter[Any] | None, kind: Kind) -> _Told:
    return _of(wanted.ast, kind) if wanted is not None else _Told([])


def _of(node: FilterNode, kind: Kind, within: str = "") -> _Told:
    """``within`` is the attribute whose values ``node`` is about."""
    if isinstance(node, LogicalExpr) and node.op == LogicalOperator.and_:
        terms = [_of(term, kind, within) for term in node.terms]
        # Two terms on one value of several are about the same one; the database would take two.
        return _Told([each for term in terms for each in term.conditions], all(term.all for term in terms) and not within)
    if isinstance(node, LogicalExpr) and node.op == LogicalOperator.or_:
        terms = [_of(term, kind, within) for term in node.terms]
        if not all(term.conditions for term in terms):
            return _NOTHING
        return _Told([or_(*(and_(*term.conditions) for term in terms))], all(term.all for term in terms) and not within)
    if isinstance(node, ValuePath) and not within:
        return _of(node.val_filter, kind, f"{_name(node.attr_path)}.")
    if not isinstance(node, Comparison):
        return _NOTHING
    name = within + _name(node.attr_path)
    if node.op != CompareOperator.eq:
        return _contained(name, node.value, kind) if node.op in _PARTS and isinstance(node.value, str) else _NOTHING
    if kind is Kind.USER and name == "active":
        said = str(node.value).lower()
        return _Told([directory.entries.c.document.contains(f'"active": {said}')]) if said in ("true", "false") else _NOTHING
    return _compared(name, node.value, kind) if isinstance(node.value, str) and "\0" not in node.value else _NOTHING


def _name(path: object) -> str:
    return str(path).rpartition(":")[2].lower()


def _compared(name: str, value: str, kind: Kind) -> _Told:
    if (kind, name) in _NAMED:
        return _Told([directory.entries.c.folded == value.casefold()])
    if name == "externalid":
        return _Told([directory.entries.c.external_id == value])
    if name == "id":
        return _Told([directory.entries.c.id == value])
    if kind is Kind.GROUP and name in ("members", "members.value"):
        return _Told([directory.has_member(value)])
    return _contained(name, value, kind)


def _contained(name: str, value: str, kind: Kind) -> _Told:
    """Where the value is a part of the attribute's, or all of it, it stands in what the database has."""
    column = directory.entries.c.folded if (kind, name) in _NAMED else directory.entries.c.document if name in _WRITTEN else None
    if column is None or not _PLAIN.fullmatch(value):
        return _NOTHING
    return _Told([func.lower(column).contains(value.lower(), autoescape=True)], all=False)


def _fitting(wanted: ScimFilter[Any], model: type[Document]) -> ScimFilter[Any]:
    """The filter for resources of ``model``: one at the server's root comes unbound."""
    return wanted if wanted.models else ScimFilter[model](str(wanted))  # type: ignore[valid-type]


def _sort_key(search_request: SearchRequest[Any], resource: Document) -> tuple[bool, Any, str]:
    value = search_request.sort_value(resource)
    return value is None, value if value is not None else "", resource.id or ""
