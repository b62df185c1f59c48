"""A start that fails once twistd has made the process what it is to be: in the background, or of another account, perhaps. One sentence says why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from twisted.logger import Logger

from kgate.errors import KgateError
from kgate.service.logs import Twistd, at_the_terminal

log = Logger()

NOTHING = "kgate: nothing was started; mend this and start again"


class NotStarted(SystemExit, Exception):
    """Ends the process, without a traceback. To twistd it is an exception like any other: it takes its pid file away, and whoever started a daemon waits no
    longer and reads the beginning of the sentence."""


@contextmanager
def or_not_at_all(twistd: Twistd) -> Iterator[None]:
    """A part of the start. Raises NotStarted where something is in the way, which it says on the terminal, and in the log where that is elsewhere."""
    try:
        yield
    except KgateError as error:
        if not at_the_terminal(twistd):
            log.critical("{error}; nothing was started", error=str(error))
        with suppress(OSError):  # nobody has to be there to read it
            os.write(2, f"{error}\n{NOTHING}\n".encode())  # sys.stderr is twistd's log by now
        end = NotStarted(str(error))
        end.code = error.exit_code
        raise end from error
