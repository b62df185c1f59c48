"""All that was seen of one cluster by asking it as the gate asks: what was not come to is left at its default."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from attrs import field, frozen

from kgate.kube.access_review import Attributes
from kgate.kube.rules_review import Listed
from kgate.kube.self_subject_review import UserInfo
from kgate.model import Impersonation


class Credential(Enum):
    """Where the gate's own credential comes from."""

    TOKEN = "token"
    TOKEN_FILE = "token file"
    CERTIFICATE = "client certificate"
    PLUGIN = "exec plugin"


@frozen
class Validity:
    """From when until when something counts, Unix seconds; None where nobody can tell."""

    begins: float | None = None
    ends: float | None = None


@frozen
class Served:
    """The certificate that an API server shows."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    validity: Validity


@frozen
class Unknown:
    """What came instead of an answer: a status, 0 where there was none at all, and the cluster's words or the network's."""

    status: int
    text: str


@frozen
class Trial:
    """A question in somebody else's name: whose, and who the cluster says that was."""

    impersonate: Impersonation
    answer: UserInfo | Unknown


@frozen
class Seen:
    """See the module. ``server`` and ``proxy`` are URLs; ``where`` says what the credential is or is read from."""

    server: str
    credential: Credential
    where: str
    proxy: str = ""
    server_name: str = ""
    """What the certificate has to say."""
    unchecked: bool = False
    """Whether nobody checks the server's certificate (insecure_skip_tls_verify)."""
    addresses: tuple[str, ...] = ()
    """Those of the server's name, or of the proxy's."""
    failure: str = ""
    """Why there is no connection, in the network's or TLS's own words."""
    reached: bool = False
    peer: str = ""
    """The address and port that the connection is to."""
    http2: bool = False
    certificate: Served | None = None
    late: float | None = None
    """After how many seconds it was given up."""
    version: str | Unknown = ""
    clock: float | None = None
    """Seconds by which the cluster's clock is ahead of this machine's."""
    me: UserInfo | Unknown | None = None
    validity: Validity = Validity()
    """That of the gate's credential."""
    impersonates: Mapping[str, bool | Unknown] = field(factory=dict)
    """By the keys of ``gate_rights.NEEDED``."""
    reviews: bool | Unknown | None = None
    """Whether it may create tokenreviews, by which the gate knows service accounts."""
    feared: tuple[Attributes, ...] = ()
    """What of ``gate_rights.FEARED`` it may."""
    rules: tuple[Listed | Unknown, ...] = ()
    """What it may in each of the namespaces that were asked about."""
    given: Listed | None = None
    """What whoever is signed in there may, by a question in such a name."""
    trial: Trial | None = None
