"""``authorizers:`` as written, and each mistake with its line and what to do."""

from __future__ import annotations

import pytest
from configuration_files import FILE, MINIMAL, NOW, Files

from kgate.errors import InvalidFileError
from kgate.settings import load_configuration


def loaded(line: str) -> Files:
    return Files(MINIMAL + f"authorizers:\n  - {line}\n")


def test_defaults() -> None:
    settings = load_configuration(FILE, NOW, loaded("{name: rbac, cluster_rbac: true}").read).settings.authorizers[0]
    assert (settings.timeout, settings.keep.allowed, settings.keep.denied) == (2.0, 10.0, 5.0)


def test_a_webhook_s_kubeconfig_is_read() -> None:
    configuration = load_configuration(FILE, NOW, loaded("{name: hook, webhook: {kubeconfig: hook.kubeconfig}}").read)
    assert configuration.webhooks["hook"].server.url == "https://10.0.0.6:6443"


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("{name: a}", "needs one of webhook, cluster_rbac, opa and plugin"),
        ("{name: a, cluster_rbac: true, opa: {url: https://opa}}", "needs one of webhook, cluster_rbac, opa and plugin"),
        ("{name: A, cluster_rbac: true}", '"A" is not a name for an authorizer'),
        ("{name: a, cluster_rbac: true, timeout: 9s}", "it is at most 8s"),
        ("{name: a, cluster_rbac: true, timeout: 0s}", "timeout"),
        ("{name: a, cluster_rbac: true, keep: {allowed: 2h}}", "it is at least 1s and at most 60m"),
        ("{name: a, cluster_rbac: true, keep: {denied: 100ms}}", "denied"),
        ("{name: a, opa: {url: http://opa.example.com/v1/data/x}}", "is not an https:// URL"),
        ("{name: a, opa: {url: http://user@127.0.0.1/v1/data/x}}", "is not an https:// URL"),
        ("{name: a, opa: {url: https://opa, token_file: gone}}", "does not exist"),
        ("{name: a, opa: {url: 'http://[::1'}}", "is not an https:// URL"),
        ("{name: a, opa: {url: 'https://[::1/x'}}", "is not an https:// URL"),
        (
            "{name: a, opa: {url: https://opa, certificate_authority: token}}",
            "authorizers[0].opa.certificate_authority: is not a PEM certificate (it begins with",
        ),
        ("{name: a, webhook: {kubeconfig: gone}}", "does not exist"),
        ("{name: a, webhook: {kubeconfig: hook.kubeconfig, context: other}}", "other"),
        ("{name: a, plugin: {name: nobody-made-this}}", 'no authorizer "nobody-made-this" is installed'),
        ("{name: a, cluster_rbac: true}\n  - {name: a, cluster_rbac: true}", 'a second one of authorizers has the name "a"'),
    ],
)
def test_mistakes(line: str, mistake: str) -> None:
    with pytest.raises(InvalidFileError) as caught:
        load_configuration(FILE, NOW, loaded(line).read)
    assert mistake in str(caught.value)
