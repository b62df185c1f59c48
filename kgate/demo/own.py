"""A cluster of the person's own for the quickstart: how the gate gets there, who they are there, and a policy that lets them look around.

Everything is asked through their kubectl, with their credential, which may be anything that a kubeconfig can hold. What the gate will do with it is
tried once: to act as the person. A credential that may not do that is the one thing that a quickstart cannot work around.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import yaml
from attrs import frozen

from kgate.errors import KgateError, UnreachableError

NO_KUBECTL = (
    "kubectl was not found: see https://kubernetes.io/docs/tasks/tools/ "
    "(Debian, Ubuntu: apt-get install kubernetes-client; macOS: brew install kubectl)"
)
_PLAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_ADDED_BY_CLUSTER = "system:authenticated"

_POLICY = """\
# Reading, in your own cluster, in your own name there. Change it while something runs: what is no longer allowed is cut at once.
rules:
  - name: look-around
    who: {{users: [{user}]}}
    clusters: {{names: ["*"]}}
    allow:
      - {{verbs: [get, list, watch], resources: ["*"]}}
      - {{verbs: [create], resources: [selfsubjectaccessreviews.authorization.k8s.io, selfsubjectreviews.authentication.k8s.io]}}
    as: {{user: {name}, groups: [{groups}]}}
  - name: no-secrets
    who: {{users: [{user}]}}
    clusters: {{names: ["*"]}}
    deny: [{{verbs: ["*"], resources: [secrets]}}]
"""


@frozen
class OwnCluster:
    """One context of the person's kubeconfig. ``user`` and ``groups`` are those that the cluster knows them by."""

    name: str
    namespace: str
    user: str
    groups: tuple[str, ...]

    def policy(self, person: str) -> str:
        """The policy file for ``person``, their name at the gate."""
        groups = ", ".join(quoted(group) for group in self.groups)
        return _POLICY.format(user=quoted(person), name=quoted(self.user), groups=groups)


def own_cluster(context: str, kubeconfig: Path) -> OwnCluster:
    """Write the gate's ``kubeconfig`` for ``context``, and find out who the person is there. Raises KgateError where it cannot work."""
    merged = _kubectl("config", "view", "--raw", "--flatten", "--minify", "--context", context)
    if merged.returncode:
        raise KgateError(f"{merged.stderr.strip()}; see your contexts: kubectl config get-contexts")
    document = yaml.safe_load(merged.stdout)
    _write(kubeconfig, document)
    asking = ("--kubeconfig", str(kubeconfig), "--request-timeout", "10s", "auth", "whoami", "-o", "yaml")
    asked = _kubectl(*asking)
    if asked.returncode:
        raise UnreachableError(f"cluster {context} does not say who you are: {asked.stderr.strip()[:300]}")
    info = yaml.safe_load(asked.stdout)["status"]["userInfo"]
    user = str(info["username"])
    groups = tuple(str(group) for group in info.get("groups", ()) if group != _ADDED_BY_CLUSTER)
    document["users"][0]["user"] = {key: value for key, value in document["users"][0]["user"].items() if not key.startswith("as")}
    _write(kubeconfig, document)  # whom they act as there is said by the policy from here on
    tried = _kubectl(*asking, "--as", user, *(word for group in groups for word in ("--as-group", group)))
    if tried.returncode:
        raise KgateError(
            f"your credential for {context} may not act as {user}, which is how a gate reaches a cluster: {tried.stderr.strip()[:300]}\n"
            "try it with an administrator's; what a gate needs in the end is in conf/kubernetes/impersonator.yaml"
        )
    namespace = str(document["contexts"][0]["context"].get("namespace", ""))
    return OwnCluster(context if _PLAIN.fullmatch(context) else "own", namespace, user, groups)


def kubectl() -> str:
    """The path of kubectl. Raises KgateError where there is none."""
    found = shutil.which("kubectl")
    if found is None:
        raise KgateError(NO_KUBECTL)
    return found


def quoted(text: str) -> str:
    """``text`` as a YAML scalar that is always text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _write(kubeconfig: Path, document: Mapping[str, object]) -> None:
    kubeconfig.touch(0o600)
    kubeconfig.write_text(yaml.safe_dump(document, sort_keys=False))


def _kubectl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([kubectl(), *arguments], capture_output=True, text=True, check=False)
