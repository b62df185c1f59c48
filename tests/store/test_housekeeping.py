"""What is over is forgotten now and then, whoever left it."""

from __future__ import annotations

import os
import time

from reactors import dispose, make_reactor, turn_until
from sqlalchemy import Engine, func, select

from kgate.net.database import Database
from kgate.net.signed_in import HOUSEKEEPING_SECONDS, SignedIn
from kgate.store.sealing import Sealer
from kgate.store.signins import SignIn, begin_signin, signins

NOW = 1_800_000_000.0


def test_sign_ins_that_nobody_finishes_are_forgotten(engine: Engine) -> None:
    """Anybody can begin them, as many as they like, and need not come back."""
    with engine.begin() as connection:
        for number in range(20):
            expires = NOW + (600 if number == 0 else -1)
            begin_signin(connection, SignIn(f"state-{number}", "browser", "https://idp.example", "nonce", "verifier", expires))
    reactor, instant = make_reactor(), [0.0]
    database = Database(reactor, engine, time.monotonic, lambda work: work)
    signed_in = SignedIn(database, Sealer([os.urandom(32)]), lambda: instant[0], lambda: NOW, lambda ids: None, dict, lambda: 3600.0)

    def left() -> int:
        with engine.begin() as connection:
            return int(connection.execute(select(func.count()).select_from(signins)).scalar_one())

    database.start()
    try:
        instant[0] = HOUSEKEEPING_SECONDS
        signed_in.tick()
        turn_until(reactor, lambda: left() == 1)
    finally:
        database.stop()
        dispose(reactor)
