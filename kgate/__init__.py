"""kgate: an identity- and context-aware access proxy for Kubernetes API servers.

    kubectl ──TLS──▶ net/listener ─▶ wire/ ─▶ exchange/ ─▶ wire/ ─▶ net/upstream ──TLS──▶ API server
                                               │  ▲
                          identity/  who asks ◀┤  │ cut(cause)
                          kube/    what for   ◀┤  │
                          policy/  may they   ◀┤  │
                          audit/   on record  ◀┤  │
                          sessions/ it lives  ◀┘──┘◀── a change: policy, grant, logout, expiry, time, posture

One request is an ``Exchange``. It is admitted (who, what, may they) without waiting for anything, registered as live in the same breath, put on
record, and only then carried upstream under an impersonated name. After a 101 it becomes a ``Tunnel``. Whatever changes a decision arrives at
``sessions``, which asks the very same function again and cuts what is no longer allowed, saying why in the client's own protocol.

    model, errors     the vocabulary;  memory  what is remembered, within bounds
    documents/        files that people write → typed values;  expressions/  CEL in them;  metrics  what is counted
    wire/             bytes ↔ events: HTTP/1.1, HTTP/2, WebSocket, SPDY. No Kubernetes, no Twisted
    kube/             Kubernetes' own rules: what a request means, what goes upstream, what kubectl prints
    identity/         who is asking
    policy/           documents → rules → decisions with reasons
    audit/            records and their hash chain
    surroundings/     where and when somebody asks, and what else holds: geo data, facts
    authorizers/      the pluggable question "may they?"
    exchange/         one request from head to end, and the tunnel it may become
    sessions/         what is live, under which decision; re-evaluation and cutting
    store/            what gates share: who is signed in, grants, the company's directory
    settings/         the configuration file and all that it names → what a gate is made of
    inspection/       what a cluster is like to the gate
    review/           decisions on record, explained and asked again by another policy
    net/              the only place with a reactor, sockets, TLS, files
    api/              what the gate answers itself: signing in, requests, the directory's pushes, health
    service/          wires everything together;  cli/ the command;  demo/ a cluster to try it on

Imports point from the bottom of this list to its top, never back; tests/test_imports.py holds that.
"""

__version__ = "0.1.0"
