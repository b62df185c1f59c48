"""``audit``, ``secrets``, ``sign_in``, ``admin``, ``web_proxy``, ``limits`` and ``deadlines``: how the gate itself is run."""

from __future__ import annotations

import ipaddress
from enum import Enum
from pathlib import Path

from attrs import field, frozen

from kgate.audit.recording.names import DAY_SECONDS, FOLDER
from kgate.documents.globs import Glob
from kgate.documents.values import Address, Duration, Size, Unacceptable, accept
from kgate.settings.reading import Place, Reading
from kgate.settings.values import Count, FilePath, ProxyUrl, Rate
from kgate.store.sealing import read_keys

MOST_TOKEN_SECONDS = 600.0
"""A gate token lives at most so long."""


class AuditMode(Enum):
    """Whether a request waits for its record."""

    STRICT = "strict"
    """Nothing goes upstream before its record is durable."""
    BEST_EFFORT = "best_effort"
    """A relaxation: requests go on where records cannot be written."""


@frozen
class RecordingSettings:
    """What rules that say ``record`` make of exec and attach."""

    directory: FilePath | None = None
    """Beside the audit's files where none is named."""
    bytes: Size = field(default=Size(256 * 2**20))
    """Of one recording: what gets longer is cut."""
    bytes_per_person: Size = field(default=Size(2 * 2**30))
    """Of all recordings of one person in a day, of one process: they are what fills the disk that the audit needs."""
    keep: Duration | None = None
    """How long each day's are kept; None is until somebody removes them."""

    def __attrs_post_init__(self) -> None:
        short = self.keep is not None and self.keep < DAY_SECONDS
        accept(Unacceptable("is too short", "a day's recordings are kept for 1d at least", ("keep",)) if short else None)
        little = self.bytes_per_person < self.bytes
        accept(Unacceptable("is less than one recording may have", "see bytes", ("bytes_per_person",)) if little else None)


@frozen
class AuditSettings:
    """Where the records go."""

    directory: FilePath
    mode: AuditMode = AuditMode.STRICT
    recordings: RecordingSettings = field(default=RecordingSettings())

    @property
    def recorded(self) -> Path:
        """Where the recordings are."""
        return self.recordings.directory or self.directory / FOLDER


@frozen
class SecretsSettings:
    """What secrets are encrypted with that the gate must use again."""

    key_file: FilePath
    """One key a line, the newest first."""


@frozen
class SignInSettings:
    """How long what a sign-in gives lasts."""

    session: Duration = field(default=Duration(12 * 3600.0))
    """At most, from the sign-in."""
    token: Duration = field(default=Duration(300.0))
    """A gate token; kgate credential gets the next one by itself."""
    recheck: Duration = field(default=Duration(300.0))
    """How often the identity provider is asked whether it still stands by a session."""
    unreachable: Duration = field(default=Duration(3600.0))
    """How long sessions go on while it cannot be asked."""

    def __attrs_post_init__(self) -> None:
        accept(None if self.token <= MOST_TOKEN_SECONDS else Unacceptable("is too long", "10m is the most", ("token",)))


@frozen
class AdminSettings:
    """/healthz, /readyz and /metrics, in clear text and without credentials: for this machine or a closed network."""

    address: Address


@frozen
class WebProxySettings:
    """The forward proxy through which the gate asks issuers, transmitters, inventories, sources of facts and OPA. Clusters have their own."""

    url: ProxyUrl = field(repr=False)
    direct: tuple[str, ...] = ()
    """Hosts that are asked without it: names, addresses, globs."""

    def __attrs_post_init__(self) -> None:
        accept(None if all(self.direct) else Unacceptable("has an empty name", "take it out", ("direct",)))

    def leads_to(self, host: str) -> bool:
        """Whether ``host`` is asked through it."""
        return not any(Glob(each.lower()).matches(host.lower()) for each in self.direct)


@frozen
class LimitSettings:
    """How much one client may take."""

    streams: Count = field(default=Count(100))
    """Requests at once on one HTTP/2 connection."""
    connections: Count = field(default=Count(10_000))
    """Client connections at once, of one process."""
    connections_per_address: Count = field(default=Count(1_000))
    sign_ins_per_address: Count = field(default=Count(600))
    """Sign-ins that one address may begin in a minute."""
    requests_per_person: Rate = field(default=Rate(1_000))
    """Requests a second that one person or program may make, of one process; five seconds of it at once. Without it (0) one can take the whole gate."""
    requests_per_address: Rate = field(default=Rate(200))
    """Those of one address that nobody is known to be behind, or yet."""


@frozen
class DeadlineSettings:
    """How long each step may take."""

    handshake: Duration = field(default=Duration(5.0))
    head: Duration = field(default=Duration(10.0))
    """From a request's first byte to the end of its head."""
    connect: Duration = field(default=Duration(5.0))
    """TCP and TLS to a cluster."""
    answer: Duration = field(default=Duration(75.0))
    """From the end of a request to the head of its answer; watches and upgrades included, for they answer at once. The rest of an answer may stand still
    as long, but for logs, watches and what is proxied."""
    body: Duration = field(default=Duration(30.0))
    """How long a request's body may stand still."""
    reader: Duration = field(default=Duration(120.0))
    """How long the client may take nothing of an answer that is there; watches, logs -f and tunnels may wait for ever."""
    idle: Duration = field(default=Duration(600.0))
    """A client connection without a request."""


def sealing_keys(reading: Reading, secrets: SecretsSettings | None) -> tuple[bytes, ...]:
    """What secrets are encrypted with."""
    place: Place = ("secrets", "key_file")
    raw = reading.bytes_of(place, secrets.key_file) if secrets is not None else None
    if raw is None:
        return ()
    try:
        return read_keys(raw)
    except Unacceptable as error:
        reading.sections.fault(place, error.text, error.hint)
        return ()


def note_relaxations(reading: Reading, audit: AuditSettings | None, admin: AdminSettings | None, limits: LimitSettings | None) -> None:
    """What is allowed, and said at each start."""
    if audit is not None and audit.mode is AuditMode.BEST_EFFORT:
        reading.warn(("audit", "mode"), "requests go on even where their record cannot be written", "strict is the default")
    if admin is not None and not ipaddress.ip_address(admin.address.host).is_loopback:
        reading.warn(("admin", "address"), "metrics are open to whoever reaches this address", "127.0.0.1 keeps them on this machine")
    if limits is not None and not limits.requests_per_person:
        reading.warn(("limits", "requests_per_person"), "one person's program can keep the gate from everybody else", "1000 is the default")
    if limits is not None and not limits.requests_per_address:
        reading.warn(("limits", "requests_per_address"), "strangers can keep the gate from everybody else", "200 is the default")
