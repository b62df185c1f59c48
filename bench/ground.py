"""What all measurements of one run share: a folder, certificates, people with tokens, the paths they ask for, and the cores."""

from __future__ import annotations

import hashlib
import os
import random
import ssl
import time
from pathlib import Path

from attrs import Factory, define, frozen

from bench.process import Server, free_port
from kgate.demo.certificates import Authority

PEOPLE = 50
PATHS = 2_000
FRESH = 100_000
"""Paths of the scenario in which hardly any comes twice."""
NAMESPACES = 20


@frozen
class Person:
    """Somebody with a token, in a group that has a rule of its own (the last two share one)."""

    name: str
    group: str
    token: str

    @property
    def digest(self) -> str:
        """What the gate knows of the token."""
        return hashlib.sha256(self.token.encode()).hexdigest()


@frozen
class Cores:
    """One for the proxy and one for load and upstream; None where the machine has only one."""

    proxy: int | None
    load: int | None

    @classmethod
    def choose(cls) -> Cores:
        """The first two that this process may use."""
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[0], usable[1]) if len(usable) > 1 else cls(None, None)


@define
class Ports:
    """Of the upstreams. ``h2`` speaks both protocols, ``h1`` only HTTP/1.1; ``streams_*`` are the ones that stream; the rest is clear text."""

    h2: int = Factory(free_port)
    h1: int = Factory(free_port)
    streams_h2: int = Factory(free_port)
    streams_h1: int = Factory(free_port)
    status: int = Factory(free_port)
    authorization: int = Factory(free_port)


@define
class Ground:
    """See the module. ``servers`` are the upstreams."""

    folder: Path
    cores: Cores
    people: tuple[Person, ...]
    ports: Ports = Factory(Ports)
    servers: list[Server] = Factory(list)

    @classmethod
    def prepare(cls, folder: Path) -> Ground:
        """Write the certificates and make up the people."""
        folder.mkdir(parents=True, exist_ok=True)
        authority = Authority("kgate bench", time.time())
        pair = authority.server()
        (folder / "ca.crt").write_bytes(authority.certificate)
        for name, data in (("tls.crt", pair.certificate), ("tls.key", pair.key), ("tls.pem", pair.certificate + pair.key)):
            (folder / name).touch(0o600)
            (folder / name).write_bytes(data)
        source = random.Random(4)
        people = tuple(
            Person(f"person-{number}", f"group-{min(number, PEOPLE - 2)}", f"{source.getrandbits(256):064x}") for number in range(PEOPLE)
        )
        return cls(folder, Cores.choose(), people)

    def context(self, *protocols: str) -> ssl.SSLContext:
        """A client's TLS context that trusts the bench's authority."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        context.check_hostname = False
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    def stop(self) -> None:
        """End the upstreams."""
        for server in self.servers:
            server.stop()


def object_path(cluster: str, resource: str, number: int) -> str:
    """The path of one object; ``cluster`` names the upstream (see ``peers``)."""
    return f"/clusters/{cluster}/api/v1/namespaces/team-{number % NAMESPACES}/{resource}/web-{number}"


def list_path(cluster: str, namespace: int) -> str:
    """The path of a list of 5 MB; ``cluster`` as with ``object_path``."""
    return f"/clusters/{cluster}/api/v1/namespaces/team-{namespace}/pods"


def object_paths(cluster: str, resource: str, count: int = PATHS) -> list[str]:
    """As many different ones, shuffled, the same in each run."""
    paths = [object_path(cluster, resource, number) for number in range(count)]
    random.Random(count).shuffle(paths)
    return paths
