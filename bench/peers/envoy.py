"""Envoy, plain and with an HTTP ext_authz call for each request (the authorization service runs on the load core and is not counted)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from shutil import which

from bench.ground import Ground
from bench.process import Server, free_port

Document = dict[str, object]
_TYPE = "type.googleapis.com/envoy.extensions."


def envoy(ground: Ground) -> Server | None:
    """One worker."""
    return _envoy(ground, "envoy", [])


def envoy_authorizing(ground: Ground) -> Server | None:
    """One worker, which asks before each request."""
    service = {
        "server_uri": {"uri": f"http://127.0.0.1:{ground.ports.authorization}", "cluster": "authorization", "timeout": "2s"},
        "authorization_request": {"allowed_headers": {"patterns": [{"exact": "authorization"}]}},
    }
    return _envoy(ground, "envoy-authz", [_filter("ext_authz", "filters.http.ext_authz.v3.ExtAuthz", http_service=service)])


def _envoy(ground: Ground, name: str, filters: list[Document]) -> Server | None:
    program = which("envoy", path=str(Path(sys.executable).parent)) or which("envoy")
    if program is None:
        return None
    port, ports = free_port(), ground.ports
    clusters = [
        _tls_cluster(ground, "h2", ports.h2, "http2_protocol_options"),
        _tls_cluster(ground, "h1", ports.h1, "http_protocol_options"),
        _tls_cluster(ground, "streams-h2", ports.streams_h2, "http2_protocol_options"),
        _tls_cluster(ground, "streams-h1", ports.streams_h1, "http_protocol_options"),
        _cluster("authorization", ports.authorization),
    ]
    document = {"static_resources": {"listeners": [_listener(ground, port, filters)], "clusters": clusters}}
    path = ground.folder / f"{name}.json"
    path.write_text(json.dumps(document))
    argv = [program, "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
    return Server(name, argv, port, ground.folder / f"{name}.log", core=ground.cores.proxy)


def _filter(name: str, kind: str, **config: object) -> Document:
    return {"name": name, "typed_config": {"@type": _TYPE + kind, **config}}


def _listener(ground: Ground, port: int, filters: list[Document]) -> Document:
    names = ("h2", "h1", "streams-h2", "streams-h1")
    routes = [{"match": {"prefix": f"/clusters/{name}/"}, "route": {"cluster": name, "timeout": "0s"}} for name in names]
    http = _filter(
        "http",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="in",
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        http_filters=[*filters, _filter("router", "filters.http.router.v3.Router")],
        upgrade_configs=[{"upgrade_type": "websocket"}],
        stream_idle_timeout="0s",
    )
    certificate = {"certificate_chain": _file(ground, "tls.crt"), "private_key": _file(ground, "tls.key")}
    tls = {"tls_certificates": [certificate], "alpn_protocols": ["h2", "http/1.1"]}
    secure = _filter(
        "tls", "transport_sockets.tls.v3.DownstreamTlsContext", common_tls_context=tls, disable_stateless_session_resumption=True
    )
    return {"address": _address(port), "filter_chains": [{"filters": [http], "transport_socket": secure}]}


def _file(ground: Ground, name: str) -> Document:
    return {"filename": str(ground.folder / name)}


def _address(port: int) -> Document:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, port: int) -> Document:
    endpoint = {"endpoint": {"address": _address(port)}}
    limits = {"thresholds": [{"max_connections": 10000, "max_pending_requests": 10000, "max_requests": 10000}]}
    return {
        "name": name,
        "type": "STATIC",
        "circuit_breakers": limits,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _tls_cluster(ground: Ground, name: str, port: int, protocol: str) -> Document:
    tls = {
        "validation_context": {"trusted_ca": _file(ground, "ca.crt")},
        "alpn_protocols": ["h2" if protocol.startswith("http2") else "http/1.1"],
    }
    options = {"@type": _TYPE + "upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {protocol: {}}}
    return {
        **_cluster(name, port),
        "transport_socket": _filter("tls", "transport_sockets.tls.v3.UpstreamTlsContext", common_tls_context=tls, sni="localhost"),
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }
