"""HAProxy."""

from __future__ import annotations

from shutil import which

from bench.ground import Ground
from bench.process import Server, free_port

_CONFIG = """
global
  nbthread 1
  maxconn 8192
  ssl-server-verify required
defaults
  mode http
  timeout client 1h
  timeout server 1h
  timeout connect 5s
  http-reuse always
  option http-keep-alive
frontend clients
  bind 127.0.0.1:{port} ssl crt {folder}/tls.pem alpn h2,http/1.1
  use_backend h2 if {{ path_beg /clusters/h2/ }}
  default_backend h1
backend h2
  server upstream 127.0.0.1:{h2} ssl ca-file {folder}/ca.crt verify required sni str(localhost) alpn h2
backend h1
  server upstream 127.0.0.1:{h1} ssl ca-file {folder}/ca.crt verify required sni str(localhost) alpn http/1.1
"""


def haproxy(ground: Ground) -> Server | None:
    """One thread."""
    if which("haproxy") is None:
        return None
    port, folder = free_port(), ground.folder
    path = folder / "haproxy.cfg"
    path.write_text(_CONFIG.format(folder=folder, port=port, h1=ground.ports.h1, h2=ground.ports.h2))
    return Server("haproxy", ["haproxy", "-db", "-f", str(path)], port, folder / "haproxy.log", core=ground.cores.proxy)
