"""Devices by the configuration in force: their authorities, and the inventory that is a file or somebody's API."""

from __future__ import annotations

from collections.abc import Callable

from kgate.identity.devices import Devices, Inventory
from kgate.net.inventory import Changed, PolledInventory
from kgate.net.web import Web
from kgate.settings import Configuration


class DeviceInventories:
    """An API that stays in the configuration keeps what it said over a reload."""

    def __init__(self, now: Callable[[], float], web_for: Callable[[str | None], Web], changed: Changed) -> None:
        self._now, self._web_for, self._changed = now, web_for, changed
        self._polled: PolledInventory | None = None

    def devices(self, configuration: Configuration) -> Devices | None:
        """What knows devices; None where none are configured."""
        settings, sources = configuration.settings.identity.devices, configuration.devices
        if settings is None or sources is None:
            self._polled = None
            return None
        if settings.api is None:
            self._polled = None
            return Devices(sources.trust, Inventory(sources.listed), settings.name)
        if self._polled is None or self._polled.settings != settings.api:
            self._polled = PolledInventory(self._now, settings.api, self._web_for(sources.api_authority), self._changed)
        return Devices(sources.trust, self._polled.inventory, settings.name)

    def tick(self) -> None:
        """Ask what is to be asked."""
        if self._polled is not None:
            self._polled.tick()

    def poke(self, digest: str) -> bool:
        """Somebody whose token has this digest (SHA-256, hexadecimal) says that something changed; False where nobody may with it."""
        if self._polled is None or self._polled.settings.push_sha256 != digest:
            return False
        self._polled.poke()
        return True

    def problems(self) -> dict[str, str]:
        """For /readyz."""
        words = self._polled.words() if self._polled is not None else None
        return {"device inventory": words} if words is not None else {}
