"""Compiles the hot path with mypyc where ``KGATE_COMPILE=1`` asks for it; everything else that setuptools has to know is in setup.cfg.

The modules stay ordinary typed Python, and run as such where nothing was compiled. What reads configuration stays as it is: cattrs asks attrs classes
for the types of their fields, which a compiled class has forgotten.

mypyc evaluates the bounds of a slice twice where it does not know the type: ``view[os.write(fd, view) :]`` writes twice. A bound that does something
gets a line of its own.
"""

import os
from glob import glob

from setuptools import find_packages, setup

COMPILED = (
    "kgate/audit/chain.py",
    "kgate/audit/ids.py",
    "kgate/audit/line.py",
    "kgate/audit/record.py",
    "kgate/authorizers/builtin.py",
    "kgate/exchange/admission.py",
    "kgate/exchange/agreement.py",
    "kgate/exchange/exchange.py",
    "kgate/exchange/farewell.py",
    "kgate/exchange/forwarded.py",
    "kgate/exchange/inside.py",
    "kgate/exchange/legs.py",
    "kgate/exchange/live.py",
    "kgate/exchange/patience.py",
    "kgate/exchange/quota.py",
    "kgate/exchange/refusal.py",
    "kgate/exchange/relay.py",
    "kgate/exchange/routes.py",
    "kgate/exchange/said.py",
    "kgate/exchange/tally.py",
    "kgate/exchange/tunnel.py",
    "kgate/exchange/websocket_inside.py",
    "kgate/identity/authenticator.py",
    "kgate/identity/credentials.py",
    "kgate/identity/notices.py",
    "kgate/identity/people.py",
    "kgate/identity/tokens.py",
    "kgate/identity/uses.py",
    "kgate/kube/gzip_members.py",
    "kgate/kube/headers.py",
    "kgate/kube/operations.py",
    "kgate/kube/query.py",
    "kgate/kube/refusal.py",
    "kgate/kube/requestinfo.py",
    "kgate/kube/watch.py",
    "kgate/memory.py",
    "kgate/metrics.py",
    "kgate/model/copies.py",
    "kgate/model/decisions.py",
    "kgate/model/people.py",
    "kgate/model/requests.py",
    "kgate/model/value.py",
    "kgate/net/audit_file.py",
    "kgate/net/clock.py",
    "kgate/net/cluster.py",
    "kgate/net/credentials.py",
    "kgate/net/journal.py",
    "kgate/net/readiness.py",
    "kgate/net/records.py",
    "kgate/net/recovery.py",
    "kgate/net/sockets.py",
    "kgate/net/timers.py",
    "kgate/net/tls.py",
    "kgate/net/turn.py",
    "kgate/net/upstream_pool.py",
    "kgate/net/waker.py",
    "kgate/policy/evaluate.py",
    "kgate/policy/facets.py",
    "kgate/policy/index.py",
    "kgate/policy/well_known.py",
    "kgate/service/gateway.py",
    "kgate/service/recorder.py",
    "kgate/sessions/locks.py",
    "kgate/sessions/registry.py",
    "kgate/surroundings/board.py",
    "kgate/surroundings/geo.py",
    "kgate/surroundings/world.py",
    "kgate/wire/errors.py",
    "kgate/wire/events.py",
    "kgate/wire/hpack.py",
    "kgate/wire/hpack_huffman.py",
    "kgate/wire/passage.py",
    "kgate/wire/websocket.py",
    "kgate/wire/websocket_follow.py",
    *sorted(set(glob("kgate/wire/http[12]_*.py")) - set(glob("kgate/wire/http[12]_limits.py"))),
)


def compiled() -> list[object]:
    """The extension modules: none where nobody asked."""
    if os.environ.get("KGATE_COMPILE") != "1":
        return []
    from mypyc.build import mypycify  # only where it is asked for: it comes with the extra "compile"

    return list(mypycify(list(COMPILED), opt_level="2", debug_level="0", multi_file=True, group_name="kgate"))


# twistd looks for the plugin in Twisted's own folder of plugins, which is a package of nobody's: find: would pass it by.
setup(packages=[*find_packages(include=["kgate", "kgate.*"]), "twisted.plugins"], ext_modules=compiled())
