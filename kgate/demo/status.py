"""Refusals: the Kubernetes ``Status`` objects that say no, as values."""

from __future__ import annotations

from attrs import field, frozen

from kgate.demo.kinds import Kind
from kgate.demo.schema import Object


@frozen
class Refusal:
    """Why a request was not done. ``code`` is the HTTP status, ``reason`` the API's word for it."""

    code: int
    reason: str
    message: str
    details: Object = field(factory=dict)

    def status(self) -> Object:
        """The body."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }


def _details(kind: Kind, name: str) -> Object:
    return {"name": name, "kind": kind.plural} | ({"group": kind.group} if kind.group else {})


def not_found(kind: Kind, name: str) -> Refusal:
    """No object of that name."""
    return Refusal(404, "NotFound", f'{kind.qualified} "{name}" not found', _details(kind, name))


def already_exists(kind: Kind, name: str) -> Refusal:
    """The name is taken."""
    return Refusal(409, "AlreadyExists", f'{kind.qualified} "{name}" already exists', _details(kind, name))


def conflict(kind: Kind, name: str, text: str) -> Refusal:
    """Somebody else changed the object meanwhile."""
    return Refusal(409, "Conflict", f'Operation cannot be fulfilled on {kind.qualified} "{name}": {text}', _details(kind, name))


def invalid(kind: Kind, name: str, where: str, text: str) -> Refusal:
    """The object is not what its kind allows."""
    cause = {"reason": "FieldValueInvalid", "message": text, "field": where}
    return Refusal(422, "Invalid", f'{kind.kind} "{name}" is invalid: {where}: {text}', _details(kind, name) | {"causes": [cause]})


def bad_request(text: str) -> Refusal:
    """The request makes no sense."""
    return Refusal(400, "BadRequest", text)


def forbidden(text: str) -> Refusal:
    """Not allowed."""
    return Refusal(403, "Forbidden", text)


def unauthorized() -> Refusal:
    """Not known."""
    return Refusal(401, "Unauthorized", "Unauthorized")


def expired(revision: int) -> Refusal:
    """A watch or a list from a revision that is no longer kept."""
    return Refusal(410, "Expired", f"too old resource version: {revision}")


def no_such_path() -> Refusal:
    """No resource lives here."""
    return Refusal(404, "NotFound", "the server could not find the requested resource")


def wrong_method() -> Refusal:
    """The resource is not used that way."""
    return Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def unsupported(text: str) -> Refusal:
    """The body's form is not understood."""
    return Refusal(415, "UnsupportedMediaType", text)


SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def success(kind: Kind, name: str, uid: str) -> Object:
    """What a completed delete answers."""
    return SUCCESS | {"details": _details(kind, name) | {"uid": uid}}
