"""The cluster's own RBAC, asked before anything is sent there: a binding that is taken away on the real cluster ends a live exec and watch.

Without it neither would notice: the API server looks at rights when a request begins. mallory gets the rights here, by a binding of her own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import evolve
from lab import pods
from lab.cluster import RealCluster
from lab.gate import ALL, MALLORY, Gate, rule, started
from lab.kubectl import Kubectl, one_of_them
from lab.waiting import eventually

KEPT = 4.0
"""Seconds for which the cluster's yes counts; the gate asks again after two thirds of that, and on a busy machine the answer may take what is left."""
PATIENCE = KEPT + 6.0


@pytest.fixture(scope="session")
def client(cluster: RealCluster) -> str:
    return one_of_them(cluster.admin)


@pytest.fixture(scope="module")
def rbac_gate(cluster: RealCluster, any_gate: Gate | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    if any_gate is None:
        pytest.skip("needs the gate itself, and KGATE_E2E_STAND_IN is set")
    gate = Gate(tmp_path_factory.mktemp("rbac-gate"), cluster.gate)
    gate.settings["authorizers"] = [{"name": "rbac", "cluster_rbac": True, "keep": {"allowed": f"{KEPT:g}s", "denied": "1s"}}]
    gate.write({"rules": [rule("everybody", MALLORY, ALL)]})
    with started(gate):
        yield gate


@pytest.fixture
def mallory(rbac_gate: Gate, cluster: RealCluster, direct: Kubectl, tmp_path: Path) -> Kubectl:
    path = rbac_gate.kubeconfig(MALLORY, cluster.namespace, tmp_path / "mallory.kubeconfig")
    return evolve(direct, kubeconfig=path, home=tmp_path / "home", name="mallory")


def test_what_the_cluster_denies_is_denied_by_the_gate_already(mallory: Kubectl) -> None:
    ran = mallory.run("get", "pods")
    assert ran.code == 1 and "kgate: mallory may not list pods" in ran.text and 'authorizer "rbac" does not allow it' in ran.text


def test_a_binding_taken_away_ends_a_live_exec_and_watch(
    rbac_gate: Gate, mallory: Kubectl, cluster: RealCluster, measured: Callable[[str], None]
) -> None:
    binding = pods.rights(MALLORY.group)[1]
    cluster.create(binding)
    eventually("mallory's rights", lambda: mallory.run("get", "pods").code == 0)
    with mallory.live("exec", "box", "--", "sh", "-c", "echo up; exec sleep 1000") as shell, mallory.live("get", "pods", "-w") as watch:
        shell.until(b"up")
        watch.until(b"web")
        time_of_living = time.monotonic() + KEPT * 2
        eventually("that they live past the first answer's end", lambda: time.monotonic() > time_of_living)
        assert shell.ended is None and watch.ended is None
        taken = time.monotonic()
        cluster.delete("RoleBinding", binding["metadata"]["name"])
        ends = shell.wait(), watch.wait()
        assert shell.ended is not None and watch.ended is not None
        took = max(shell.ended, watch.ended) - taken
    for end in ends:
        assert 'authorizer \\"rbac\\" does not allow it' in end.text or 'authorizer "rbac" does not allow it' in end.text
    assert ends[0].code == 1 and took < PATIENCE
    measured(f"cut: a RoleBinding deleted, exec and watch over {took:.2f} s after, where the cluster's yes counts for {KEPT:g} s")
