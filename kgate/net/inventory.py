"""The device inventory of somebody's API: asked every so often, and at once when it says that something changed.

What it pushes is only that: *ask again*. So a forged or lost push can do no more than cost a request, and every gate of a fleet has the same truth. While
it does not answer, what is known holds for a stated time; after that nothing is known of any device, and the unknown never allows.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from kgate.identity.devices import Inventory, InventoryMapping, read_inventory
from kgate.identity.jose import Flaw
from kgate.net.disk import Disk, NeededFile
from kgate.net.web import Unreachable, Web
from kgate.settings.credentials import InventoryApi

log = Logger()

MAX_BYTES = 64 * 1024 * 1024
SECONDS = 30.0
PACE = 1.0
"""Seconds between two questions, however often something changes."""

Changed = Callable[[frozenset[str]], None]
"""Told the names of devices of which something else is known than before, in a turn of its own."""


class PolledInventory:
    """See the module. ``now`` is monotonic; answers are read beside the reactor."""

    def __init__(self, disk: Disk, now: Callable[[], float], settings: InventoryApi, web: Web, changed: Changed) -> None:
        self._disk, self._now, self._settings, self._web, self._changed = disk, now, settings, web, changed
        self._beside = disk.beside("inventory")
        self._token_file = _file(disk, settings)
        self.inventory = Inventory()
        self.problem = ""
        self._asked = float("-inf")
        self._known = float("-inf")
        self._wanted = True
        self._busy = False

    @property
    def settings(self) -> InventoryApi:
        """What it was made from."""
        return self._settings

    def ask_as(self, settings: InventoryApi) -> bool:
        """Be asked as these say from now on, if it tells the same by them as before: then what is known holds on. False where it would not."""
        how = {"token_file": settings.token_file, "every": settings.every, "keep": settings.keep, "push_sha256": settings.push_sha256}
        if evolve(self._settings, **how) != settings:  # type: ignore[arg-type]
            return False
        self._settings, self._token_file = settings, _file(self._disk, settings)
        return True

    def poke(self) -> None:
        """Something changed there."""
        self._wanted = True

    def tick(self) -> None:
        """Ask where it is time to; forget what is too old."""
        now = self._now()
        if now - self._known > self._settings.keep and len(self.inventory):
            self._changed(self.inventory.replace({}))
        waited = now - self._asked
        if not self._busy and (waited >= self._settings.every or (self._wanted and waited >= PACE)):
            self._busy, self._wanted, self._asked = True, False, now
            done = Deferred.fromCoroutine(self._ask())
            done.addErrback(lambda failure: log.failure("asking the device inventory failed", failure))
            done.addCallback(lambda _: self._through())

    def words(self) -> str | None:
        """For /readyz."""
        if not self.problem:
            return None
        left = self._settings.keep - (self._now() - self._known)
        return f"{self.problem}; " + (
            f"what is known holds for {int(left // 60)} min more" if left > 0 else "nothing is known of any device"
        )

    def _through(self) -> None:
        self._busy = False

    async def _ask(self) -> None:
        try:
            token = (await self._token_file.read()).decode().strip() if self._token_file is not None else ""
        except OSError as error:
            self._failed(f"its token file cannot be read: {error.strerror}")
            return
        headers = [("accept", "application/json"), *([("authorization", f"Bearer {token}")] if token else [])]
        reply = await self._web.ask("GET", self._settings.url, headers, limit=MAX_BYTES, seconds=SECONDS)
        if isinstance(reply, Unreachable):
            self._failed(f"it {reply.text}")
            return
        if reply.status != 200:
            self._failed(f"it answered {reply.status}")
            return
        settings, body = self._settings, reply.body
        mapping = InventoryMapping(settings.items, settings.name, settings.compliant, settings.posture)
        # A tenth of a millisecond for each device: in a thread, for the gate has others to serve and to cut.
        found = await self._beside.do(lambda: read_inventory(body, mapping))
        if isinstance(found, Flaw):
            self._failed(f"its answer {found.text}")
            return
        self.problem, self._known = "", self._now()
        changed = self.inventory.replace(found)
        if changed:
            self._changed(changed)

    def _failed(self, problem: str) -> None:
        if problem != self.problem:
            log.warn("the device inventory {url}: {problem}", url=self._settings.url, problem=problem)
        self.problem = problem


def _file(disk: Disk, settings: InventoryApi) -> NeededFile | None:
    return disk.file(settings.token_file) if settings.token_file is not None else None
