"""Answers that go on: watches and logs. Both keep a place in what they follow and write on when the client has room."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import orjson

from kgate.demo.answers import Sink
from kgate.demo.kinds import Kind
from kgate.demo.logs import Line, Log, stamped
from kgate.demo.schema import Object
from kgate.demo.selectors import Test
from kgate.demo.store import Change, Happened, Store

CHUNK = 64 * 1024
QUEUED = 5000
"""Changes that may wait for a client that does not read; then its watch ends, and it lists again."""

Shown = Callable[[Object, bool], Object]
"""An object as the client wants it; true for the first one of the watch."""


class Watch:
    """Changes of one kind in a namespace that pass a test, from the history and then as they happen.

    An object that begins to pass is ADDED, one that ceases to is DELETED (as the API server does for selectors).
    """

    def __init__(
        self, store: Store, kind: Kind, namespace: str, test: Test, past: list[Change], shown: Shown, clock: Any, seconds: float | None
    ) -> None:
        self._store, self._kind, self._namespace, self._test, self._shown = store, kind, namespace, test, shown
        self._queue: deque[bytes] = deque()
        self._first = True
        self._past = past
        self._clock, self._seconds = clock, seconds
        self._timer: Any = None
        self._sink: Sink | None = None
        self._stop_listening: Callable[[], None] = lambda: None

    def initial(self, things: list[Object], revision: str | None) -> None:
        """Begin with objects as they are; ``revision``: and say by a bookmark that this was all (KEP-3157)."""
        for thing in things:
            self._say("ADDED", thing)
        if revision is not None:
            mark = {"resourceVersion": revision, "creationTimestamp": None, "annotations": {"k8s.io/initial-events-end": "true"}}
            bookmark = {"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": mark}
            self._queue.append(orjson.dumps({"type": "BOOKMARK", "object": bookmark}) + b"\n")

    def start(self, sink: Sink) -> None:
        """See Source."""
        self._sink = sink
        for change in self._past:
            self._changed(change)
        self._stop_listening = self._store.listen(self._changed)
        if self._seconds is not None:
            self._timer = self._clock.callLater(self._seconds, self._end)
        self.resume()

    def _changed(self, change: Change) -> None:
        if change.kind is not self._kind or (self._namespace and change.thing["metadata"].get("namespace") != self._namespace):
            return
        was = change.before is not None and self._test(change.before)
        now = change.happened is not Happened.DELETED and self._test(change.thing)
        if was or now:
            self._say("DELETED" if not now else "MODIFIED" if was else "ADDED", change.thing)
        if len(self._queue) > QUEUED:
            self._end()
        else:
            self.resume()

    def _say(self, kind: str, thing: Object) -> None:
        self._queue.append(orjson.dumps({"type": kind, "object": self._shown(thing, self._first)}) + b"\n")
        self._first = False

    def resume(self) -> None:
        """See Source."""
        while self._sink is not None and self._queue and not self._sink.congested:
            self._sink.write(self._queue.popleft())

    def _end(self) -> None:
        sink, self._sink = self._sink, None
        self.stop()
        if sink is not None:
            sink.end()

    def stop(self) -> None:
        """See Source."""
        self._sink = None
        self._stop_listening()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


class LogFlow:
    """A log from line ``start`` on; ``follow``: and on, until the container's end. ``most`` bytes at most."""

    def __init__(self, log: Log, start: int, *, follow: bool, timestamps: bool, most: int | None) -> None:
        self._log, self._at, self._follow = log, start, follow
        self._timestamps, self._left = timestamps, most
        self._end = log.end
        self._sink: Sink | None = None
        self._stop_listening: Callable[[], None] = lambda: None

    def start(self, sink: Sink) -> None:
        """See Source."""
        self._sink = sink
        if self._follow:
            self._stop_listening = self._log.listen(self.resume)
        self.resume()

    def resume(self) -> None:
        """See Source."""
        while self._sink is not None and not self._sink.congested:
            lines, following = self._log.read(self._at, CHUNK)
            if not self._follow:
                lines = lines[: max(self._end - self._at, 0)]
            self._at = following
            if lines:
                self._write(self._sink, lines)
            elif not self._follow or self._log.ended:
                self._finish()
            else:
                return

    def _write(self, sink: Sink, lines: list[Line]) -> None:
        data = b"".join(map(stamped, lines) if self._timestamps else [line.text for line in lines])
        if self._left is not None:
            data, self._left = data[: self._left], self._left - len(data[: self._left])
        if data:
            sink.write(data)
        if self._left == 0:
            self._finish()

    def _finish(self) -> None:
        sink, self._sink = self._sink, None
        self._stop_listening()
        if sink is not None:
            sink.end()

    def stop(self) -> None:
        """See Source."""
        self._sink = None
        self._stop_listening()
