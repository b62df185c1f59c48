"""``scripts/quickstart``: the gate in front of two demo clusters, or of a cluster of the person's own, until Ctrl-C.

Everything lives in a fresh folder that goes when it ends. The gate runs as an operator would run it (``twistd -n kgate --config …``), each demo cluster as
a process beside it; the demo clusters' credentials are the gate's alone.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import click
import yaml

from kgate.demo.certificates import Authority
from kgate.demo.own import NO_KUBECTL, kubectl, own_cluster
from kgate.demo.signals import Interrupted, Signals
from kgate.errors import KgateError
from kgate.kube.client_kubeconfig import GateContext, StaticToken, cluster_url, render_kubeconfig
from kgate.net.contexts import client_context

CLUSTERS = {"kgate-dev": "dev", "kgate-prod": "prod"}
PEOPLE = {"alice": ["developers"], "bob": ["sre"], "mallory": []}
START_SECONDS = 30
END_SECONDS = 10
POLL_SECONDS = 0.05
ALONE_SECONDS = 2
"""For a command that Ctrl-C has reached too, before it is told again."""
HELP = {"help_option_names": ["-h", "--help"], "ignore_unknown_options": True, "allow_interspersed_args": False}

DEMO_POLICY = """\
# The demo's policy. Change it while something runs: what is no longer allowed is cut at once.
rules:
  - name: developers-work-in-dev
    who: {groups: [developers]}
    clusters: {labels: {env: [dev]}}
    allow:
      - {verbs: ["*"], resources: ["*"]}
      - {verbs: ["*"], paths: ["*"]}
      - {actions: [exec, attach, port-forward, cp, proxy]}
  - name: developers-read-prod
    who: {groups: [developers]}
    clusters: {labels: {env: [prod]}}
    allow:
      - {verbs: [get, list, watch], resources: [pods, pods/log, deployments.apps, services, configmaps, events, namespaces]}
  - name: sre-everywhere
    who: {groups: [sre]}
    clusters: {names: ["*"]}
    allow:
      - {verbs: ["*"], resources: ["*"]}
      - {verbs: ["*"], paths: ["*"]}
      - {actions: [exec, attach, port-forward, cp, proxy, lock]}
    record: full
  - name: no-secrets-in-prod
    who: {groups: ["*"]}
    clusters: {labels: {env: [prod]}}
    deny: [{verbs: ["*"], resources: [secrets]}]
"""

TRY_DEMO = (
    ("kubectl get pods", "as alice, in kgate-dev"),
    ("kubectl exec -it deploy/web -- sh", "then take the right away in policy.yaml, and see"),
    ("kubectl --context kgate-prod get secrets", "refused, with the reason"),
    ("kubectl --context kgate-prod --user bob exec deploy/web -- id", ""),
    ("kubectl --user mallory get pods", "nobody granted mallory anything"),
)
TRY_PLAY = (("{kgate} play --search uid --config {folder}/kgate.yaml", "which of bob's shells had that word; kgate play ID plays it"),)
TRY_WHY = (("{kgate} policy explain ID --config {folder}/kgate.yaml", "why, rule by rule; ID is what the refusal names"),)
TRY_SIGN_IN = (
    ("$EDITOR {folder}/people.yaml", "take alice's group away: what she signed in for ends within seconds"),
    ("{kgate} login {url} --certificate-authority {folder}/ca.crt", "as whom you like"),
    ("{kgate} kubeconfig > {folder}/mine && export KUBECONFIG={folder}/mine", ""),
    ("{kgate} sessions list", "as bob: who is in there now; kgate sessions cut ID ends one"),
    ("{kgate} lock add incident-1 --user alice", "as bob: alice is out at once, and what she runs is cut"),
)
TRY_OWN = (
    ("kubectl get pods -A", "through the gate, in your own name"),
    ("kubectl delete pod NAME", "refused: the policy only lets you read"),
)
TRY_THEN = (
    ("$EDITOR {folder}/policy.yaml", "takes effect when you save"),
    ("{kgate} audit tail -f --config {folder}/kgate.yaml", "who did what"),
)


@click.command(context_settings=HELP)
@click.option("--context", default="", help="Put the gate before this context of your own kubeconfig, with a policy that lets you read.")
@click.option("--port", type=click.IntRange(1, 65535), default=8443, show_default=True, help="The gate's port on 127.0.0.1.")
@click.option("--exec", "run", is_flag=True, help="Run COMMAND with KUBECONFIG set, stop everything and exit with its status.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def main(context: str, port: int, run: bool, command: tuple[str, ...]) -> None:
    """Start a gate to try out."""
    if run != bool(command):
        raise click.UsageError("a command goes behind --exec, and --exec takes one: scripts/quickstart --exec kubectl get pods")
    signals = Signals()
    with tempfile.TemporaryDirectory(prefix="kgate-quickstart-") as folder:
        trial = Trial(Path(folder), port, signals)
        try:
            with signals.raised():
                status = _carry_out(trial, context, command)
        except Interrupted as interrupted:
            by_ctrl_c = interrupted.number == signal.SIGINT
            status = 0 if by_ctrl_c and not run else 128 + interrupted.number
            if by_ctrl_c:
                click.echo("\nkgate: stopping", err=True)
        finally:
            trial.stop()
    sys.exit(status)


def _carry_out(trial: Trial, context: str, command: tuple[str, ...]) -> int:
    """All of it but the end; the exit status."""
    try:
        check_port(trial.port)
        if command[:1] == ("kubectl",):
            kubectl()
        if context:
            trial.prepare_own(context)
        else:
            trial.prepare_demo()
        trial.start_gate()
        if command:
            return trial.run(command)
        trial.explain(context)
        trial.wait()
    except KgateError as error:
        click.echo(f"kgate: {error}", err=True)
        return error.exit_code


class Trial:
    """One quickstart: its folder, its processes, its kubeconfig."""

    def __init__(self, folder: Path, port: int, signals: Signals) -> None:
        self.folder, self.port, self._signals = folder, port, signals
        self.kubeconfig = folder / "kubeconfig"
        self._authority = Authority("kgate quickstart authority", time.time())
        self._processes: list[subprocess.Popen[bytes]] = []
        self._tokens: dict[str, str] = {}

    # --- what the gate needs

    def prepare_demo(self) -> None:
        """Two demo clusters and three people."""
        say("starting two demo clusters and a sign-in page")
        for name in CLUSTERS:
            self._start([sys.executable, "-m", "kgate.demo", "--name", name, "--directory", str(self.folder)], f"{name}.log")
        for name in CLUSTERS:
            self._until((self.folder / f"{name}.kubeconfig").exists, f"the demo cluster {name}", f"{name}.log")
        clusters = {name: {"kubeconfig": f"{name}.kubeconfig", "labels": {"env": env}} for name, env in CLUSTERS.items()}
        self._write_gate(clusters, DEMO_POLICY, PEOPLE, self._start_sign_in())
        self._write_kubeconfig(list(CLUSTERS), list(PEOPLE))

    def prepare_own(self, context: str) -> None:
        """One cluster of the person's own kubeconfig, and that person."""
        cluster = own_cluster(context, self.folder / "own.kubeconfig")
        person = getpass.getuser()
        self._write_gate({cluster.name: {"kubeconfig": "own.kubeconfig"}}, cluster.policy(person), {person: []})
        self._write_kubeconfig([cluster.name], [person], cluster.namespace)

    def _start_sign_in(self) -> Mapping[str, object]:
        """The demo company's sign-in page; gives what the gate has to know of it."""
        pair = self._authority.server()
        self._write_secret("idp.key", pair.key)
        (self.folder / "idp.crt").write_bytes(pair.certificate)
        self._write_secret("oidc-secret", secrets.token_urlsafe(32).encode())
        (self.folder / "people.yaml").write_text(yaml.safe_dump(PEOPLE))
        back = f"https://127.0.0.1:{self.port}/login/callback"
        self._start([sys.executable, "-m", "kgate.demo.sign_in", "--directory", str(self.folder), "--redirect-uri", back], "sign-in.log")
        self._until((self.folder / "issuer").exists, "the sign-in page", "sign-in.log")
        url = (self.folder / "issuer").read_text()
        return {
            "issuer": {"url": url, "audiences": ["kgate"], "certificateAuthority": self._authority.certificate.decode()},
            "claimMappings": {"username": {"claim": "sub", "prefix": ""}, "groups": {"claim": "groups", "prefix": ""}},
            "login": {"client_id": "kgate", "client_secret_file": "oidc-secret", "name": "the demo's company"},
        }

    def _write_secret(self, name: str, content: bytes) -> None:
        (self.folder / name).touch(0o600)
        (self.folder / name).write_bytes(content)

    def _write_gate(
        self,
        clusters: Mapping[str, Mapping[str, object]],
        policy: str,
        people: Mapping[str, list[str]],
        issuer: Mapping[str, object] | None = None,
    ) -> None:
        server = self._authority.server()
        (self.folder / "tls.crt").write_bytes(server.certificate)
        (self.folder / "ca.crt").write_bytes(self._authority.certificate)
        self._write_secret("tls.key", server.key)
        self._write_secret("secrets.key", b64encode(secrets.token_bytes(32)))
        self._tokens = {name: secrets.token_urlsafe(32) for name in people}
        robots = [
            {"name": name, "sha256": hashlib.sha256(self._tokens[name].encode()).hexdigest(), "user": name, "groups": groups}
            for name, groups in people.items()
        ]
        (self.folder / "tokens.yaml").write_text(yaml.safe_dump({"robots": robots}))
        (self.folder / "policy.yaml").write_text(policy)
        config = {
            "listen": [{"address": f"127.0.0.1:{self.port}", "tls": {"certificate": "tls.crt", "key": "tls.key"}}],
            "public_url": f"https://127.0.0.1:{self.port}",
            "clusters": {name: dict(cluster) for name, cluster in clusters.items()},
            "identity": {"tokens": {"file": "tokens.yaml"}} | ({"oidc": [issuer]} if issuer is not None else {}),
            "secrets": {"key_file": "secrets.key"},
            "sign_in": {"recheck": "10s"},
            "public_certificate_authority": "ca.crt",
            "policy": "policy.yaml",
            "audit": {"directory": "audit"},
            "drain": "1s",
        }
        (self.folder / "kgate.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def _write_kubeconfig(self, clusters: list[str], people: list[str], namespace: str = "") -> None:
        url = f"https://127.0.0.1:{self.port}"
        contexts = [GateContext(name, cluster_url(url, name), people[0], namespace) for name in clusters]
        users = {name: StaticToken(self._tokens[name]) for name in people}
        self.kubeconfig.touch(0o600)
        self.kubeconfig.write_text(render_kubeconfig(contexts, users, self._authority.certificate, clusters[0]))

    # --- processes

    def start_gate(self) -> None:
        """Run the gate and wait until it serves."""
        say(f"starting the gate on 127.0.0.1:{self.port}")
        twistd = Path(sys.executable).with_name("twistd")
        self._start([str(twistd), "-n", "--pidfile=", "kgate", "--config", str(self.folder / "kgate.yaml")], "gate.log")
        self._until(self._serves, "the gate", "gate.log")

    def _serves(self) -> bool:
        context = client_context(self._authority.certificate.decode())
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{self.port}/healthz", timeout=2, context=context) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _start(self, command: Sequence[str], log: str) -> None:
        with (self.folder / log).open("wb") as output:
            # A group of its own: Ctrl-C is ours to pass on, in the right order.
            self._begin(command, stdout=output, stderr=output, cwd=self.folder, start_new_session=True)

    def _begin(self, command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """A process that ``stop`` will end, whatever signal comes meanwhile."""
        with self._signals.raised(False):
            self._processes.append(subprocess.Popen(command, **options))
        return self._processes[-1]

    def _until(self, holds: object, what: str, log: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        process = self._processes[-1]
        while not holds():  # type: ignore[operator]
            if status_of(process, self._signals) is not None or time.monotonic() > deadline:
                raise KgateError(f"{what} did not start:\n{self._last_words(log)}")
            time.sleep(0.05)

    def _last_words(self, log: str) -> str:
        """The end of a log, which goes with the folder."""
        said = (self.folder / log).read_text(errors="replace").strip().splitlines()[-5:]
        return "\n".join(f"  {line}" for line in said)

    def run(self, command: Sequence[str]) -> int:
        """Run ``command`` as the first of the people; its exit status."""
        try:
            process = self._begin(command, env={**os.environ, "KUBECONFIG": str(self.kubeconfig)})
        except OSError as error:
            raise KgateError(f"{command[0]} cannot be run ({error.strerror}); install it, or check its name") from error
        try:
            status = ended(process, self._signals)
        except Interrupted as interrupted:
            if interrupted.number == signal.SIGINT:  # of which the terminal told it too
                self._ends(process, ALONE_SECONDS)
            raise
        return status if status >= 0 else 128 - status

    def wait(self) -> NoReturn:
        """Until Ctrl-C, or until the gate ends by itself."""
        code = ended(self._processes[-1], self._signals)
        how = f"with status {code}" if code >= 0 else f"by signal {-code}"
        raise KgateError(f"the gate ended {how}:\n{self._last_words('gate.log')}")

    def stop(self) -> None:
        """End every process that was started, the last first; what has not ended when a signal says to hurry is killed."""
        for process in reversed(self._processes):
            process.terminate()
            if not self._ends(process, END_SECONDS):
                process.kill()
                process.wait()

    def _ends(self, process: subprocess.Popen[bytes], seconds: float) -> bool:
        """Whether it ends by itself within that time, and before a signal says to hurry."""
        deadline = time.monotonic() + seconds
        while process.poll() is None and not self._signals.hurry and time.monotonic() < deadline:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
        return process.poll() is not None

    # --- what to try

    def explain(self, context: str) -> None:
        """Say what is there and what to type."""
        where = {"folder": self.folder, "url": f"https://127.0.0.1:{self.port}", "kgate": Path(sys.executable).with_name("kgate")}
        tries = TRY_OWN + TRY_WHY if context else TRY_DEMO + TRY_PLAY + TRY_WHY + TRY_SIGN_IN
        lines = [(f"export KUBECONFIG={self.kubeconfig}", ""), *((command.format(**where), remark) for command, remark in tries + TRY_THEN)]
        page = "" if context else "Sign in on that page, or in another terminal:"
        click.echo(f"\nThe gate runs on https://127.0.0.1:{self.port}.\n{page or 'In another terminal:'}\n")
        for command, remark in lines:
            # Above its command, not beside it: some commands alone are wider than a terminal.
            click.echo(f"  # {remark}\n  {command}" if remark else f"  {command}")
        click.echo("\nCtrl-C stops everything.")
        if shutil.which("kubectl") is None:
            click.echo(f"\n{NO_KUBECTL}")


def ended(process: subprocess.Popen[bytes], signals: Signals) -> int:
    """The status of ``process``, once it has ended. Raises Interrupted, while it only sleeps: see ``status_of``."""
    while (code := status_of(process, signals)) is None:
        time.sleep(POLL_SECONDS)
    return code


def status_of(process: subprocess.Popen[bytes], signals: Signals) -> int | None:
    """The status of ``process``, None while it runs. Without a signal in between: subprocess takes a lock for it, and an exception that a signal raises
    just behind that leaves the lock taken, for which whoever waits for the process later would wait without end."""
    with signals.raised(False):
        return process.poll()


def check_port(port: int) -> None:
    """Whether the gate will get its port, asked before anything is started. Raises KgateError where it will not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            text = f"port {port} of 127.0.0.1 cannot be had ({error.strerror}); stop what uses it, or choose another: --port {port + 1}"
            raise KgateError(text) from error


def say(text: str) -> None:
    """Progress, on stderr: stdout is the command's."""
    click.echo(f"kgate: {text}", err=True)


if __name__ == "__main__":
    main(prog_name="scripts/quickstart")
