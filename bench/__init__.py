"""What the gate costs, beside what other proxies cost: ``scripts/bench``. Never part of a test run: a figure is a measurement, not a verdict.

    load core                              proxy core                      load core
    h2load × 50 people, or bench.client ──TLS──▶ one proxy at a time ──TLS──▶ nginx, or bench.streaming

**What is counted** is the CPU time of the proxy's processes (all threads, user and system, from /proc) per request that reached the upstream in the same
window. It does not depend on how busy the machine is otherwise as wall time does, and says what a core can carry. Rounds are interleaved: each round asks
every subject once, ratios are made within a round, and the median of the rounds is printed with its spread; so what drifts, drifts for all.

**What is compared**: every proxy terminates TLS, verifies the upstream's certificate, speaks TLS to it, keeps its connections alive, runs on one thread
of one core. kgate runs as the product: 50 rules, tokens verified, strict durable audit, metrics. The others decide nothing, but for Envoy with ext_authz.

    ground      the folder, the certificates, the people and their paths, the cores     process    a server and what /proc says of it
    upstream    nginx as a cluster        streaming   a cluster that streams              peers/     each proxy's configuration
    crowd       h2load for 50 people      client      a client over kgate's own engines   scenarios/ one file each
    rounds      interleaving, ratios      report      tables and JSON                     profile    flame graphs
    instructions  what a request takes by callgrind, where times of a shared machine say too little
    disk        what one durable write takes here, with no gate around it
"""
