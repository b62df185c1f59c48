"""Bytes ↔ events, sans-IO: HTTP/1.1, HTTP/2 and HPACK, WebSocket, SPDY/3.1, the PROXY protocol. Knows no Kubernetes, no sockets, no clock.

Strict: where two readers could understand a peer's bytes differently, they are refused. A peer's mistake is a value, never an exception.
"""
