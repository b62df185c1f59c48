"""Durable state that several gates share: sessions, secrets of theirs, what others add; and the feed that tells each gate what changed.

    engine       one URL → a SQLAlchemy engine: SQLite (WAL) on one machine, PostgreSQL for a fleet
    metadata     where every module registers its tables
    migrate      brings a database to the tables of this release, at start; upgrade: by Alembic, where there is something to do
    changes      the change feed: what was written, in the order in which it became visible;  commits  whether there is something new
    sealing      secrets at rest: hashed where the gate only has to recognise them, encrypted where it must use them
    people       somebody as an identity provider described them
    sessions     who is signed in; refresh secrets of theirs, rotated on use
    signins      sign-ins under way at an identity provider
    codes        what a client redeems for a session: authorization codes and device codes
    keys         what the gate signs its tokens with
    directory    people and groups that the company's directory pushed; scim: the same as a SCIM storage
    notices      what issuers told between two tokens
    facts        signed messages that told facts
    requests     access requests, their approvals and the grants that come of them
    robots       when a static token was last used

Each module owns the tables of one purpose: it defines them, and gives functions from a ``Connection`` (an open transaction) and values to values.
Nothing here waits, threads or reads a clock; ``kgate.net.database`` runs these functions in threads. A function that changes what other gates hold in memory
publishes that in the same transaction, so that nobody can see the one without the other.

To add tables: a module like ``robots``, listed in ``migrate.MODULES``, and a file in ``migrations/versions``; tests/store/test_migrations.py holds the two
against each other.
"""
