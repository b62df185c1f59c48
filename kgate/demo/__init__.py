"""A small Kubernetes API server of our own, to try the gate on and to test it against. It needs nothing but Python.

    connection     bytes ↔ requests: HTTP/1.1 and HTTP/2 over TLS, by the engines of kgate/wire
      access       who asks: one bearer token that may only impersonate, and a small table of rights
      api          what is asked: paths to verbs, bodies in, objects, tables and Status out
        kinds, schema, types, discovery, openapi, protobuf, tables, selectors, patches
      store        objects, one revision counter, a history for watches
      following    answers that go on: watch, logs -f
      connect      exec, attach and port-forward over WebSocket and SPDY: remote, remote_websocket, remote_spdy, forwarding
    workloads      deployments make replica sets, those make pods, pods come up, log, end
      containers   a pod's programs: their log, their files, what attaches to them
        shell, grammar, expansion, builtins, programs, commands_*, archive, console, terminal, pipes, files
    cluster        puts one together;  certificates, __main__  make it a process

Everything but ``cluster``, ``connection`` and ``__main__`` takes time from a clock that is passed in. No process of the host is started and no
file of the host is touched by what people do in a pod.
"""
