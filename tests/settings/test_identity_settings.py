"""The identity section: every mistake at once, each with its line and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from configuration_files import FILE, MINIMAL, NOW, Files

from kgate.errors import InvalidFileError
from kgate.settings import load_configuration

IDENTITY = """\
identity:
  tokens: {file: tokens.yaml}
  client_certificates:
    - {authority: people-ca.crt, crl: [token], username: certificat.common_name}
    - {authority: nowhere.crt}
  devices:
    authority: device-ca.crt
    file: policy.yaml
    api: {url: "https://mdm.example.com", items: body, name: item.host, compliant: '"yes"', push_sha256: abc}
  oidc:
    - issuer: {url: https://a.example, audiences: [kgate]}
      claimMappings: {username: {claim: sub, prefix: ""}}
      introspection: {client_id: kgate, client_secret_file: nowhere}
    - issuer: {url: https://a.example, audiences: [kgate]}
      claimMappings: {username: {claim: sub, prefix: ""}}
      introspection: {client_id: kgate, client_secret_file: oidc-secret}
  service_accounts:
    - {cluster: prod-uk, audiences: [kgate]}
    - {cluster: dev, audiences: [kgate], clusters: ["*"], prefix: ""}
"""


def mistakes(identity: str) -> list[str]:
    head, _, tail = MINIMAL.partition("identity:\n")
    rest = tail[tail.index("policy:") :]
    with pytest.raises(InvalidFileError) as caught:
        load_configuration(FILE, NOW, Files(head + identity + rest).read)
    return [str(each).replace(f"{FILE.parent}/", "") for each in caught.value.mistakes]


def test_wrong_values_are_found_together() -> None:
    assert mistakes(IDENTITY) == [
        'kgate.yaml:11: identity.client_certificates[0].username: has the unknown name "certificat.common_name" at character 11 (names: certificate)',
        "kgate.yaml:16: identity.devices.api.compliant: gives string, not true or false",
        "kgate.yaml:16: identity.devices.api.push_sha256: is not a SHA-256 digest (64 hex digits in lower case: printf %s TOKEN | sha256sum)",
        'kgate.yaml:26: identity.service_accounts[1].prefix: is needed where other clusters may be reached (write prefix: "dev:")',
    ]


def test_then_what_they_name() -> None:
    better = IDENTITY.replace(", username: certificat.common_name", "").replace(
        """compliant: '"yes"', push_sha256: abc""", "compliant: item.ok"
    )
    better = better.replace("    file: policy.yaml\n", "").replace(', clusters: ["*"], prefix: ""', "")
    found = mistakes(better)
    assert found == [
        "kgate.yaml:11: identity.client_certificates[0].crl[0]: token is not a list of revoked certificates (it is PEM (-----BEGIN X509 CRL-----) or DER)",
        "kgate.yaml:12: identity.client_certificates[1].authority: nowhere.crt does not exist",
        "kgate.yaml:16: identity.oidc: the issuer https://a.example stands here twice (keep one)",
        "kgate.yaml:19: identity.oidc[0].introspection.client_secret_file: nowhere does not exist",
        "kgate.yaml:22: identity.oidc[1].introspection.token_prefix: is the same at two issuers (give each its own: opaque tokens say by it whom to ask)",
        'kgate.yaml:24: identity.service_accounts[0].cluster: prod-uk is not configured (did you mean "prod-eu"?)',
        "kgate.yaml:25: identity.service_accounts[1].audiences: kgate stands at two clusters (give each cluster its own: a token says by it whom to ask)",
    ]  # fmt: skip


def test_two_inventories_are_one_too_many() -> None:
    api = 'api: {url: "https://mdm.example.com", items: body, name: item.host}'
    found = mistakes(f"identity:\n  devices: {{authority: device-ca.crt, file: policy.yaml, {api}}}\n")
    assert found == ["kgate.yaml:9: identity.devices.api: goes not with file (keep one inventory)"]


def test_nobody_may_push_the_directory_who_has_no_token() -> None:
    """A name that is empty would be everybody's who is no robot; one that is no token's may be revoked, which must not hold up a reload."""
    tokens = "identity:\n  tokens: {file: tokens.yaml}\n  scim: {robots: [%s]}\n"
    assert mistakes(tokens % '""') == ["kgate.yaml:10: identity.scim.robots: has an empty name (name the token that the directory has)"]
    head, _, tail = MINIMAL.partition("identity:\n")
    found = load_configuration(FILE, NOW, Files(head + tokens % "ci, okta" + tail[tail.index("policy:") :]).read).warnings
    assert [str(each).replace(f"{FILE.parent}/", "") for each in found] == [
        "kgate.yaml:10: identity.scim.robots: okta is no token of identity.tokens, so nobody can push by that name (kgate token create okta)"
    ]


def test_nobody_at_all() -> None:
    assert mistakes("identity: {groups: {sources: [token]}}\n") == [
        "kgate.yaml:8: identity: lets nobody in (name oidc, tokens or client_certificates)"
    ]


def test_a_file_of_kubernetes_has_its_own_lines() -> None:
    issuer = "- issuer: {url: https://a.example, audiences: []}\n  claimMappings: {username: {claim: sub, prefix: ''}}\n"
    text = f"apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n{issuer}"
    head, _, tail = MINIMAL.partition("identity:\n")
    files = Files(head + "identity: {authentication_configuration: auth.yaml}\n" + tail[tail.index("policy:") :]).but("auth.yaml", text)
    with pytest.raises(InvalidFileError) as caught:
        load_configuration(FILE, NOW, files.read)
    assert [str(each).replace(f"{Path(FILE).parent}/", "") for each in caught.value.mistakes] == [
        "auth.yaml:4: jwt[0].issuer.audiences: names nobody (name the gate's client id)"
    ]
