"""What a request does where its verb says too little: open a channel, mint a credential, copy files."""

from __future__ import annotations

import re

from kgate.kube.portforward import MOST_PORTS
from kgate.kube.refusal import Refusal
from kgate.model import Operation

_PORT = re.compile(r"[0-9]{1,9}")
CHANNELS = {"exec": Operation.EXEC, "attach": Operation.ATTACH, "portforward": Operation.PORT_FORWARD}
"""By subresource, of whatever resource and group."""


def operation_of(group: str, verb: str, resource: str, subresource: str) -> Operation | None:
    """The operation that a request to this resource is, None where its verb says it all. An exec may turn out to be a copy (``is_copy``)."""
    if verb == "proxy" or subresource == "proxy":
        return Operation.PROXY
    if subresource in CHANNELS:
        return CHANNELS[subresource]
    if group:
        return None
    if resource == "serviceaccounts" and subresource == "token":
        return Operation.TOKEN
    if resource == "pods" and subresource == "log":
        return Operation.LOGS
    if resource == "pods" and subresource == "ephemeralcontainers" and verb not in ("get", "watch"):
        return Operation.DEBUG
    return None


def ports_of(values: list[str]) -> tuple[int, ...] | Refusal:
    """``Convert_Slice_string_To_Slice_int32``: repeated, or joined by commas; each an unsigned 16-bit number.

    The API server reads ``ports``; ``port`` is the kubelet's word for the same, so it counts too.
    """
    listed = ",".join(values).split(",") if values else []
    if len(listed) > MOST_PORTS:
        return Refusal(400, f"a port-forward has at most {MOST_PORTS} ports: begin another for more")
    ports = []
    for value in listed:
        if not _PORT.fullmatch(value) or not 0 < int(value) < 65536:
            return Refusal(400, "ports must be numbers from 1 to 65535, joined by commas")
        ports.append(int(value))
    return tuple(ports)
