"""nginx as a proxy. It speaks HTTP/1.1 to upstreams, whatever the client speaks."""

from __future__ import annotations

from shutil import which

from bench.ground import Ground
from bench.process import Server, free_port

_CONFIG = """
worker_processes 1; daemon off; pid {folder}/proxy.pid; error_log {folder}/proxy.err crit; worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
  client_body_temp_path {folder}/proxy-tmp; proxy_temp_path {folder}/proxy-tmp; fastcgi_temp_path {folder}/proxy-tmp;
  uwsgi_temp_path {folder}/proxy-tmp; scgi_temp_path {folder}/proxy-tmp;
  ssl_certificate {folder}/tls.crt; ssl_certificate_key {folder}/tls.key; ssl_session_tickets off; ssl_protocols TLSv1.2 TLSv1.3;
  upstream objects {{ server 127.0.0.1:{h1}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 1h; }}
  server {{
    listen 127.0.0.1:{port} ssl http2; http2_max_concurrent_streams 128;
    location /clusters/h1/ {{
      proxy_pass https://objects; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_ssl_verify on; proxy_ssl_trusted_certificate {folder}/ca.crt; proxy_ssl_name localhost; proxy_ssl_server_name on;
    }}
  }}
}}
"""


def nginx(ground: Ground) -> Server | None:
    """One worker."""
    if which("nginx") is None:
        return None
    port, folder = free_port(), ground.folder
    path = folder / "proxy-nginx.conf"
    path.write_text(_CONFIG.format(folder=folder, port=port, h1=ground.ports.h1))
    return Server(
        "nginx", ["nginx", "-e", f"{folder}/proxy.err", "-c", str(path)], port, folder / "proxy-nginx.log", core=ground.cores.proxy
    )
