"""The composition root: what ``twistd -n kgate --config FILE`` runs.

options    the command line
clusters   settings → upstream connections
gateway    everything an exchange asks of the gate, in one object
outside    what the gate knows of the world: geo data, facts
running    start, reload (all or nothing), drain, stop
place      which process of the gate this is; workers  the supervisor of several
"""

from twisted.application.service import Service

from kgate.errors import KgateError
from kgate.service.options import Options, give_up
from kgate.service.running import GateService
from kgate.service.workers import Supervisor


def makeService(options: Options) -> Service:
    """Twisted's entry point: a service that is ready to start, its ports bound. Says what is in the way and ends where there is something."""
    from twisted.internet import reactor

    try:
        if options.configuration.settings.workers > 1 and not options.place.worker:
            return Supervisor.prepare(options.path, options.configuration, reactor)
        return GateService.prepare(options, reactor)
    except KgateError as error:
        give_up(error)


__all__ = ["Options", "makeService"]
