"""nginx as the cluster: small objects, large ones, a list, over TLS with HTTP/2 and HTTP/1.1; beside it its own count of requests, and a
service that answers every authorization call of Envoy's with yes. Of TLS 1.3's suites it prefers AES-128, as an API server does (Go's crypto/tls)."""

from __future__ import annotations

import os
import sys
import urllib.request

from bench.ground import Ground
from bench.process import Server

KILOBYTES_10 = 10 * 1024
MEGABYTES_5 = 5 * 1024 * 1024

_UPSTREAM = """
{user}worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}.err crit; worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off; default_type application/json; keepalive_requests 1000000000; keepalive_timeout 1h; open_file_cache max=16;
  client_body_temp_path {folder}/{name}-tmp; proxy_temp_path {folder}/{name}-tmp; fastcgi_temp_path {folder}/{name}-tmp;
  uwsgi_temp_path {folder}/{name}-tmp; scgi_temp_path {folder}/{name}-tmp;
  ssl_certificate {folder}/tls.crt; ssl_certificate_key {folder}/tls.key; ssl_session_tickets off; ssl_protocols TLSv1.2 TLSv1.3;
  ssl_prefer_server_ciphers on; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256;
  http2_max_concurrent_streams 250;
  server {{
    listen 127.0.0.1:{h2} ssl http2; listen 127.0.0.1:{h1} ssl;
    add_header audit-id $request_id; add_header cache-control "no-cache, private";
    add_header x-kubernetes-pf-flowschema-uid 3c1a5e8f-0b4a-4093-a86a-d6bd3a1e2d11;
    add_header x-kubernetes-pf-prioritylevel-uid 8f0b4a30-93a8-46ad-86bd-3a1e2d116c3c;
    root {folder}/objects; http2_chunk_size 16k;
    location / {{ return 200 '{small}'; }}
    location ~ /configmaps/ {{ try_files /10k =404; }}
    location ~ /pods$ {{ try_files /5m =404; }}
  }}
  server {{ listen 127.0.0.1:{status}; location / {{ stub_status; }} }}
}}
"""
_AUTHORIZATION = """
{user}worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}.err crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
  client_body_temp_path {folder}/{name}-tmp; proxy_temp_path {folder}/{name}-tmp; fastcgi_temp_path {folder}/{name}-tmp;
  uwsgi_temp_path {folder}/{name}-tmp; scgi_temp_path {folder}/{name}-tmp;
  server {{ listen 127.0.0.1:{authorization}; location / {{ return 200; }} }}
}}
"""


def start_upstreams(ground: Ground) -> None:
    """Start both, and the streaming one."""
    objects = ground.folder / "objects"
    objects.mkdir(exist_ok=True)
    (objects / "10k").write_bytes(_json(KILOBYTES_10))
    (objects / "5m").write_bytes(_json(MEGABYTES_5))
    ground.servers += [
        nginx(ground, "upstream", _UPSTREAM, ground.ports.status),
        nginx(ground, "authorization", _AUTHORIZATION, ground.ports.authorization),
    ]
    ports = ground.ports
    argv = [sys.executable, "-m", "bench.streaming", str(ground.folder), str(ports.streams_h2), str(ports.streams_h1)]
    ground.servers.append(
        Server("streaming", argv, ports.streams_h1, ground.folder / "streaming.log", core=ground.cores.load, like_go=True)
    )
    for server in ground.servers:
        server.ready()


def nginx(ground: Ground, name: str, template: str, port: int) -> Server:
    """An nginx of ours on the load core."""
    ports, folder = ground.ports, ground.folder
    user = "user root; " if os.getuid() == 0 else ""  # the folder is nobody else's
    text = template.format(
        user=user,
        folder=folder,
        name=name,
        small=_json(1024).decode(),
        h2=ports.h2,
        h1=ports.h1,
        status=ports.status,
        authorization=ports.authorization,
    )
    path = folder / f"{name}.conf"
    path.write_text(text)
    return Server(name, ["nginx", "-e", f"{folder}/{name}.err", "-c", str(path)], port, folder / f"{name}.log", core=ground.cores.load)


def requests_served(ground: Ground) -> int:
    """How many requests the upstream has answered so far (its own count, this question not among them)."""
    with urllib.request.urlopen(f"http://127.0.0.1:{ground.ports.status}/", timeout=5) as answer:
        line = answer.read().decode().splitlines()[2]
    count = int(line.split()[2])
    _asked[ground.ports.status] = _asked.get(ground.ports.status, 0) + 1
    return count - _asked[ground.ports.status]


_asked: dict[int, int] = {}


def _json(size: int) -> bytes:
    """An object of exactly ``size`` bytes."""
    head, tail = b'{"kind":"Pod","data":"', b'"}'
    return head + b"abcdefgh" * ((size - len(head) - len(tail)) // 8) + b"x" * ((size - len(head) - len(tail)) % 8) + tail
