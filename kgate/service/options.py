"""The command line of ``twistd kgate``. What it names is read and checked here, where whoever started it still reads the terminal."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from twisted.python import usage

from kgate.errors import KgateError
from kgate.net import reactor
from kgate.net.watching import FilesRead
from kgate.service.logs import Twistd
from kgate.service.place import Place
from kgate.service.reloading import fingerprint, taken_up_at_a_start
from kgate.service.starting import NOTHING
from kgate.settings import Configuration, load_configuration

ALIKE = "KGATE_ALIKE"
"""The environment variable by which a supervisor tells its workers the fingerprint of its own settings; arguments are there for everybody to see."""


class Options(usage.Options):
    """``--config FILE``: checked whole before anything starts."""

    synopsis = "--config FILE"
    longdesc = "An identity- and context-aware access proxy for Kubernetes API servers. `kgate check FILE` only checks the configuration."
    optParameters = [  # noqa: RUF012 (Twisted's interface)
        ["config", "c", "kgate.yaml", "The configuration file; paths in it are relative to it."],
        ["worker", None, 0, "Which of several processes this is; the supervisor says so.", int],
        ["admin-socket", None, "", "Where the supervisor asks this worker for its pages."],
    ]

    configuration: Configuration
    files: FilesRead

    @property
    def path(self) -> Path:
        """The configuration file, absolute: twistd may change its directory."""
        return Path(self["config"]).absolute()

    @property
    def place(self) -> Place:
        """Which process of the gate this is."""
        return Place(self["worker"], Path(self["admin-socket"]) if self["admin-socket"] else None)

    @property
    def twistd(self) -> Twistd:
        """Its own options."""
        return self.parent or {}

    def postOptions(self) -> None:
        """Read and check everything; every mistake is printed, and then nothing starts."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it would end the process; what changes from now on is noticed once it runs
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # a supervisor blocks it for a worker until here
        self["config"] = str(self.path)
        if (problem := unsuitable(self.twistd)) is not None:
            give_up(KgateError(problem))
        self.files = FilesRead()
        try:
            self.configuration = load_configuration(self.path, time.time(), self.files.read)
        except KgateError as error:
            give_up(error)
        alike = os.environ.get(ALIKE)
        if self.place.worker and alike is not None and alike != fingerprint(self.configuration.settings):
            give_up(
                KgateError(
                    f"{self.path}: {', '.join(taken_up_at_a_start(self.configuration.settings))}: one of these is not what the other workers run by; "
                    "restart the whole gate, or change it back"
                )
            )
        if self.place.worker or self.configuration.settings.workers == 1:
            reactor.install()  # a supervisor has no sockets to be fast with


def unsuitable(twistd: Twistd) -> str | None:
    """What cannot be had of twistd's own options, and what to do instead."""
    if twistd.get("chroot") is not None:
        return "twistd's --chroot cannot be had: the files that the gate reads would be others; run it in a container"
    others = [f"--{name}" for name, own in (("uid", os.getuid()), ("gid", os.getgid())) if twistd.get(name) not in (None, own)]
    if others and os.geteuid() != 0:  # twistd finds out in the background, and whoever started it waits for ever
        return f"only root can use twistd's {' and '.join(others)}: start it as root, or as the account that it is to be (systemd: User=)"
    return None


def give_up(error: KgateError) -> NoReturn:
    """Say what is wrong and end."""
    sys.stderr.write(f"{error}\n{NOTHING}\n")
    sys.exit(error.exit_code)
