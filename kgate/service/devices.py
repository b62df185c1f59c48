"""Devices by the configuration in force: their authorities, and the inventory that is a file or somebody's API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kgate.api import devices
from kgate.api.application import Routes
from kgate.identity.devices import Devices, Inventory
from kgate.net.inventory import PolledInventory
from kgate.service.part import Part, Shared


class DeviceInventories(Part):
    """An API that stays in the configuration, and tells the same as before, keeps what it said over a reload."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._polled: PolledInventory | None = None
        self._trusted: str | None = None
        self.devices: Devices | None = None
        """What knows devices; None where none are configured."""

    def routes(self) -> Sequence[Routes]:
        """Where an inventory says that something changed."""
        return (devices.routes(self._poke),)

    def reloaded(self) -> None:
        """Another authority or inventory."""
        configuration = self._shared.configuration()
        settings, sources = configuration.settings.identity.devices, configuration.identity.devices
        if settings is None or sources is None:
            self._polled = self.devices = None
            return
        if settings.api is None:
            self._polled = None
        elif self._polled is None or self._trusted != sources.api_authority or not self._polled.ask_as(settings.api):
            self._trusted = sources.api_authority
            shared, web = self._shared, self._shared.web_for(sources.api_authority)
            self._polled = PolledInventory(shared.disk, shared.now, settings.api, web, self._changed)
        inventory = self._polled.inventory if self._polled is not None else Inventory(sources.listed)
        self.devices = Devices(sources.trust, inventory, settings.name)

    def tick(self) -> None:
        """Ask what is to be asked."""
        if self._polled is not None:
            self._polled.tick()

    def problems(self) -> Mapping[str, str]:
        """An API that does not answer."""
        words = self._polled.words() if self._polled is not None else None
        return {"device inventory": words} if words is not None else {}

    def _poke(self, digest: str) -> bool:
        """Somebody whose token has this digest (SHA-256, hexadecimal) says that something changed; False where nobody may with it."""
        if self._polled is None or self._polled.settings.push_sha256 != digest:
            return False
        self._polled.poke()
        return True

    def _changed(self, names: frozenset[str]) -> None:
        self._shared.decide_again(lambda stream: stream.identity.device is not None and stream.identity.device.name in names)
