"""``kgate login`` and what follows: whoami, clusters, kubeconfig, credential, logout, against a gate and a company that run."""

from __future__ import annotations

import json
import select
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from identity_gate import identity_gate
from lab.waiting import eventually
from real_kubectl import needs_kubectl
from sign_in import KEY, Browser, Machine, Scene, scene


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("commands")) as running:
        yield running


@pytest.fixture(scope="module")
def alice(world: Scene) -> Machine:
    return world.signed_in("alice")


def test_somebody_signs_in_and_is_who_the_company_says(world: Scene) -> None:
    machine = world.machine()
    code, out, _ = machine.login(lambda browser, shown: world.company.pick(browser, shown, "bob"))
    assert code == 0 and out.startswith(f"signed in to {machine.url} as bob until ")
    code, out, _ = machine.run("whoami", "-o", "json")
    who = json.loads(out)
    assert (who["user"], who["groups"], who["issuer"], who["gate"]) == ("bob", ["sre"], world.company.url, machine.url)
    assert who["session"] and who["expires"] and who["signed_in"] and who["acr"] == "demo"
    login = world.until_recorded("login", user="bob", allowed=True)
    assert (
        login["method"] == "cli" and login["session"] == who["session"] and login["groups"] == ["sre"] and login["source_ip"] == "127.0.0.1"
    )


def test_what_is_kept_is_the_persons_own_and_no_secret_is_said(alice: Machine) -> None:
    assert stat.S_IMODE(alice.kept().stat().st_mode) == 0o600 and stat.S_IMODE(alice.kept().parent.stat().st_mode) == 0o700
    code, out, err = alice.run("whoami")
    kept = json.loads(alice.kept().read_text())
    assert code == 0 and "alice" in out and "developers" in out
    assert not any(kept[name] in out + err for name in ("secret", "token"))


@pytest.mark.threat("26")
def test_no_secret_is_in_the_log_or_the_audit(world: Scene, alice: Machine) -> None:
    kept = json.loads(alice.kept().read_text())
    written = world.gate.gate.log.read_text() + json.dumps(world.gate.gate.records())
    assert not any(kept[name] in written for name in ("secret", "token"))
    assert "code=" not in written and "the-gates-secret-there" not in written


@pytest.mark.threat("24")
def test_no_secret_is_in_the_arguments_the_environment_or_what_is_said(world: Scene, tmp_path: Path) -> None:
    """Anybody on the machine may read how programs were started; kgate's own, and the browser that it opens."""
    machine = world.machine()
    noted = tmp_path / "noted"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {noted}.new; env >> {noted}.new; mv {noted}.new {noted}\n')
    browser.chmod(0o755)
    authority = machine.home / "gate-ca.crt"
    authority.write_bytes(world.gate.gate.authority.certificate)
    process = machine.start("login", machine.url, "--certificate-authority", str(authority), env={"BROWSER": f"{browser} %s"})
    link = eventually("the browser opens", lambda: noted.exists() and noted.read_text()).split()[0]
    own = b"".join(Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ")).decode()
    somebody = Browser()
    world.company.pick(somebody, somebody.open(link), "alice")
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    code, _, refreshing = machine.run("credential", "--gate", machine.url)
    kept = json.loads(machine.kept().read_text())
    assert code == 0 and "PATH=" in own and "PATH=" in noted.read_text()
    assert not any(kept[name] in own + noted.read_text() + out + err + refreshing for name in ("secret", "token"))


def test_clusters_and_kubeconfig_show_what_one_may_see(world: Scene, alice: Machine) -> None:
    code, out, _ = alice.run("clusters", "-o", "json")
    assert code == 0
    assert json.loads(out) == [{"name": "lab", "labels": {}, "server": f"{alice.url}/clusters/lab"}]
    code, out, _ = alice.run("kubeconfig")
    user = yaml.safe_load(out)["users"][0]["user"]["exec"]
    assert code == 0 and user["args"] == ["credential", "--gate", alice.url] and user["interactiveMode"] == "Never"
    nobody = world.signed_in("mallory")
    assert nobody.run("kubeconfig")[::2] == (1, "kgate: there is no cluster that you may see; ask whoever runs the gate for access\n")


def test_merge_leaves_other_contexts_alone(alice: Machine) -> None:
    path = alice.home / ".kube" / "config"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump({"contexts": [{"name": "mine", "context": {"cluster": "c", "user": "u"}}], "current-context": "mine"}))
    path.chmod(0o640)
    for _ in range(2):
        code, _, err = alice.run("kubeconfig", "--merge")
        assert code == 0, err
    merged = yaml.safe_load(path.read_text())
    assert [each["name"] for each in merged["contexts"]] == ["mine", "lab"] and merged["current-context"] == "mine"
    assert len(merged["users"]) == 1 and stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_credential_for_kubectl_in_the_version_it_speaks(alice: Machine, version: str) -> None:
    info = {"kind": "ExecCredential", "apiVersion": f"client.authentication.k8s.io/{version}", "spec": {"interactive": False}}
    code, out, err = alice.run("credential", "--gate", alice.url, env={"KUBERNETES_EXEC_INFO": json.dumps(info)})
    credential = json.loads(out)
    assert (code, err, credential["apiVersion"], credential["kind"]) == (0, "", info["apiVersion"], "ExecCredential")
    assert credential["status"]["token"].count(".") == 2 and credential["status"]["expirationTimestamp"].endswith("Z")
    assert alice.gate.whoami(credential["status"]["token"])["user"] == "alice"


def test_a_device_certificate_goes_beside_the_token(alice: Machine) -> None:
    certificate, key = alice.gate.gate.authority.leaf(common_name="laptop", client=True).write(alice.home, "device")
    code, out, _ = alice.run("credential", "--client-certificate", str(certificate), "--client-key", str(key))
    status = json.loads(out)["status"]
    assert (
        code == 0 and status["clientCertificateData"].startswith("-----BEGIN CERTIFICATE-----") and "PRIVATE KEY" in status["clientKeyData"]
    )
    assert alice.run("credential", "--client-key", str(key))[0] == 2


def test_a_kubeconfig_with_a_device_certificate_works_wherever_kubectl_is_run(alice: Machine) -> None:
    alice.gate.gate.authority.leaf(common_name="laptop", client=True).write(alice.home, "here")
    code, out, err = alice.run("kubeconfig", "--client-certificate", "here.crt", "--client-key", "here.key", cwd=alice.home)
    assert code == 0, err
    code, out, err = alice.run(*yaml.safe_load(out)["users"][0]["user"]["exec"]["args"], cwd="/")
    assert code == 0 and "PRIVATE KEY" in json.loads(out)["status"]["clientKeyData"], err


@pytest.mark.parametrize(
    "given", [["--client-certificate", "here.crt"], ["--client-certificate", "nowhere.crt", "--client-key", "nowhere.key"]]
)
def test_a_device_certificate_that_kubectl_could_not_read_is_said_at_once(alice: Machine, given: list[str]) -> None:
    code, out, err = alice.run("kubeconfig", *given, cwd=alice.home)
    assert (code, out) == (2, "") and ("go together" in err or "nowhere.crt" in err), err


def test_a_gate_is_the_same_however_its_url_is_written(alice: Machine) -> None:
    for written in (alice.url + "/", alice.url.removeprefix("https://"), alice.url.replace("https", "HTTPS")):
        code, _, err = alice.run("credential", "--gate", written)
        assert code == 0, err


@needs_kubectl
def test_kubectl_works_with_the_kubeconfig(world: Scene, alice: Machine) -> None:
    path = alice.home / "kubeconfig"
    path.write_text(alice.run("kubeconfig")[1])
    command = ["kubectl", "--kubeconfig", str(path), "get", "--raw", "/clusters/lab/api/v1/namespaces/a/pods"]
    done = subprocess.run(command, env=alice.environment, capture_output=True, text=True, timeout=90, check=False)
    assert (done.returncode, done.stdout) == (0, "{}"), done.stderr


def test_whoever_is_not_signed_in_reads_one_line_that_says_what_to_do(world: Scene) -> None:
    machine = world.machine()
    for arguments in (["whoami"], ["clusters"], ["kubeconfig"], ["credential"], ["logout"]):
        code, out, err = machine.run(*arguments)
        assert (code, out) == (1, "") and "you are not signed in" in err and len(err.splitlines()) == 1
    assert f"run: kgate login {machine.url}" in machine.run("credential", "--gate", machine.url)[2]
    assert machine.run("login")[0] == 2 and machine.run("login", "ftp://x")[0] == 2


@pytest.mark.parametrize("way", ["--device", "--no-browser"])
def test_a_gate_that_is_not_there_or_not_trusted_is_three(world: Scene, way: str) -> None:
    """At once: nobody is sent to a browser first, which could only say the same."""
    machine = world.machine()
    code, _, err = machine.run("login", way, "https://127.0.0.1:1")
    assert code == 3 and "does not answer" in err
    code, _, err = machine.run("login", way, machine.url)
    assert code == 3 and "cannot be trusted" in err and "--certificate-authority" in err


def logs_in(machine: Machine, *arguments: str) -> tuple[int, str]:
    """``kgate login`` without anybody at a browser: it has to come to an end by itself."""
    authority = machine.home / "gate-ca.crt"
    authority.write_bytes(machine.gate.gate.authority.certificate)
    process = machine.start("login", *arguments, "--certificate-authority", str(authority))
    try:
        _, err = process.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError("it waits for somebody") from None
    return process.returncode, err


def test_a_gate_by_another_name_says_its_own_before_anybody_is_sent_to_a_browser(world: Scene) -> None:
    """Its answer would come under its own name, and not be taken: kgate login would wait for ten minutes."""
    code, err = logs_in(world.machine(), f"https://localhost:{world.gate.gate.port}")
    assert code == 1 and f"run: kgate login {world.url}" in err


@pytest.mark.parametrize("way", ["--no-browser", "--device"])
def test_a_gate_that_nobody_can_sign_in_to_says_so_at_once(tmp_path: Path, way: str) -> None:
    for name, identity in (("a", {}), ("b", {"secrets": {"key_file": "secrets.key"}})):
        folder = tmp_path / name
        (folder / "gate").mkdir(parents=True)
        (folder / "gate" / "secrets.key").write_text(KEY)
        with identity_gate(folder / "gate", {"tokens": {"file": "tokens.yaml"}}, **identity) as gate:
            machine = Machine(folder, gate)
            code, err = logs_in(machine, machine.url, way)
        assert code == 1 and "no identity provider to sign in with" in err, err


def test_a_sign_in_that_cannot_begin_is_told_at_the_terminal_too(world: Scene) -> None:
    process, link = world.machine().begin_login("--issuer", "https://nobody.example")
    Browser().open(link)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 1 and "the sign-in failed: there is no such identity provider here" in err


def test_the_identity_provider_is_chosen_in_the_browser_where_that_is_elsewhere(world: Scene) -> None:
    code, err = logs_in(world.machine(), world.url, "--device", "--issuer", world.company.url)
    assert code == 2 and "--issuer" in err and "--device" in err


def test_logout_ends_the_session_and_removes_what_was_kept(world: Scene) -> None:
    machine = world.signed_in("alice")
    kept = json.loads(machine.kept().read_text())
    token = json.loads(machine.run("credential")[1])["status"]["token"]
    assert world.gate.ask(token)[0] == 200
    code, out, _ = machine.run("logout")
    assert code == 0 and "signed out" in out and not machine.kept().exists()
    assert world.until_recorded("logout", session=kept["session"])["reasons"] == ["you signed out"]
    status, message = world.gate.ask(token)
    assert status == 401 and "your session ended: you signed out; run kgate login" in message


def test_signing_in_again_ends_the_former_session(world: Scene) -> None:
    machine = world.signed_in("alice")
    former = json.loads(machine.kept().read_text())["session"]
    assert machine.login(lambda browser, shown: world.company.pick(browser, shown, "alice"))[0] == 0
    world.until_recorded("logout", session=former)


@pytest.mark.threat("14")
def test_a_session_for_some_clusters_reaches_no_other(world: Scene) -> None:
    machine = world.signed_in("alice", "--cluster", "dev-*", "--cluster", "test")
    token = json.loads(machine.run("credential")[1])["status"]["token"]
    status, message = world.gate.ask(token)
    assert status == 403 and "the credential is for dev-*" in message
    assert json.loads(machine.run("clusters", "-o", "json")[1]) == []


@pytest.mark.threat("14")
@pytest.mark.parametrize("way", ["kubectl", "step-up"])
def test_whoever_signed_in_for_some_clusters_is_signed_in_again_for_no_others(world: Scene, way: str) -> None:
    machine = world.signed_in("alice", "--cluster", "dev-*", "--cluster", "test")
    if way == "kubectl":
        info = {"apiVersion": "client.authentication.k8s.io/v1", "spec": {"interactive": True}}
        assert machine.run("logout")[0] == 0
        process = machine.start("credential", "--gate", machine.url, env={"KUBERNETES_EXEC_INFO": json.dumps(info)})
        assert process.stderr is not None
        link = (process.stderr.readline() + process.stderr.readline()).split("\n")[1]
    else:
        process, link = machine.begin_login("--step-up")
    browser = Browser()
    world.company.pick(browser, browser.open(link), "alice")
    assert process.communicate(timeout=90) and process.returncode == 0
    status, message = world.gate.ask(json.loads(machine.run("credential")[1])["status"]["token"])
    assert status == 403 and "the credential is for dev-*" in message
    assert machine.login(lambda browser, shown: world.company.pick(browser, shown, "alice"))[0] == 0
    assert world.gate.ask(json.loads(machine.run("credential")[1])["status"]["token"])[0] == 200


def test_step_up_is_a_fresh_sign_in(world: Scene) -> None:
    machine = world.signed_in("alice")
    former = json.loads(machine.kept().read_text())
    process, link = machine.begin_login("--step-up")
    browser = Browser()
    shown = browser.open(link)
    asked = next(each for each in browser.visited if each.startswith(world.company.url))
    assert "max_age=0" in asked
    world.company.pick(browser, shown, "alice")
    assert process.communicate(timeout=90)[0].startswith("signed in")
    now = json.loads(machine.run("whoami", "-o", "json")[1])
    assert now["session"] != former["session"]
    assert not any(each.get("session") == former["session"] for each in world.records("logout"))  # what runs under it goes on


def test_device_by_code(world: Scene) -> None:
    machine = world.machine()
    authority: Path = machine.home / "gate-ca.crt"
    authority.write_bytes(world.gate.gate.authority.certificate)
    process = machine.start("login", "--device", machine.url, "--certificate-authority", str(authority))
    assert process.stderr is not None
    said = process.stderr.readline() + process.stderr.readline()
    code = said.split("type this code: ")[1].split()[0]
    browser = Browser()
    shown = browser.open(f"{world.url}/device?user_code={code.lower().replace('-', ' ')}".replace(" ", "%20"))
    assert "Is this your device?" in shown.words and code in shown.words and "127.0.0.1" in shown.words
    shown = browser.open(f"{world.url}/device", shown.fields())
    shown = world.company.pick(browser, shown, "bob")
    assert "The device is connected" in shown.words and "bob is signed in there" in shown.words
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0 and "as bob until" in out, err
    assert world.until_recorded("login", user="bob", method="device", allowed=True)


def test_kubectl_may_open_a_browser_only_where_somebody_sits_there_and_once_for_all_who_ask(world: Scene) -> None:
    machine = world.signed_in("alice")
    assert machine.run("logout")[0] == 0
    info = {"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "spec": {"interactive": False}}
    code, out, err = machine.run("credential", "--gate", machine.url, env={"KUBERNETES_EXEC_INFO": json.dumps(info)})
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    info["spec"] = {"interactive": True}
    asking = [machine.start("credential", "--gate", machine.url, env={"KUBERNETES_EXEC_INFO": json.dumps(info)}) for _ in range(3)]
    streams = [process.stderr for process in asking if process.stderr is not None]
    ready, _, _ = select.select(streams, [], [], 30)
    assert len(ready) == 1
    said = ready[0].readline() + ready[0].readline()
    link = said.split("\n")[1]
    browser = Browser()
    world.company.pick(browser, browser.open(link), "alice")
    answers = [process.communicate(timeout=90) for process in asking]
    assert [process.returncode for process in asking] == [0, 0, 0]
    assert len({json.loads(out)["status"]["token"] for out, _ in answers}) == 1
    assert "https://" not in "".join(err for _, err in answers)
