"""The configuration file: what it gives, and every mistake in it at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from configuration_files import FILE, FOLDER, KUBECONFIG, MINIMAL, NOW, POLICY, Files, authority, certificates

from kgate.cli.gate_client import gate_url
from kgate.demo.certificates import Authority
from kgate.errors import InvalidFileError, UsageError
from kgate.identity.credentials import Credentials
from kgate.model import Cluster, Identity
from kgate.service.reloading import needs_a_restart
from kgate.settings import Configuration, load_configuration, load_settings
from kgate.settings.operation import AuditMode
from kgate.store.engine import open_engine


def load(files: Files, now: float = NOW) -> Configuration:
    return load_configuration(FILE, now, files.read)


def mistakes(files: Files, now: float = NOW) -> list[str]:
    with pytest.raises(InvalidFileError) as caught:
        load(files, now)
    return [line.replace(f"{FOLDER}/", "") for line in str(caught.value).splitlines()]


def changed(old: str, new: str, text: str = MINIMAL) -> Files:
    assert old in text
    return Files(text.replace(old, new))


def test_the_minimal_file_and_its_defaults() -> None:
    settings = load_settings(FILE, Files().read)
    assert str(settings.listen[0].address) == "0.0.0.0:8443" and settings.listen[0].tls.key == FOLDER / "tls.key"
    assert settings.public_url == "https://kube.example.com:8443"
    assert settings.clusters["prod-eu"].as_policy_sees_it("prod-eu") == Cluster("prod-eu", (("env", "prod"),))
    assert settings.clusters["dev"].token_file == FOLDER / "token"
    assert (settings.audit.directory, settings.audit.mode) == (FOLDER / "audit", AuditMode.STRICT)
    assert settings.admin is not None and settings.admin.address == ("127.0.0.1", 9090)
    assert (settings.limits.streams, settings.deadlines.head, settings.deadlines.handshake, settings.drain, settings.workers) == (
        100,
        10,
        5,
        30,
        1,
    )


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://Kube.Example.com:8443/", "https://kube.example.com:8443"),
        ("https://kube.example.com:443", "https://kube.example.com"),
        ("HTTPS://KUBE.example.com", "https://kube.example.com"),
        ("https://[2001:DB8::1]:08443", "https://[2001:db8::1]:8443"),
    ],
)
def test_the_public_url_is_kept_as_browsers_and_kgate_login_write_it(written: str, url: str) -> None:
    """A form of the gate's own page comes from that origin, and nobody's token is for another spelling of it."""
    assert load_settings(FILE, changed("https://kube.example.com:8443", written).read).public_url == url == gate_url(written)


def test_everything_it_names_is_read_and_ready() -> None:
    configuration = load(Files())
    assert configuration.warnings == ()
    assert configuration.policy.rules[0].name == "look"
    assert set(configuration.access) == {"prod-eu", "dev"}
    assert (configuration.access["prod-eu"].server.url, configuration.access["dev"].server.url) == (
        "https://10.0.0.6:6443", "https://10.0.0.5:6443",
    )  # fmt: skip
    assert configuration.identity.authority_pem == authority().certificate.decode()
    who = configuration.identity.authenticator().authenticate(Credentials("t"), NOW)
    assert isinstance(who, Identity) and who.robot == "ci"


def test_every_mistake_in_every_section_at_once() -> None:
    text = """\
listen:
  - address: 0.0.0.0:84430
    tls: {certificate: tls.crt, ky: tls.key}
public_url: http://kube.example.com
clusters:
  Prod: {server: "https://10.0.0.5:6443", token_file: token, context: x}
  dev: {server: "https://10.0.0.5:6443", certificate_authority: gone.crt, token_file: gone-token, host: [a]}
  none: {}
identity:
  tokenz: []
polcy: policy.yaml
audit: {directory: audit/, mode: lax}
drain: 30
workers: 0
"""
    assert mistakes(Files(text)) == [
        'kgate.yaml:1: "policy" is missing (write policy: policy.yaml)',
        "kgate.yaml:2: listen[0].address: port 84430 is out of range (ports go from 1 to 65535)",
        'kgate.yaml:3: "key" is missing in listen[0].tls',
        'kgate.yaml:3: unknown key "ky" in listen[0].tls (did you mean "key"?)',
        'kgate.yaml:4: public_url: "http://kube.example.com" is not an https:// URL (write it as https://kube.example.com:8443)',
        "kgate.yaml:6: clusters.Prod: is not a name for a cluster (use lower-case letters, digits, dash and dot, at most 63)",
        "kgate.yaml:6: clusters.Prod.context: goes only with kubeconfig (take it out)",
        'kgate.yaml:7: unknown key "host" in clusters.dev (did you mean "hosts"?)',
        "kgate.yaml:8: clusters.none: has neither kubeconfig nor server (say how to reach the cluster)",
        'kgate.yaml:10: unknown key "tokenz" in identity (did you mean "tokens"?)',
        'kgate.yaml:11: unknown key "polcy" (did you mean "policy"?)',
        'kgate.yaml:12: audit.mode: "lax" is not known (known here: best_effort, strict)',
        'kgate.yaml:13: drain: 30 has no unit (write "30s" for seconds)',
        "kgate.yaml:14: workers: 0 is out of range (it is at least 1 and at most 1,000,000)",
    ]


def test_files_of_all_kinds_are_checked_together() -> None:
    files = (
        Files().but("tls.key", None).but("policy.yaml", "rules:\n  - {name: x}\n").but("tokens.yaml", "robots: 7").but("ca.crt", "nothing")
    )
    files.but("token", PermissionError(13, "Permission denied"))
    found = mistakes(files)
    assert [line for line in found if line.startswith("kgate.yaml")] == [
        "kgate.yaml:3: listen[0].tls.key: tls.key does not exist",
        "kgate.yaml:7: clusters.dev.token_file: token cannot be read: permission denied",
    ]
    assert [line.split(":")[0] for line in found if not line.startswith("kgate.yaml")] == [
        "policy.yaml", "policy.yaml", "prod-eu.kubeconfig", "prod-eu.kubeconfig", "tokens.yaml",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (changed("hosts: [prod-eu", "hosts: [kube.example.com, prod-eu"), "kube.example.com already means public_url"),
        (changed("token_file: token}", "token_file: token, hosts: [prod-eu.kube.example.com]}"), "already means cluster prod-eu"),
        (changed("hosts: [prod-eu.kube.example.com]", "hosts: [Prod.example.com]"), "is not a host name"),
        (changed("hosts: [prod-eu.kube.example.com]", "context: nope"), 'kgate.yaml:6: clusters.prod-eu.context: there is no "nope" under contexts of'),
        (Files().but("prod-eu.kubeconfig", KUBECONFIG.replace("text: gate", "text: gone")), 'kubeconfig:3: there is no "gone@prod-eu" under contexts'),
        (changed("{kubeconfig: prod-eu.kubeconfig", '{kubeconfig: prod-eu.kubeconfig, server: "https://x"'), "server: does not go with kubeconfig"),
        (changed(", token_file: token}", "}"), "clusters.dev: has no credential"),
        (changed(", token_file: token}", ", client_certificate: gate.crt}"), "needs client_certificate and client_key together"),
        (changed(", token_file: token}", ", client_certificate: gate.crt, client_key: tls.key}"), "client_key: does not belong to the certificate"),
        (changed("https://10.0.0.5:6443", "https://10.0.0.5:6443/a//b"), "could be read in two ways"),
        (changed(", token_file: token}", ", token_file: token, insecure_skip_tls_verify: true}"), "does not go with certificate_authority"),
        (changed(", token_file: token}", ", token_file: token, proxy_url: proxy}"), "is not the URL of a forward proxy"),
        (changed(", token_file: token}", ", token_file: token, proxy_url: \"http://p:99999\"}"), "clusters.dev.proxy_url: is not the URL of a forward proxy"),
        (changed(", token_file: token}", ", token_file: token, proxy_url: \"https://p\"}"), "clusters.dev.proxy_url: of https:// is not carried"),
        (Files().but("prod-eu.kubeconfig", KUBECONFIG.replace("ca.crt}", 'ca.crt, proxy-url: "https://p"}')), "kubeconfig:4: proxy-url of https:// is"),
        (changed("policy: policy.yaml", "policy: policy.yaml\nweb_proxy: {url: \"https://p\"}"), "web_proxy.url: of https:// is not carried"),
        (changed("labels: {env: prod}", "labels: {env: 1}"), "clusters.prod-eu.labels.env: must be text"),
        (changed("https://kube.example.com:8443", "https://kube.example.com/gate"), "public_url: \"https://kube.example.com/gate\" has a path"),
        (changed("127.0.0.1:9090", "localhost:9090"), '"localhost" is not an IP address'),
        (changed("address: 0.0.0.0:8443", "address: 0.0.0.0:8443\n    proxy_protocol: {trusted: []}"), "trusted: is an empty list"),
        (changed("address: 0.0.0.0:8443", "address: 0.0.0.0:8443\n    proxy_protocol: {trusted: [10.0.0.1/8]}"), "did you mean 10.0.0.0/8?"),
        (changed("public_url", "  - {address: 0.0.0.0:8443, tls: {certificate: tls.crt, key: tls.key}}\npublic_url"), "0.0.0.0:8443 stands here twice"),
        (changed("127.0.0.1:9090", "127.0.0.1:8443"), "admin.address: 127.0.0.1:8443 is taken by listen[0] (0.0.0.0:8443)"),
        (changed("public_url", "  - {address: \"[::]:8443\", tls: {certificate: tls.crt, key: tls.key}}\npublic_url"), "[::]:8443 takes 0.0.0.0:8443 too"),
        (changed("public_url", "  - {address: 10.0.0.1:8443, tls: {certificate: tls.crt, key: tls.key}}\npublic_url"), "0.0.0.0:8443 takes 10.0.0.1:8443 too"),
        (changed("0.0.0.0:8443", "127.0.0.1:0", MINIMAL + "workers: 2\n"), "port 0 would be another one for each of the workers"),
        (changed("policy: policy.yaml", "policy: ~nobody-of-this-name/policy.yaml"), "policy: \"~nobody-of-this-name/policy.yaml\" is in nobody's home"),
        (Files(MINIMAL + "facts: [{source: a, url: \"https://h/\", max_age: 1m, certificate_authority: token}]\n"), "[0].certificate_authority: is not a"),
        (Files(MINIMAL + "authorizers: [{name: a, opa: {url: \"https://h/\", certificate_authority: token}}]\n"), "opa.certificate_authority: is not a PEM"),
        (changed("policy: policy.yaml", "policy: policy.yaml\nlimits: {streams: 1.5}"), "limits.streams: must be a whole number"),
        (changed("policy: policy.yaml", "policy: policy.yaml\ndeadlines: {head: 0s}"), "out of range"),
        (changed("policy: policy.yaml", "policy: policy.yaml\nstat: sqlite:///x"), 'unknown key "stat"'),
        (changed("policy: policy.yaml", "policy: policy.yaml\nstate: mysql://x"), "mysql is not a kind of database"),
        (changed("policy: policy.yaml", "policy: policy.yaml\nstate: state.db"), "state: is not the URL of a database"),
        (changed("policy: policy.yaml", "policy: policy.yaml\nstate: \"sqlite://\""), "state: names no file"),
        (Files(MINIMAL + "secrets: {key_file: secrets.key}\n").but("secrets.key", "short"), "secrets.key_file: has a line that is not 32 bytes"),
        (Files().but("token", ""), "token holds no token"),
        (Files().but("token", "two words"), "token holds no token"),
        (Files().but("people-ca.crt", authority().client("x").certificate), "is not a certificate authority"),
        (Files().but("tls.crt", "nothing"), "listen[0].tls.certificate: is not a PEM certificate"),
        (Files().but("tls.key", "nothing"), "listen[0].tls.key: is not a PEM private key"),
        (Files().but("tls.crt", certificates()["tls.crt"][:500]), "listen[0].tls.certificate: is a PEM certificate that was cut off or changed"),
        (Files().but("tls.crt", certificates()["tls.key"]), "listen[0].tls.certificate: is a private key, not a certificate (name the certificate's file"),
        (Files().but("tls.key", certificates()["tls.crt"]), "listen[0].tls.key: is a certificate, not a private key (name the key's file"),
        (Files().but("tls.crt", authority().certificate + certificates()["tls.crt"]), "certificate: has the key's own certificate behind another"),
        (Files().but("ca.crt", " \n"), "clusters.dev.certificate_authority: is empty (put the certificate there)"),
        (changed("token_file: token}", "client_certificate: gate.crt, client_key: gate.key}").but("gate.crt", ""), "client_certificate: is empty"),
        (changed("token_file: token}", "client_certificate: gate.crt, client_key: gate.key}").but("gate.key", ""), "client_key: is not a PEM private key"),
        (Files().but("tls.key", authority().server(["x"]).key), "listen[0].tls.key: does not belong to the certificate"),
        (Files().but("policy.yaml", b"\xff"), "policy.yaml:1: the file is not UTF-8 text"),
        (Files().but("prod-eu.kubeconfig", "kind: Pod"), 'prod-eu.kubeconfig:1: kind is "Pod"'),
    ],
)  # fmt: skip
def test_what_does_not_fit_together(files: Files, says: str) -> None:
    assert says in "\n".join(mistakes(files))


@pytest.mark.parametrize("more", ["10.0.0.1:8444", "'[::1]:8443'", "'[::]:8444'"])
def test_addresses_that_go_together(more: str) -> None:
    listen = f"  - {{address: {more}, tls: {{certificate: tls.crt, key: tls.key}}}}\npublic_url"
    assert len(load(changed("public_url", listen)).settings.listen) == 2


@pytest.mark.parametrize("url", ["http://[2001:db8::1]:3128", "http://u:p@[::1]", "socks5://[::1]:1080/", "http://10.0.0.1:3128"])
def test_a_forward_proxy_may_be_an_address_of_either_kind(url: str) -> None:
    assert load(changed(", token_file: token}", f', token_file: token, proxy_url: "{url}"}}')).access["dev"].proxy_url == url
    kubeconfig = KUBECONFIG.replace("ca.crt}", f'ca.crt, proxy-url: "{url}"}}')
    assert load(Files().but("prod-eu.kubeconfig", kubeconfig)).access["prod-eu"].proxy_url == url


@pytest.mark.parametrize("text", ["clusters: {}", "clusters: []", "clusters:"])
def test_a_gate_without_clusters(text: str) -> None:
    begin, end = MINIMAL.index("clusters:"), MINIMAL.index("identity:")
    assert "kgate.yaml:5: clusters" in "\n".join(mistakes(Files(MINIMAL[:begin] + text + "\n" + MINIMAL[end:])))


def test_expired_certificates_are_mistakes_and_those_that_soon_will_be_are_warned_of() -> None:
    assert load(Files(), NOW + 10 * 86400).warnings == ()
    soon = [str(each).replace(f"{FOLDER}/", "") for each in load(Files(), NOW + 20 * 86400).warnings]
    assert len(soon) == 4 and all("the certificate expires on 2026-10-21 14:13 UTC (renew it)" in line for line in soon)
    late = mistakes(Files(), NOW + 40 * 86400)
    assert len(late) == 4 and all("the certificate expired on 2026-10-21 14:13 UTC (renew it)" in line for line in late)
    assert "not valid before" in "\n".join(mistakes(Files(), NOW - 10 * 86400))


def test_to_a_gate_that_runs_they_are_no_reason_to_keep_a_policy_that_somebody_takes_a_right_out_of() -> None:
    late = load_configuration(FILE, NOW + 40 * 86400, Files().read, running=True)
    assert len(late.warnings) == 4 and all(
        "the certificate expired on 2026-10-21 14:13 UTC (renew it)" in str(each) for each in late.warnings
    )
    with pytest.raises(InvalidFileError, match="not valid before"):
        load_configuration(FILE, NOW - 10 * 86400, Files().read, running=True)


GEO = MINIMAL + "geo: {country: GeoLite2-Country.mmdb, asn: GeoLite2-ASN.mmdb}\n"


def test_geo_data_that_are_none_are_found_before_a_start() -> None:
    assert load(Files(GEO)).settings.geo is not None
    rubbish, missing = mistakes(Files(GEO).but("GeoLite2-Country.mmdb", "rubbish").but("GeoLite2-ASN.mmdb", None))
    assert rubbish.startswith("kgate.yaml:14: geo.country: GeoLite2-Country.mmdb is not a database in MaxMind's format (get it again: ")
    assert missing == "kgate.yaml:14: geo.asn: GeoLite2-ASN.mmdb does not exist"


def test_to_a_gate_that_runs_bad_geo_data_are_no_reason_to_keep_a_policy() -> None:
    load_configuration(FILE, NOW, Files(GEO).but("GeoLite2-Country.mmdb", "rubbish").read, running=True)


def test_a_bundle_needs_one_authority_in_force() -> None:
    old = Authority("old", NOW - 90 * 86400)
    assert load(Files().but("people-ca.crt", old.certificate + authority().certificate)).warnings == ()
    assert "expired" in "\n".join(mistakes(Files().but("people-ca.crt", old.certificate)))


def warnings(files: Files) -> list[str]:
    return [str(each).replace(f"{FOLDER}/", "") for each in load(files).warnings]


def test_the_names_of_a_listener_s_certificate_have_no_case() -> None:
    server = authority().server(["Kube.Example.COM"])
    assert warnings(Files().but("tls.crt", server.certificate).but("tls.key", server.key)) == []


def test_relaxations_and_slips_are_warned_of() -> None:
    text = MINIMAL.replace("{directory: audit/}", "{directory: audit/, mode: best_effort}").replace("127.0.0.1:9090", "0.0.0.0:9090")
    text = text.replace("certificate_authority: ca.crt, token_file: token", "token_file: token, insecure_skip_tls_verify: true")
    text += "limits: {requests_per_person: 0, requests_per_address: 0}\n"
    files = Files(text).but("policy.yaml", POLICY.replace("[dev]", "[dve]"))
    files.but("tls.crt", authority().server(["other"]).certificate)
    server = authority().server(["other.example.com"])
    files.but("tls.crt", server.certificate).but("tls.key", server.key)
    assert warnings(files) == [
        "kgate.yaml:3: listen[0].tls.certificate: the certificate is for other.example.com, not for kube.example.com of public_url",
        "kgate.yaml:7: clusters.dev.insecure_skip_tls_verify: whoever is in between can be this cluster (name its certificate_authority)",
        "kgate.yaml:12: audit.mode: requests go on even where their record cannot be written (strict is the default)",
        "kgate.yaml:13: admin.address: metrics are open to whoever reaches this address (127.0.0.1 keeps them on this machine)",
        "kgate.yaml:14: limits.requests_per_person: one person's program can keep the gate from everybody else (1000 is the default)",
        "kgate.yaml:14: limits.requests_per_address: strangers can keep the gate from everybody else (200 is the default)",
        'policy.yaml:4: rule "look" names the cluster dve, which is not configured (did you mean "dev"?)',
    ]


def test_clusters_that_named_sets_name_are_held_against_the_configuration_too() -> None:
    one = "  one: {names: [dev, '!dve', 'd*']}"
    several = "  several:\n    - labels: {stage: test}\n    - names: [prod, dev]"
    assert warnings(Files().but("policy.yaml", f"clusters:\n{one}\n{several}\n{POLICY}")) == [
        'policy.yaml:2: set "one" names the cluster dve, which is not configured (did you mean "dev"?)',
        'policy.yaml:5: set "several" names the cluster prod, which is not configured (did you mean "prod-eu"?)',
    ]


def test_a_file_that_is_not_there_says_how_to_name_it() -> None:
    with pytest.raises(UsageError) as caught:
        load(Files().but("kgate.yaml", None))
    assert str(caught.value) == "/etc/kgate/kgate.yaml does not exist; name the gate's configuration file"


def test_devices_and_pipes_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "kgate.yaml").write_text(MINIMAL.replace("policy: policy.yaml", "policy: /dev/zero"))
    with pytest.raises(InvalidFileError, match="policy: /dev/zero cannot be read: it is not a regular file"):
        load_configuration(tmp_path / "kgate.yaml", NOW)


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        ("{sources: []}", "identity.groups.sources: is an empty list"),
        ("{sources: [token, token]}", "identity.groups.sources: names a source twice"),
        ("{sources: [token, file]}", "needs file among its sources and a file together"),
        ("{sources: [token], file: groups.yaml}", "needs file among its sources and a file together"),
        ("{sources: [ldap]}", '"ldap" is not known'),
        ("{sources: [file], file: nowhere.yaml}", "nowhere.yaml"),
    ],
)
def test_sources_of_groups_that_make_no_sense(groups: str, says: str) -> None:
    assert says in "\n".join(mistakes(changed("identity:\n", f"identity:\n  groups: {groups}\n")))


def test_a_file_of_groups_counts() -> None:
    configuration = load(changed("identity:\n", "identity:\n  groups: {sources: [token, file], merge: first, file: groups.yaml}\n"))
    assert configuration.identity.roster is not None and configuration.identity.roster.groups_of("bob") == ("sre",)


@pytest.mark.parametrize("folder", ["what?", "a%20b", "#1"])
def test_the_state_is_beside_the_file_whatever_the_folder_is_called(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "kgate.yaml").write_text(MINIMAL)
    state = load_settings(tmp_path / folder / "kgate.yaml").state
    assert open_engine(state).url.database == f"{tmp_path}/{folder}/state.db"


def test_paths_stay_the_same_where_kubernetes_exchanges_what_a_mount_shows(tmp_path: Path) -> None:
    """A ConfigMap's file is a link into a folder that is another one, of another name, after each change: nothing may be looked for in there by its
    name, for a key file of the same mount would be another path then, which a reload cannot carry out."""
    found = []
    for version in ("..2026_01", "..2026_02"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "kgate.yaml").write_text(MINIMAL + "secrets: {key_file: secrets.key}\n")
        (tmp_path / "next").symlink_to(version)
        (tmp_path / "next").replace(tmp_path / "..data")
        if not found:
            (tmp_path / "kgate.yaml").symlink_to("..data/kgate.yaml")
        found.append(load_settings(tmp_path / "kgate.yaml"))
    assert needs_a_restart(*found) is None
    assert found[1].secrets is not None and found[1].secrets.key_file == tmp_path / "secrets.key"


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("state: postgresql+psycopg://kgate:pa@sesame:1@db/kgate", "state: is not the URL of a database (write sqlite:///FILE, or"),
        ("state: postgresql+psycopg://[::1/kgate", "state: is not the URL of a database"),
        (
            "public_certificate_authority: ~nobody-of-that-name/ca.crt",
            'public_certificate_authority: "~nobody-of-that-name/ca.crt" is in nobody\'s home',
        ),
    ],
)
def test_what_only_a_library_can_read_is_a_mistake_with_its_line_too(line: str, mistake: str) -> None:
    (said,) = mistakes(Files(MINIMAL + line + "\n"))
    assert said.startswith(f"kgate.yaml:{MINIMAL.count(chr(10)) + 1}: {mistake}") and "sesame" not in said


SILENT = TimeoutError(110, "it has not answered for 2 s", "token")


def test_a_token_whose_file_does_not_answer_is_no_mistake_for_it_is_read_again_as_it_is_used() -> None:
    found = load_configuration(FILE, NOW, Files().but("token", SILENT).read, running=True)
    assert [each.text for each in found.warnings if "token_file" in each.text] == [
        f"clusters.dev.token_file: {FOLDER}/token cannot be read: it has not answered for 2 s; it is read again as it is used"
    ]
    assert {each.credential.token_file for each in found.access.values()} == {str(FOLDER / "token")}


@pytest.mark.parametrize("name", ["prod-eu.kubeconfig", "policy.yaml", "tokens.yaml", "tls.key"])
def test_any_other_file_that_does_not_answer_is_a_mistake(name: str) -> None:
    with pytest.raises(InvalidFileError, match=f"{name} cannot be read: it has not answered for 2 s"):
        load_configuration(FILE, NOW, Files().but(name, SILENT).read, running=True)
