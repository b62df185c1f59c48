"""Fifty people, each an h2load of their own (it sends the same headers on all its connections, so one cannot be many people)."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bench.ground import Ground, Person

HEADERS = (
    "accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    "accept-encoding: gzip",
    "user-agent: kubectl/v1.32.4 (linux/amd64) kubernetes/59526cd",
    "kubectl-command: kubectl get",
)


class Crowd:
    """``people`` ask ``paths`` (each from another place in them on, or each only a ``share``) for ``seconds``, ``at_once`` requests each at a time.

    ``per_second``: requests of each person, spread evenly; None is as fast as they are answered.
    """

    def __init__(
        self, ground: Ground, port: int, paths: Sequence[str], seconds: float, *, http1: bool = False, people: int = 50, at_once: int = 10,
        share: bool = False, per_second: float | None = None,
    ) -> None:  # fmt: skip
        self._folder = ground.folder / "crowd"
        self._folder.mkdir(exist_ok=True)
        self._logs: list[Path] = []
        self._processes = []
        for number, person in enumerate(ground.people[:people]):
            start, end = number * len(paths) // people, (number + 1) * len(paths) // people
            asked = paths[start:end] if share else [*paths[start:], *paths[:start]]
            uris = self._folder / f"paths-{number}"
            uris.write_text("".join(f"https://127.0.0.1:{port}{path}\n" for path in asked))
            argv = self._argv(person, uris, seconds, at_once, http1=http1)
            if per_second is not None:
                argv += [f"--rps={per_second:g}", f"--log-file={self._folder}/log-{number}"]
                self._logs.append(self._folder / f"log-{number}")
                self._logs[-1].unlink(missing_ok=True)
            pinned = ["taskset", "-c", str(ground.cores.load), *argv] if ground.cores.load is not None else argv
            self._processes.append(subprocess.Popen(pinned, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))

    @staticmethod
    def _argv(person: Person, uris: Path, seconds: float, at_once: int, *, http1: bool) -> list[str]:
        headers = [*HEADERS, f"authorization: Bearer {person.token}", f"kubectl-session: {person.name}"]
        argv = ["h2load", "-c1", "-t1", f"-m{1 if http1 else at_once}", f"-D{seconds * 1000:.0f}ms", "-i", str(uris)]
        return [*argv, *(["--h1"] if http1 else []), *(word for header in headers for word in ("-H", header))]

    def wait(self) -> None:
        """Until all are done. Raises RuntimeError where a request failed, or none was answered: such a figure would mean nothing."""
        answered = 0
        for process in self._processes:
            output = process.communicate()[0].decode(errors="replace")
            status = next((line for line in output.splitlines() if line.startswith("status codes:")), "")
            counts = [int(word) for word in status.split()[2::2]]
            if not counts or any(counts[1:]):
                raise RuntimeError(f"h2load had answers other than 200: {status or output[-1500:]}")
            answered += counts[0]
        if not answered:
            raise RuntimeError("nothing was answered")

    def latencies(self) -> list[float]:
        """Milliseconds of each answer, after ``wait``; without those of the first half second, when connections are made."""
        rows = [line.split("\t") for log in self._logs if log.exists() for line in log.read_text().splitlines()]
        begin = min((int(row[0]) for row in rows), default=0) + 500_000
        return [int(row[2]) / 1000 for row in rows if int(row[0]) >= begin and row[1] == "200"]


def settle(seconds: float) -> None:
    """Let the load come up to speed."""
    os.sched_yield()
    time.sleep(seconds)
