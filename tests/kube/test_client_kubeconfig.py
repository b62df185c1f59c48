"""The kubeconfigs that people get."""

from __future__ import annotations

from kgate.kube.client_kubeconfig import GateContext, LoginPlugin, StaticToken, cluster_url, render_kubeconfig
from kgate.kube.kubeconfig import parse_kubeconfig

CA = b"-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"


def nothing(path: str) -> bytes:
    raise FileNotFoundError(2, "No such file or directory", path)


def test_a_cluster_is_found_by_its_own_name_where_it_has_one() -> None:
    assert cluster_url("https://kube.example.com:8443", "dev") == "https://kube.example.com:8443/clusters/dev"
    assert cluster_url("https://kube.example.com:8443", "eu", ["eu.example.com", "b"]) == "https://eu.example.com:8443"
    assert cluster_url("https://kube.example.com", "eu", ["eu.example.com"]) == "https://eu.example.com"


def test_what_we_write_we_can_read() -> None:
    contexts = [
        GateContext("kgate-dev", "https://127.0.0.1:8443/clusters/kgate-dev", "alice"),
        GateContext("kgate-prod", "https://prod.example.com:8443", "alice", "payments"),
    ]
    text = render_kubeconfig(contexts, {"alice": StaticToken("0123456")}, CA, current="kgate-prod")
    kubeconfig = parse_kubeconfig(text, "config")
    assert kubeconfig.contexts == ("kgate-dev", "kgate-prod") and kubeconfig.current == "kgate-prod"
    dev = kubeconfig.access(nothing, "kgate-dev")
    assert dev.server.url == "https://127.0.0.1:8443/clusters/kgate-dev" and dev.certificate_authority == CA
    assert dev.credential.token == "0123456", "a token of digits stays text"
    assert "namespace: payments" in text and text.count("namespace") == 1


def test_people_sign_in_by_a_command() -> None:
    text = render_kubeconfig(
        [GateContext("eu", "https://eu.example.com", "alice")],
        {"alice": LoginPlugin("kgate", ("credential", "--gate", "https://kube.example.com"), "pip install kgate")},
    )
    plugin = parse_kubeconfig(text, "config").access(nothing).credential.plugin
    assert (
        plugin is not None and plugin.command == "kgate" and plugin.args[0] == "credential" and plugin.install_hint == "pip install kgate"
    )
    assert "certificate-authority-data" not in text and "interactiveMode: Never" in text
    asks = render_kubeconfig([GateContext("eu", "https://eu.example.com", "alice")], {"alice": LoginPlugin("kgate", interactive=True)})
    assert "interactiveMode: IfAvailable" in asks
