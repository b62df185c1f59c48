"""The subjects that scenarios share."""

from bench.rounds import Subject

KGATE = Subject("kgate", "h2", "h2")
KGATE_H2_H1 = Subject("kgate", "h2", "h1")
KGATE_H1 = Subject("kgate", "h1", "h1")
ENVOY = Subject("envoy", "h2", "h1")
"""Plain Envoy at its cheapest."""
ENVOY_H2 = Subject("envoy", "h2", "h2")
ENVOY_H1 = Subject("envoy", "h1", "h1")
AUTHORIZING = Subject("envoy+authz", "h2", "h1")
AUTHORIZING_H2 = Subject("envoy+authz", "h2", "h2")
NGINX = Subject("nginx", "h2", "h1")
NGINX_H1 = Subject("nginx", "h1", "h1")
HAPROXY = Subject("haproxy", "h2", "h1")
HAPROXY_H2 = Subject("haproxy", "h2", "h2")
HAPROXY_H1 = Subject("haproxy", "h1", "h1")
