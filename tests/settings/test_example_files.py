"""Every file under conf/ is good, and full.yaml knows every setting and says its default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import attrs
import pytest
from configuration_files import FILE, NOW, Files

from kgate.documents.reading import read_mapping
from kgate.model import Action, Cluster, Context, Identity, Operation
from kgate.policy.evaluate import Policy, evaluate
from kgate.policy.load import load_policy
from kgate.settings import load_configuration
from kgate.settings.shapes import ClusterSettings, Settings

CONF = Path(__file__).parents[2] / "conf"
POLICIES = sorted((CONF / "policies").glob("*.yaml"))


@pytest.mark.parametrize("name", ["minimal.yaml", "full.yaml"])
def test_configurations(name: str) -> None:
    configuration = load_configuration(FILE, NOW, Files((CONF / name).read_text()).read)
    assert configuration.warnings == ()


def keys(kind: Any) -> set[str]:
    """Every key that a class and those in it may have."""
    found = set()
    for name, hint in get_type_hints(kind).items():
        found.add(name)
        for inner in (hint, *get_args(hint), *(deep for each in get_args(hint) for deep in get_args(each))):
            if attrs.has(inner):
                found |= keys(inner)
    return found


def test_the_full_file_shows_every_setting() -> None:
    written = set(re.findall(r"(\w+):", (CONF / "full.yaml").read_text()))
    assert keys(Settings) | keys(ClusterSettings) <= written


def test_the_full_file_shows_the_defaults() -> None:
    full = load_configuration(FILE, NOW, Files((CONF / "full.yaml").read_text()).read).settings
    minimal = load_configuration(FILE, NOW, Files((CONF / "minimal.yaml").read_text()).read).settings
    for name in ("limits", "deadlines", "drain", "workers", "audit"):
        assert getattr(full, name) == getattr(minimal, name)


def test_there_are_policies() -> None:
    assert len(POLICIES) >= 4


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_policies(path: Path) -> None:
    policy = load_policy(path.read_text(), str(path))
    assert policy.rules and policy.warnings == ()
    assert path.read_text().startswith("# ")
    assert list(read_mapping(path.read_text(), str(path), [])) == ["rules"]


def policy(name: str) -> Policy:
    return load_policy((CONF / "policies" / f"{name}.yaml").read_text(), name)


DEV, PROD = Cluster("dev", (("env", "dev"),)), Cluster("prod-eu", (("env", "prod"),))
OFFICE_HOURS, CHRISTMAS = 1_795_600_800.0, 1_798_200_000.0  # Wednesday 2026-11-25 11:00, Friday 2026-12-25 13:00 in Berlin
ALICE, BOB, ROOT, CI = (
    Identity("alice", ("developers",)),
    Identity("bob", ("sre",)),
    Identity("root", ("platform-admins",)),
    Identity("x", robot="ci"),
)
USER = Identity("u", ("platform-users",))


def asks(cluster: Cluster, verb: str, resource: str, namespace: str = "", operation: Operation | None = None, **more: Any) -> Action:
    group, name = ("apps" if resource == "deployments" else ""), "" if verb in ("list", "watch", "create") and operation is None else "x"
    return Action(cluster, "GET", verb, "/x", "/x", group, "v1", resource, "", namespace, name, operation, **more)


EXEC, FORWARD, AS = Operation.EXEC, Operation.PORT_FORWARD, Operation.IMPERSONATE


@pytest.mark.parametrize(
    ("name", "who", "action", "now", "rule"),
    [
        ("read-only", USER, asks(PROD, "list", "pods"), 0.0, "look"),
        ("read-only", USER, asks(PROD, "get", "secrets", "a"), 0.0, ""),
        ("read-only", USER, asks(PROD, "delete", "pods", "a"), 0.0, ""),
        ("read-only", USER, asks(PROD, "create", "pods", "a", EXEC, container="c", command=("sh",)), 0.0, ""),
        ("developers", ALICE, asks(DEV, "delete", "pods", "team-a"), 0.0, "developers-own-namespaces"),
        ("developers", ALICE, asks(DEV, "delete", "pods", "other"), 0.0, ""),
        ("developers", ALICE, asks(DEV, "get", "pods", "other"), 0.0, "developers-read-dev"),
        ("developers", ALICE, asks(DEV, "create", "pods", "team-a", EXEC, container="app"), 0.0, "developers-own-namespaces"),
        ("developers", ALICE, asks(DEV, "create", "pods", "team-a", EXEC, container="istio-proxy"), 0.0, ""),
        ("developers", ALICE, asks(DEV, "create", "pods", "team-a", FORWARD, ports=(9050,)), 0.0, "developers-own-namespaces"),
        ("developers", ALICE, asks(DEV, "create", "pods", "team-a", FORWARD, ports=(22,)), 0.0, ""),
        ("developers", ALICE, asks(DEV, "get", "pods", "kube-system"), 0.0, "developers-read-dev"),
        ("developers", ALICE, asks(DEV, "create", "pods", "kube-system", EXEC, container="c"), 0.0, "no-kube-system"),
        ("developers", ALICE, asks(PROD, "list", "pods"), 0.0, "developers-see-production"),
        ("developers", ALICE, asks(PROD, "list", "configmaps"), 0.0, ""),
        ("on-call", ROOT, asks(PROD, "create", "pods", "kube-system", EXEC), 0.0, "administrators"),
        ("on-call", BOB, asks(PROD, "create", "pods", "shop", EXEC, container="c"), OFFICE_HOURS, "sre-exec"),
        ("on-call", BOB, asks(PROD, "create", "pods", "kube-system", EXEC, container="c"), OFFICE_HOURS, ""),
        ("on-call", BOB, asks(PROD, "create", "pods", "shop", EXEC, container="c"), OFFICE_HOURS + 12 * 3600, ""),
        ("on-call", ROOT, asks(PROD, "delete", "deployments", "shop"), CHRISTMAS, "freeze"),
        ("on-call", ROOT, asks(PROD, "delete", "deployments", "shop"), OFFICE_HOURS, "administrators"),
        ("on-call", ROOT, asks(DEV, "delete", "deployments", "shop"), CHRISTMAS, "administrators"),
        ("ci", CI, asks(PROD, "patch", "deployments", "shop"), 0.0, "ci-deploys-shop"),
        ("ci", CI, asks(PROD, "patch", "deployments", "other"), 0.0, ""),
        ("ci", CI, asks(PROD, "get", "secrets", "shop"), 0.0, ""),
        ("ci", ALICE, asks(PROD, "get", "pods", "shop"), 0.0, ""),
    ],
)
def test_policies_do_what_they_say(name: str, who: Identity, action: Action, now: float, rule: str) -> None:
    assert evaluate(policy(name), who, action, Context(now, "10.1.2.3")).rule == rule
