"""What only shows when the parts of a configuration are held against each other and against the files that they name.

Everything that a start needs is read here, once: the policy, the tokens, the authorities, the certificates. A start, a reload and ``kgate check`` all
come this way; what they get is whole, or a list of every mistake in every file. Nothing is connected to.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from kgate.errors import Mistake
from kgate.kube.cluster_access import ClusterAccess
from kgate.policy.evaluate import Policy
from kgate.settings.authorizers import all_webhooks
from kgate.settings.clusters import access_to_all
from kgate.settings.files import FilesOf, Read, read_file
from kgate.settings.identity import IdentitySources, identity_sources
from kgate.settings.listen import check_addresses, check_listeners, public_authority
from kgate.settings.load import read_sections, settings_of
from kgate.settings.operation import note_relaxations, sealing_keys
from kgate.settings.policies import check_names, policy_files, tested_policy
from kgate.settings.reading import Reading
from kgate.settings.shapes import Settings
from kgate.settings.surroundings import check_facts, check_geo


@frozen(eq=False)
class Configuration:
    """Settings and what they name, ready to start or to replace what runs."""

    settings: Settings
    access: Mapping[str, ClusterAccess]
    """How to reach each cluster, by its name; token files are not in it, they are read again and again."""
    policy: Policy
    shadow: Policy | None
    """A candidate that decides nothing."""
    identity: IdentitySources
    """What ``identity`` names."""
    webhooks: Mapping[str, ClusterAccess]
    """How to reach each of the authorizers that are webhooks, by its name."""
    public_authority: bytes | None
    """That of ``public_certificate_authority``, PEM."""
    sealing_keys: tuple[bytes, ...] = field(repr=False)
    """Those of ``secrets.key_file``; empty where there is none."""
    warnings: tuple[Mistake, ...]


def load_configuration(
    path: Path, now: float, read: Read = read_file, *, files_of: FilesOf = policy_files, running: bool = False
) -> Configuration:
    """Everything that the file at ``path`` says and names. ``now`` (Unix seconds) is held against certificates.

    To a gate that is ``running`` a certificate that has expired is a warning: it opens nothing to anybody, whereas refusing the whole would keep a
    policy in force that somebody is just taking a right out of.

    Raises InvalidFileError with every mistake in every file, UsageError where ``path`` itself cannot be read.
    """
    reading = Reading(read_sections(path, read), read, now, running, files_of)
    get = reading.sections.values.get
    identity, clusters, public_url = get("identity"), get("clusters") or {}, get("public_url") or ""
    check_listeners(reading, get("listen") or (), public_url)
    admin = get("admin")
    check_addresses(reading, get("listen") or (), admin.address if admin is not None else None, get("workers") or 1)
    access = access_to_all(reading, clusters, public_url)
    sources = identity_sources(reading, identity, get("secrets"), clusters) if identity is not None else None
    keys = sealing_keys(reading, get("secrets"))
    public = public_authority(reading, get("public_certificate_authority"))
    policy, shadow = tested_policy(reading, ("policy",), get("policy")), tested_policy(reading, ("shadow",), get("shadow"))
    check_geo(reading, get("geo"))
    check_facts(reading, get("facts") or ())
    webhooks = all_webhooks(reading, get("authorizers") or ())
    note_relaxations(reading, get("audit"), admin, get("limits"))
    settings = settings_of(reading.sections)
    if policy is None or sources is None:
        raise AssertionError("both are there, or a mistake that says why not")
    check_names(reading, policy, settings.clusters)
    warnings = (*reading.warnings, *policy.warnings, *(sources.tokens.warnings if sources.tokens else ()))
    return Configuration(
        settings=settings,
        access=access,
        policy=policy,
        shadow=shadow,
        identity=sources,
        webhooks=webhooks,
        public_authority=public,
        sealing_keys=keys,
        warnings=warnings,
    )
