"""Which files make the configuration: a change of one of them is a reload."""

from __future__ import annotations

from pathlib import Path

from kgate.settings import Configuration
from kgate.settings.policies import policy_files


def watched(path: Path, configuration: Configuration) -> set[Path]:
    """The files whose change means a reload. Token files are not among them: they are read again as they are used."""
    settings = configuration.settings
    paths = {path, settings.policy, *policy_files(settings.policy)}
    if settings.shadow is not None:
        paths |= {settings.shadow, *policy_files(settings.shadow)}
    for listen in settings.listen:
        paths |= {listen.tls.certificate, listen.tls.key}
    for cluster in settings.clusters.values():
        paths |= {
            each for each in (cluster.kubeconfig, cluster.certificate_authority, cluster.client_certificate, cluster.client_key) if each
        }
    for each in configuration.access.values():
        paths |= {Path(file) for file in each.files}
    for source in settings.facts:
        paths |= {each for each in (source.key_file, source.certificate_authority) if each}
    for authorizer in settings.authorizers:
        if authorizer.webhook is not None:
            paths |= {authorizer.webhook.kubeconfig, *(Path(file) for file in configuration.webhooks[authorizer.name].files)}
        if authorizer.opa is not None and authorizer.opa.certificate_authority is not None:
            paths.add(authorizer.opa.certificate_authority)
    if settings.secrets is not None:
        paths.add(settings.secrets.key_file)
    if settings.public_certificate_authority is not None:
        paths.add(settings.public_certificate_authority)
    identity = settings.identity
    if identity.tokens is not None:
        paths.add(identity.tokens.file)
    if identity.authentication_configuration is not None:
        paths.add(identity.authentication_configuration)
    paths |= {each.introspection.client_secret_file for each in identity.oidc if each.introspection is not None}
    paths |= {
        each.login.client_secret_file for each in identity.oidc if each.login is not None and each.login.client_secret_file is not None
    }
    for signers in identity.client_certificates:
        paths |= {signers.authority, *signers.crl}
    if identity.devices is not None:
        paths |= {
            identity.devices.authority,
            *identity.devices.crl,
            *([identity.devices.file] if identity.devices.file is not None else ()),
        }
    if identity.groups is not None and identity.groups.file is not None:
        paths.add(identity.groups.file)
    return paths
