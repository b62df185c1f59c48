"""A soak: a real gate under everything that comes to one, for an hour, watched from outside. ``scripts/soak`` runs it.

    what_runs      the gate (two workers, PostgreSQL where it is installed), two demo clusters, an issuer, a transmitter, a company with its sign-in page
    ledger         what was sent, each request by a user agent of its own, and how each came out
    carrying       requests, watches, logs, exec, port-forwards, broken clients
    changing       policies, clusters, tokens, locks, notices, grants, the directory, sign-ins
    sampling       each minute: memory, descriptors, threads, rows of the store, bytes of the audit, series of the metrics
    verdict        afterwards: does the chain hold, has every stream its end, is everything on record that was sent

``inside/sitecustomize.py`` is in the gate's own processes: it counts objects on SIGUSR2, and has the day change in the middle of the soak.
"""
