"""HTTP/1.1, both roles: the names that the rest of the gate uses."""

from kgate.wire.http1_client import ClientConnection
from kgate.wire.http1_limits import Http1Limits
from kgate.wire.http1_server import ServerConnection

__all__ = ["ClientConnection", "Http1Limits", "ServerConnection"]
