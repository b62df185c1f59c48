"""For whom a request that stands still is waiting, and for how long that may be."""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import frozen


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
