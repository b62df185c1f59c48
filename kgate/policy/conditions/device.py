"""``device: {compliant: true}``: what is known of the machine that the caller sits at. An unknown device is neither compliant nor not."""

from __future__ import annotations

from attrs import frozen

from kgate.model import Context, Ground, Identity


@frozen
class DeviceState:
    """``compliant`` as the device inventory says it."""

    compliant: bool
    ground = Ground.DEVICE

    def holds(self, identity: Identity, context: Context) -> bool | None:
        """Whether the inventory says the same; None where nothing is known of the device."""
        known = identity.device.compliant if identity.device is not None else None
        return None if known is None else known is self.compliant

    def edge(self, now: float) -> float | None:
        """Never by itself."""
        return None

    def miss(self, identity: Identity, context: Context) -> str:
        """What is known."""
        if identity.device is None:
            return "no device is known"
        if identity.device.compliant is None:
            return f"nothing is known of device {identity.device.name}"
        return self.hit(identity, context)

    def hit(self, identity: Identity, context: Context) -> str:
        """What it is."""
        if identity.device is None or identity.device.compliant is None:
            return self.miss(identity, context)
        return f"device {identity.device.name} is {'' if identity.device.compliant else 'not '}compliant"
