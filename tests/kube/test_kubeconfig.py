"""A kubeconfig as the gate's own way to a cluster."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from kgate.documents.values import Unacceptable
from kgate.errors import InvalidFileError
from kgate.kube.cluster_access import ClusterAccess, Server, parse_server, token_of
from kgate.kube.execplugin import ExecPlugin
from kgate.kube.kubeconfig import parse_kubeconfig

CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"
KEY = b"-----BEGIN EC PRIVATE KEY-----\nMII=\n-----END EC PRIVATE KEY-----\n"
FILES = {
    "/etc/kgate/pki/ca.crt": CERTIFICATE,
    "/etc/kgate/gate.crt": CERTIFICATE,
    "/etc/kgate/gate.key": KEY,
    "/etc/kgate/token": b"abc.def\n",
    "/etc/kgate/empty": b"\n",
    "/etc/kgate/encrypted.key": b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
}
CLUSTER = "{server: 'https://10.0.0.1:6443', certificate-authority: pki/ca.crt}"
TOKEN = "{token: abc}"


def read(path: str) -> bytes:
    try:
        return FILES[path]
    except KeyError:
        raise FileNotFoundError(2, "No such file or directory", path) from None


def config(cluster: str = CLUSTER, user: str = TOKEN) -> str:
    return f"""\
apiVersion: v1
kind: Config
current-context: prod
clusters:
- name: eu
  cluster: {cluster}
- name: other
  cluster: {{server: "http://not-looked-at", nonsense: 1}}
contexts:
- name: prod
  context: {{cluster: eu, user: gate, namespace: default}}
- name: broken
  context: {{cluster: other, user: gate}}
users:
- name: gate
  user: {user}
"""


def access(cluster: str = CLUSTER, user: str = TOKEN, *, context: str = "", allow_insecure: bool = False) -> ClusterAccess:
    return parse_kubeconfig(config(cluster, user), "/etc/kgate/eu.kubeconfig").access(read, context, allow_insecure=allow_insecure)


def mistakes(cluster: str = CLUSTER, user: str = TOKEN, *, context: str = "") -> str:
    with pytest.raises(InvalidFileError) as raised:
        access(cluster, user, context=context)
    return str(raised.value)


def test_a_token_and_an_authority_beside_the_file() -> None:
    found = access()
    assert (found.context, found.server) == ("prod", Server("10.0.0.1", 6443))
    assert found.server.authority == "10.0.0.1:6443" and found.certificate_authority == CERTIFICATE
    assert found.credential.token == "abc" and not found.insecure
    assert found.files == ("/etc/kgate/pki/ca.crt",)


def test_the_contexts_are_listed_and_can_be_chosen() -> None:
    kubeconfig = parse_kubeconfig(config(), "/etc/kgate/eu.kubeconfig")
    assert kubeconfig.contexts == ("prod", "broken") and kubeconfig.current == "prod"
    assert "is not an https:// URL" in mistakes(context="broken")
    assert mistakes(context="prd") == '/etc/kgate/eu.kubeconfig: there is no "prd" under contexts (did you mean "prod"?)'


def test_data_wins_over_files_and_a_token_file_over_a_token() -> None:
    data = b64encode(CERTIFICATE).decode()
    found = access(
        f"{{server: 'https://h', certificate-authority: /missing, certificate-authority-data: {data}}}",
        f"{{token: abc, tokenFile: token, client-certificate-data: {data}, client-key: gate.key}}",
    )
    assert found.certificate_authority == CERTIFICATE and found.server.authority == "h"
    credential = found.credential
    assert (credential.token, credential.token_file, credential.certificate, credential.key) == ("", "/etc/kgate/token", CERTIFICATE, KEY)
    assert found.files == ("/etc/kgate/gate.key", "/etc/kgate/token")


def test_name_proxy_and_base_path() -> None:
    found = access(
        "{server: 'https://rancher.example.com/k8s/clusters/c-1/', tls-server-name: api.internal, proxy-url: 'socks5://127.0.0.1:1080'}"
    )
    assert found.server == Server("rancher.example.com", 443, "/k8s/clusters/c-1")
    assert found.server.url == "https://rancher.example.com/k8s/clusters/c-1"
    assert (found.tls_server_name, found.proxy_url, found.certificate_authority) == ("api.internal", "socks5://127.0.0.1:1080", None)


@pytest.mark.parametrize("name", ["kube_apiserver", "10.96.0.1", "'fd00::1'", "Kubernetes.Default", "kübe.example", "localhost"])
def test_names_that_servers_have(name: str) -> None:
    assert access(f"{{server: 'https://h', tls-server-name: {name}}}").tls_server_name == name.strip("'")


def test_ipv6_servers_keep_their_brackets_in_host() -> None:
    assert parse_server("https://[::1]:6443") == Server("::1", 6443)
    assert parse_server("https://[::1]:6443").authority == "[::1]:6443"


@pytest.mark.parametrize(
    "url", ["http://h", "https://h/a/../b", "https://h/a//b", "https://h/%2e", "https://u:p@h", "https://h?x", "https://h#x", "h:443", ""]
)
def test_servers_that_the_gate_does_not_go_to(url: str) -> None:
    with pytest.raises(Unacceptable):
        parse_server(url)


@pytest.mark.threat("26")
def test_secrets_do_not_show_in_a_representation() -> None:
    shown = repr(access(user="{token: hunter2, client-certificate: gate.crt, client-key: gate.key}"))
    assert "hunter2" not in shown and "PRIVATE" not in shown


def test_an_exec_plugin() -> None:
    user = """
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: bin/get-token
      args: [--cluster, eu]
      env: [{name: AWS_PROFILE, value: gate}]
      provideClusterInfo: true
      interactiveMode: IfAvailable
"""
    cluster = """
    server: https://10.0.0.1:6443
    certificate-authority: pki/ca.crt
    extensions: [{name: client.authentication.k8s.io/exec, extension: {audience: x}}]
"""
    found = access(cluster, user)
    assert found.credential.plugin == ExecPlugin(
        "client.authentication.k8s.io/v1", "/etc/kgate/bin/get-token", ("--cluster", "eu"), (("AWS_PROFILE", "gate"),), True
    )
    assert json.loads(found.exec_info()) == {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1",
        "spec": {
            "interactive": False,
            "cluster": {
                "server": "https://10.0.0.1:6443",
                "certificate-authority-data": b64encode(CERTIFICATE).decode(),
                "config": {"audience": "x"},
            },
        },
    }
    assert access(user=user.replace("bin/get-token", "aws")).credential.plugin == ExecPlugin(
        "client.authentication.k8s.io/v1", "aws", ("--cluster", "eu"), (("AWS_PROFILE", "gate"),), True
    )


def test_skipping_verification_takes_a_word_in_the_gates_own_configuration() -> None:
    cluster = "{server: 'https://h', insecure-skip-tls-verify: true}"
    assert "insecure_skip_tls_verify: true" in mistakes(cluster)
    assert access(cluster, allow_insecure=True).insecure
    assert not access("{server: 'https://h', insecure-skip-tls-verify: false}").insecure


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("{username: a, password: b}", "Kubernetes has no passwords any more (give the gate a token or a client certificate)"),
        ("{auth-provider: {name: gcp}}", "auth-provider is gone from Kubernetes (use exec with the cloud's credential plugin, or a token)"),
        ("{token: abc, as: root}", "the gate decides for each request whom it impersonates"),
        ("{}", "the user has no credential that the gate can use"),
        ("{token: 12345}", "token must be text, not a whole number (put it in quotes)"),
        ("{token: 'a b'}", "the token has characters that no token has"),
        ("{tokn: abc, token: abc}", '"tokn" means nothing here (did you mean "token"?)'),
        ("{tokenFile: nowhere}", "/etc/kgate/nowhere cannot be read: no such file or directory"),
        ("{tokenFile: empty}", "/etc/kgate/empty holds no token"),
        ('{tokenFile: "a\\0b"}', "the path has a NUL"),
        ("{client-certificate: gate.crt}", "client-certificate and client-key go together"),
        ("{client-certificate: gate.crt, client-key: gate.crt}", "client-key holds no PRIVATE KEY in PEM"),
        ("{client-certificate: gate.crt, client-key: encrypted.key}", "client-key is encrypted"),
        ("{client-certificate-data: '!', client-key: gate.key}", "client-certificate-data is not base64"),
        ("{token: a, exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: x}}", "exec stands beside a token"),
        ("{exec: {apiVersion: client.authentication.k8s.io/v1, command: x}}", "interactiveMode is missing"),
        ("{exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}}", "the gate has no terminal to offer"),
        ("{exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}}", "is not a version of the plugin protocol"),
        ("{exec: {apiVersion: client.authentication.k8s.io/v1beta1}}", "exec names no command"),
        ("{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: x, args: [1]}}", "args must be a list of texts"),
        (
            "{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: x, env: [{name: a}]}}",
            "an entry of env is not a name with a value",
        ),
        ("{exec: [x]}", "exec must be a mapping, not a list"),
    ],
)
def test_users_that_the_gate_cannot_be(user: str, said: str) -> None:
    assert mistakes(user=user).startswith("/etc/kgate/eu.kubeconfig:16: ") and said in mistakes(user=user)


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ("{}", "the cluster has no server"),
        ("{server: 'http://10.0.0.1'}", "is not an https:// URL"),
        ("{server: 'https://h', certificate-authority: pki/nothing}", "/etc/kgate/pki/nothing cannot be read"),
        ("{server: 'https://h', certificate-authority: token}", "certificate-authority holds no CERTIFICATE in PEM"),
        ("{server: 'https://h', proxy-url: 'ftp://h'}", "proxy-url is not the URL of a forward proxy"),
        ("{server: 'https://h', tls-server-name: .h}", 'tls-server-name ".h" is not a name that a certificate could be for'),
        ("{server: 'https://a..b:6443'}", '"a..b" is not a name that a certificate could be for'),
        (f"{{server: 'https://{'a' * 64}.example:6443'}}", "is not a name that a certificate could be for"),
        ("{server: 'https://h', insecure-skip-tls-verify: 'yes'}", "must be true or false, not text"),
        ("{server: 'https://h', tls-servername: h}", 'did you mean "tls-server-name"?'),
        ("[]", '"eu" under clusters has no cluster'),
    ],
)
def test_clusters_that_the_gate_cannot_reach(cluster: str, said: str) -> None:
    assert said in mistakes(cluster)


def test_every_mistake_is_told_at_once_and_in_the_order_of_the_file() -> None:
    told = mistakes("{server: ftp, certificate-authority: nowhere}", "{username: a, token: 1}").splitlines()
    assert [line.split(":")[1] for line in told] == ["6", "6", "16", "16"]


def test_outlines_that_are_none() -> None:
    for text, said in (
        ("kind: Pod\n", 'kind is "Pod"'),
        ("", "the file is empty"),
        ("- a\n", "must be a mapping"),
        ("a: b: c\n", "this is not YAML"),
        ("current-context: a\ncurrent-context: b\n", "stands here twice"),
    ):
        with pytest.raises(InvalidFileError, match=said.replace("(", r"\(")):
            parse_kubeconfig(text, "k")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("current-context: prod\n", "", "no current-context is set (name one of: prod, broken)"),
        ("{cluster: eu, user: gate, namespace: default}", "{user: gate}", "the context names no cluster"),
        ("user: gate, namespace", "user: gte, namespace", 'there is no "gte" under users (did you mean "gate"?)'),
        ("- name: other", "- name: eu", '"eu" stands under clusters twice, first on line 5'),
        ("users:", "people:", 'there is no "gate" under users'),
    ],
)
def test_links_that_lead_nowhere(old: str, new: str, said: str) -> None:
    with pytest.raises(InvalidFileError) as raised:
        parse_kubeconfig(config().replace(old, new), "k").access(read)
    assert said in str(raised.value)


def test_a_token_file_is_one_token() -> None:
    assert token_of(b"abc\n") == b"abc" and token_of(b" a.b-c \r\n") == b"a.b-c"
    assert [token_of(data) for data in (b"", b"a b", b"a\nb", b"a\xff", b"x" * 70_000)] == [None] * 5
