"""A demo cluster as a process: ``python -m kgate.demo --name kgate-dev --port 0 --directory DIR``.

It writes ``DIR/NAME.kubeconfig`` and then prints one line, ``NAME PORT``. SIGTERM and SIGINT end it.
"""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import Any

import click
from twisted.internet import reactor as the_reactor
from twisted.logger import FilteringLogObserver, LogLevel, LogLevelFilterPredicate, globalLogBeginner, textFileLogObserver

from kgate.demo.cluster import DemoCluster
from kgate.errors import KgateError


@click.command()
@click.option("--name", default="kgate-dev", show_default=True, help="The cluster's name.")
@click.option("--port", default=0, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option("--directory", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Where the kubeconfig goes.")
@click.option("--token", default="", help="The gate's bearer token; a fresh one by default.")
@click.option("--samples/--no-samples", default=True, help="Whether it has workloads to look at.")
@click.option("--generous", is_flag=True, help="Let the gate's own user do everything, which it should not be able to.")
def main(name: str, port: int, directory: Path, token: str, samples: bool, generous: bool) -> None:
    """Run one demo cluster until it is told to stop."""
    reactor: Any = the_reactor  # zope.interface's types are not known to the type checker
    warnings: Any = LogLevelFilterPredicate(LogLevel.warn)
    to_stderr: Any = textFileLogObserver(sys.stderr)
    observer: Any = FilteringLogObserver(to_stderr, [warnings])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    cluster = DemoCluster(name, reactor, token or secrets.token_urlsafe(32), time.time, samples=samples)
    cluster.world.generous = generous
    try:
        listening = cluster.listen(port)
    except KgateError as error:
        raise click.ClickException(str(error)) from error
    directory.mkdir(parents=True, exist_ok=True)
    cluster.write_kubeconfig(directory / f"{name}.kubeconfig", listening)
    print(name, listening, flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", cluster.stop)
    reactor.run()


if __name__ == "__main__":
    main()
