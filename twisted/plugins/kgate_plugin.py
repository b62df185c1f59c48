"""Makes ``twistd -n kgate --config FILE`` work."""

from twisted.application.service import ServiceMaker

kgate = ServiceMaker(
    "kgate",
    "kgate.service",
    "Identity- and context-aware access proxy for Kubernetes API servers",
    "kgate",
)
