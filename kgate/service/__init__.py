"""The composition root: what ``twistd -n kgate --config FILE`` runs.

options    the command line
clusters   settings → upstream connections
gateway    everything an exchange asks of the gate, in one object
outside    what the gate knows of the world: geo data, facts
running    start, reload (all or nothing), drain, stop
"""

from kgate.service.options import Options
from kgate.service.running import GateService


def makeService(options: Options) -> GateService:
    """Twisted's entry point: a service that is ready to start, its ports bound."""
    return GateService.prepare(options)


__all__ = ["Options", "makeService"]
