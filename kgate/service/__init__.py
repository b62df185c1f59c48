"""The composition root: what ``twistd -n kgate --config FILE`` runs.

running      the parts in their order: start, take over a configuration, drain, stop
part         one capability put together: its pages, its sources of identities, its ticks, its problems; and what parts share
gateway      everything an exchange asks of the gate, in one object

The parts, each in a module of its own. A new capability is one more, named in running:

listeners    the public addresses
upstreams    the connections to clusters
outside      what the gate knows of the world: geo data, facts
authorizing  the authorizers of the configuration
token_issuers, judging      issuers whose tokens say who somebody is, and whom to ask about those that do not
signing_in   sessions of the gate's own; providers  people's identity providers; login_records
directory, notices, devices, robots      what else is known of people and programs
granting     access on request
taping       recordings of exec and attach
reloading    another configuration, all of it or nothing; quiet  reading it beside the traffic

records      the gate's own events, and the journal;  recorder  what of each request goes there
place        which process of the gate this is; workers  the supervisor of several
options      the command line; logs  where it logs to; starting  a start that fails; signals  the second that says to stop
"""

import gc

from twisted.application.service import Service

# The collector would walk over modules and classes a dozen times while they are made, a sixth of a start, to find 2 MB: they stay, where it does not look.
gc.disable()
from kgate.errors import KgateError  # noqa: E402
from kgate.service.options import Options, give_up  # noqa: E402
from kgate.service.running import GateService  # noqa: E402
from kgate.service.workers import Supervisor  # noqa: E402

gc.freeze()
gc.enable()


def makeService(options: Options) -> Service:
    """Twisted's entry point: a service that is ready to start. It is nothing but values: threads, files, locks and ports are begun when it starts, for until
    then twistd may go into the background. Says what is in the way and ends where there is something."""
    from twisted.internet import reactor

    try:
        if options.configuration.settings.workers > 1 and not options.place.worker:
            return Supervisor(options, reactor)
        return GateService(options, reactor)
    except KgateError as error:
        give_up(error)


__all__ = ["Options", "makeService"]
