"""The composition root: what ``twistd -n kgate --config FILE`` runs.

running      start, reload (all or nothing), drain, stop
gateway      everything an exchange asks of the gate, in one object
part         one capability put together: its pages, its sources of identities, its ticks, its problems
directory, notices, signing_in, robots, judging      the parts
authorizing  the authorizers of the configuration
outside      what the gate knows of the world: geo data, facts
upstreams    the connections to clusters; clusters  settings → how to reach them; providers  people's identity providers
watching     the files whose change is a reload
place        which process of the gate this is; workers  the supervisor of several
options      the command line
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
