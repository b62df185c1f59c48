"""A request as the API reads it: path to kind, namespace, name and subresource; method to verb; query; body to object."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

import orjson
import yaml
from attrs import frozen

from kgate.demo.access import Headers, User
from kgate.demo.kinds import BY_PATH, Kind
from kgate.demo.protobuf import MAGIC, ProtobufInvalid, decode
from kgate.demo.schema import Object
from kgate.demo.status import Refusal, bad_request, unsupported

_METHODS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}


@frozen
class Request:
    """``path`` is decoded; ``query`` keeps order and repetitions; ``upgrade`` is the lower-case Upgrade header or empty."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Headers
    body: bytes
    upgrade: str = ""

    def header(self, name: str) -> str:
        """All values of a header, joined as RFC 9110 has it."""
        return ", ".join(value for header, value in self.headers if header == name)

    def first(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), default)

    def every(self, name: str) -> list[str]:
        """All values of a query parameter."""
        return [value for key, value in self.query if key == name]

    def flag(self, name: str) -> bool:
        """A boolean query parameter as the API server reads it: absent, ``0`` and ``false`` are false, all else is true."""
        return any(key == name for key, _ in self.query) and self.first(name).lower() not in ("0", "false")

    def number(self, name: str) -> int | None:
        """A whole number of the query, or None."""
        text = self.first(name)
        return int(text) if text.isdigit() else None


def read_target(target: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Path and query of a raw request target."""
    path, _, query = target.partition("?")
    return unquote(path), tuple(parse_qsl(query, keep_blank_values=True))


@frozen
class Route:
    """What a path names. ``name`` and ``subresource`` may be empty."""

    kind: Kind
    namespace: str
    name: str
    subresource: str

    @property
    def resource(self) -> str:
        """``pods/log``, as rights say it."""
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural


def route(path: str) -> Route | None:
    """What ``path`` names, or None where it is no served resource."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    kind = BY_PATH.get((group, version, rest[0]))
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        return None
    name, subresource = rest[1] if len(rest) > 1 else "", rest[2] if len(rest) > 2 else ""
    if (name and kind.namespaced and not namespace) or (subresource and kind.subresource(subresource) is None):
        return None
    return Route(kind, namespace, name, subresource)


def verb(request: Request, found: Route) -> str:
    """The API's verb: ``get``, ``list``, ``watch``, ``create`` … or empty where the method has none."""
    simple = _METHODS.get(request.method, "")
    if simple == "get" and not found.name:
        return "watch" if request.flag("watch") else "list"
    return "deletecollection" if simple == "delete" and not found.name else simple


def body_object(request: Request) -> Object | Refusal:
    """The object in the body, empty where there is none."""
    if not request.body:
        return {}
    form = request.header("content-type").split(";")[0].strip()
    if form == "application/vnd.kubernetes.protobuf" or request.body.startswith(MAGIC):
        try:
            return decode(request.body)
        except (ProtobufInvalid, UnicodeDecodeError) as error:
            return bad_request(f"the body is not readable as protobuf: {error}")
    if form and form not in ("application/json", "application/yaml", "application/x-www-form-urlencoded") and "patch" not in form:
        return unsupported(f"the body's content type {form} is not supported; use application/json")
    value = body_value(request.body)
    return value if isinstance(value, dict) else bad_request("the body is not a JSON or YAML object")


def body_value(body: bytes) -> object:
    """JSON, or YAML; None where it is neither."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        loaded: object = yaml.safe_load(body)
    except (yaml.YAMLError, UnicodeDecodeError):
        return None
    return loaded


@frozen
class Asked:
    """A request that is known to be of somebody who may."""

    request: Request
    user: User
    route: Route
    verb: str
