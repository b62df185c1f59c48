"""For whom a request that stands still is waiting, and for how long that may be."""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import frozen

from kgate.model import Action, Operation


class Wait(Enum):
    """Who is to go on, with what."""

    BODY = "the client, with the request's body"
    INTAKE = "the cluster, with taking the request's body: until then its client may not send"
    REST = "the cluster, with its answer"
    READER = "the client, with reading the answer"


BODY: Final = Wait.BODY
INTAKE: Final = Wait.INTAKE
REST: Final = Wait.REST
READER: Final = Wait.READER


@frozen
class Patience:
    """How long an exchange waits for whoever is to go on. Seconds."""

    answer: float = 75.0
    """From the end of a request to the head of the cluster's answer, and how long the cluster may stand still."""
    body: float = 30.0
    """A request's body may stand still so long before the request is given up (class 16)."""
    reader: float = 120.0
    """A client that takes nothing of a unary answer for so long holds memory and a stream of the cluster's connection for nothing (class 16)."""

    def of(self, wait: Wait) -> float:
        """How long a request may stand still for it."""
        return self.body if wait is BODY else self.reader if wait is READER else self.answer


_LOGS: Final = Operation.LOGS
_PROXY: Final = Operation.PROXY
_PROFILES: Final = "/debug/pprof/"


def unhurried(action: Action) -> bool:
    """Whether the API server itself has no deadline for the answer: of logs that are followed, of what is proxied, of its own profiles."""
    operation = action.operation
    return (action.follows and (operation is _LOGS or operation is _PROXY)) or (not action.resource and action.path.startswith(_PROFILES))


def gives_all_at_once(action: Action) -> bool:
    """Whether the answer, once begun, should be done with: the API server gives each of these a minute in all."""
    return not (action.follows or action.operation is _LOGS or unhurried(action))
