"""The end-to-end suite: kubectl on a real cluster, directly and through a gate that runs as a user runs it.

It is switched on by two kubeconfig paths, ``KGATE_E2E_ADMIN`` (the cluster's administrator) and ``KGATE_E2E_GATE`` (the credential of the gate,
which may only impersonate). Each scenario is played with every kubectl there is. With ``KGATE_E2E_STAND_IN`` set, the gate's place is taken by the
API server itself under the gate's credential: then a scenario that fails is the suite's fault, not the gate's, and whatever needs a gate is skipped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab import pods
from lab.cluster import RealCluster, real_cluster
from lab.gate import ALICE, BOB, Gate, Person, impersonating, running_gate
from lab.kubectl import Kubectl, binaries
from lab.same import Through, Ways

HERE = Path(__file__).parent
ADMIN = os.environ.get("KGATE_E2E_ADMIN", "")
GATE = os.environ.get("KGATE_E2E_GATE", "")
STAND_IN = bool(os.environ.get("KGATE_E2E_STAND_IN"))
WHY_NOT = "the end-to-end suite needs a real cluster: set KGATE_E2E_ADMIN and KGATE_E2E_GATE to its kubeconfigs"
CLIENTS = binaries(Path(ADMIN)) if ADMIN else {}

_MEASURED = "measured end to end"
_gates: list[Gate] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mine = [item for item in items if HERE in item.path.parents]
    for item in mine:
        item.add_marker(pytest.mark.e2e)
        if not (ADMIN and GATE):
            item.add_marker(pytest.mark.skip(reason=WHY_NOT))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    figures = [
        figure
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        if report.when == "call"
        for name, figure in report.user_properties
        if name == _MEASURED
    ]
    if figures:
        terminalreporter.section(_MEASURED)
        for figure in figures:
            terminalreporter.write_line(str(figure))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed and HERE in item.path.parents:
        for gate in _gates:
            report.sections.append((f"the gate's log ({gate.directory.name}), its end", gate.log[-4000:]))
    return report


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Notes a figure that is printed when the run ends. It is told and never judged: machines differ."""
    return lambda figure: request.node.user_properties.append((_MEASURED, figure))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """The real cluster with the run's namespace and its standing pods."""
    with real_cluster(Path(ADMIN), Path(GATE), (ALICE.group, BOB.group)) as opened:
        opened.create(*pods.standing())
        opened.ready(*(thing["metadata"]["name"] for thing in pods.standing()))
        yield opened


@pytest.fixture(scope="session")
def any_gate(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate | None]:
    """The gate of the run; None where the API server stands in for it."""
    if STAND_IN:
        yield None
        return
    with running_gate(tmp_path_factory.mktemp("gate"), cluster.gate) as gate:
        _gates.append(gate)
        yield gate
    _gates.remove(gate)


@pytest.fixture
def gate(any_gate: Gate | None) -> Gate:
    """The gate itself, for tests that a stand-in cannot play."""
    if any_gate is None:
        pytest.skip("needs the gate itself, and KGATE_E2E_STAND_IN is set")
    return any_gate


@pytest.fixture(params=list(CLIENTS) or ["none"], scope="session")
def client(request: pytest.FixtureRequest) -> str:
    """Which kubectl: ``system`` or ``newer``."""
    if request.param == "none":
        pytest.skip("no kubectl on PATH and none beside the cluster")
    return str(request.param)


@pytest.fixture(scope="session")
def through(cluster: RealCluster, any_gate: Gate | None, client: str, tmp_path_factory: pytest.TempPathFactory) -> Through:
    """kubectl of a person through the gate."""
    directory = tmp_path_factory.mktemp(f"gated-{client}")

    def made(person: Person) -> Kubectl:
        path = directory / f"{person.user}.kubeconfig"
        if any_gate is None:
            impersonating(cluster.gate, person, cluster.namespace, path)
        else:
            any_gate.kubeconfig(person, cluster.namespace, path)
        return Kubectl(CLIENTS[client], path, directory / f"{person.user}.home", f"{client}, {person.user}, through the gate")

    return made


@pytest.fixture(scope="session")
def direct(cluster: RealCluster, client: str, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """kubectl of alice straight to the cluster, by impersonation."""
    directory = tmp_path_factory.mktemp(f"direct-{client}")
    path = impersonating(cluster.admin, ALICE, cluster.namespace, directory / "alice.kubeconfig")
    return Kubectl(CLIENTS[client], path, directory / "home", f"{client}, alice, directly")


@pytest.fixture(scope="session")
def ways(direct: Kubectl, through: Through) -> Ways:
    """alice on both ways."""
    return Ways(direct, through(ALICE))


@pytest.fixture(params=["websocket", "spdy"])
def tunnel_ways(request: pytest.FixtureRequest, ways: Ways) -> Ways:
    """alice on both ways, exec and port-forward held to one transport."""
    return ways.over(request.param)
