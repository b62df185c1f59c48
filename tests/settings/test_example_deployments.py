"""What conf/kubernetes/kgate.yaml, conf/kgate.service and the Dockerfile say about the gate is so, as far as it shows without a cluster, systemd or Docker.

tests/e2e/test_deployment.py has the manifest on a real cluster.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from configuration_files import NOW, Files
from lab.image import CONFIG

from kgate.api.admin import Readiness, admin_site
from kgate.settings import Configuration, load_configuration
from kgate.settings.operation import LimitSettings

ROOT = Path(__file__).parents[2]
MANIFEST = (ROOT / "conf/kubernetes/kgate.yaml").read_text()
UNIT = (ROOT / "conf/kgate.service").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
FAREWELL_SECONDS = 2
"""What clients that are behind have to read why they were cut, beyond ``drain``."""
PROGRAMS = Path(sys.executable).parent


def document(kind: str) -> dict[str, Any]:
    (found,) = [each for each in yaml.safe_load_all(MANIFEST) if each["kind"] == kind]
    return dict(found)


@cache
def pod() -> dict[str, Any]:
    return dict(document("StatefulSet")["spec"]["template"]["spec"])


@cache
def container() -> dict[str, Any]:
    (only,) = pod()["containers"]
    return dict(only)


def mounted() -> dict[str, dict[str, Any]]:
    """Where each volume is, and what it is."""
    volumes = {each["name"]: each for each in pod()["volumes"]} | {"data": {"name": "data"}}
    return {each["mountPath"]: volumes[each["name"]] for each in container()["volumeMounts"]}


def files() -> set[str]:
    """What lies in the pod for the gate to read: the keys of the ConfigMap, those of the Secrets that the manifest's comment makes, and the token."""
    names = set()
    for where, volume in mounted().items():
        for source in volume.get("projected", {}).get("sources", ()):
            if "serviceAccountToken" in source:
                names.add(f"{where}/{source['serviceAccountToken']['path']}")
            elif "items" in (of := source.get("secret") or source["configMap"]):
                names |= {f"{where}/{item['path']}" for item in of["items"]}
            elif "secret" in source:
                (made,) = re.findall(rf"create secret generic {of['name']} (.*)", MANIFEST)
                names |= {f"{where}/{name}" for name in re.findall(r"--from-\w+ ([\w.-]+)", made)}
            else:
                names |= {f"{where}/{name}" for name in document("ConfigMap")["data"]}
    return names


@cache
def configuration() -> Configuration:
    """As the gate in the pod reads it."""
    contents = Files(document("ConfigMap")["data"]["kgate.yaml"])
    contents.update({"policy.yaml": document("ConfigMap")["data"]["policy.yaml"].encode(), "cluster-ca.crt": contents["ca.crt"]})

    def read(path: Path) -> bytes:
        if str(path) not in files():
            raise FileNotFoundError(2, "No such file or directory", str(path))
        content = contents[path.name]
        assert isinstance(content, bytes)
        return content

    (flag, path) = container()["args"]
    assert flag == "--config"
    return load_configuration(Path(path), NOW, read)


def test_the_configuration_in_the_configmap_is_good() -> None:
    """But for the admin address, which the kubelet has to reach; the NetworkPolicy keeps others away from it."""
    (warning,) = configuration().warnings
    assert "metrics are open to whoever reaches this address" in str(warning)
    allowed = [rule for rule in document("NetworkPolicy")["spec"]["ingress"] if {"port": "admin"} in rule["ports"]]
    assert allowed and all(rule["from"] for rule in allowed)


def test_what_it_writes_is_on_the_volume() -> None:
    settings = configuration().settings
    where = next(path for path, volume in mounted().items() if volume["name"] == "data")
    assert settings.audit.directory.is_relative_to(where) and Path(settings.state.removeprefix("sqlite:///")).is_relative_to(where)
    assert "/tmp" in mounted() and container()["securityContext"]["readOnlyRootFilesystem"]


def test_ports_and_probes_are_the_gate_s() -> None:
    settings = configuration().settings
    assert settings.admin is not None
    ports = {each["name"]: each["containerPort"] for each in container()["ports"]}
    assert ports == {"https": settings.listen[0].address.port, "admin": settings.admin.address.port}
    assert [each["targetPort"] for each in document("Service")["spec"]["ports"]] == ["https"]

    pages = admin_site(lambda: Readiness({}, {}), bytes).resource.listNames()
    probes = {name: each["httpGet"] for name, each in container().items() if name.endswith("Probe")}
    assert set(probes) == {"startupProbe", "readinessProbe", "livenessProbe"}
    assert all(each["port"] == "admin" and each["path"].removeprefix("/").encode() in pages for each in probes.values())
    assert probes["readinessProbe"]["path"] == "/readyz"


def test_a_pod_has_longer_than_the_gate_needs_to_end() -> None:
    needs = container()["lifecycle"]["preStop"]["sleep"]["seconds"] + configuration().settings.drain + FAREWELL_SECONDS
    assert pod()["terminationGracePeriodSeconds"] > needs + 10


def test_memory_is_for_as_many_connections_as_are_let_in() -> None:
    """The figures of docs/operating.md: at the start, and for a connection with one of its own to the cluster."""
    assert container()["resources"]["limits"]["memory"] == "1Gi"
    assert 110e6 + 54e3 * configuration().settings.limits.connections < 2**30


def test_every_selector_means_the_pods() -> None:
    labels = {"matchLabels": document("StatefulSet")["spec"]["template"]["metadata"]["labels"]}
    selectors = [document(kind)["spec"]["selector"] for kind in ("StatefulSet", "PodDisruptionBudget")]
    assert [*selectors, document("NetworkPolicy")["spec"]["podSelector"]] == [labels] * 3
    assert document("Service")["spec"]["selector"] == labels["matchLabels"]


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)", DOCKERFILE, re.MULTILINE)


def test_the_image_is_run_as_the_manifest_says() -> None:
    user, group = instructions("USER")[0].split(":")
    security = pod()["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"]) == (int(user), int(group))
    assert {"Entrypoint": json.loads(instructions("ENTRYPOINT")[0]), "WorkingDir": instructions("WORKDIR")[-1]} == {
        name: CONFIG[name] for name in ("Entrypoint", "WorkingDir")
    }, "the image of tests/e2e is another"


def test_the_image_is_built_from_what_is_there_and_on_the_python_that_it_runs_on() -> None:
    """A compiled wheel is for one minor version of Python."""
    build, run = (each.removesuffix(" AS build") for each in instructions("FROM"))
    assert build == run
    sent = re.findall(r"^!(.*)", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert all((ROOT / name).exists() for name in sent)
    assert set(sent) >= {"kgate", "twisted", "scripts", "setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"}


def directives(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)", UNIT, re.MULTILINE)


def refused(command: list[str], folder: Path) -> str:
    """What a command line says that is good, but for its configuration, which is not there."""
    command = [str(folder / "kgate.yaml") if each == "/etc/kgate/kgate.yaml" else each for each in command]
    ran = subprocess.run(
        [PROGRAMS / Path(command[0]).name, *command[1:]], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode != 0 and not list(folder.iterdir())
    return ran.stdout + ran.stderr


def test_the_command_lines_are_good(tmp_path: Path) -> None:
    start, check, hang_up = directives("ExecStart")[0], *directives("ExecReload")
    program, *arguments = shlex.split(start)
    assert [Path(program).name, *arguments] == [*json.loads(instructions("ENTRYPOINT")[0]), *container()["args"]]
    for command in (shlex.split(start), shlex.split(check)):
        assert f"{tmp_path}/kgate.yaml does not exist; name the gate's configuration file" in refused(command, tmp_path), command
    assert hang_up == "/bin/kill -HUP $MAINPID"


def test_systemd_waits_for_longer_than_the_gate_needs_to_end_and_lets_it_have_its_descriptors() -> None:
    assert int(directives("TimeoutStopSec")[0]) > configuration().settings.drain + FAREWELL_SECONDS + 10
    assert int(directives("LimitNOFILE")[0]) > 3 * LimitSettings().connections + 128


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """Its exposure is 1.5 of 10."""
    unit = tmp_path / "kgate.service"
    unit.write_text(UNIT.replace("/opt/kgate/bin", str(PROGRAMS)))
    for command in (["verify"], ["security", "--offline=true", "--threshold=20"]):
        ran = subprocess.run(
            ["systemd-analyze", *command, str(unit)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert command != ["verify"] or not ran.stderr, ran.stderr
