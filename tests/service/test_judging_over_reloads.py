"""What was said of tokens holds over a reload that leaves whoever said it as it is: a policy that is edited while they do not answer costs nobody anything."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from small_configuration import SMALL, small_configuration

from kgate.identity.asked import Judged, JudgementWanted
from kgate.identity.credentials import Credentials
from kgate.model import Identity, Pending
from kgate.service.judging import Judging
from kgate.settings import Configuration, load_configuration

IDENTITY = """\
identity:
  service_accounts: [{cluster: dev, audiences: [kgate]}]
  oidc:
    - issuer: {url: "https://idp.example.com", audiences: [kgate]}
      claimMappings: {username: {claim: sub, prefix: ""}}
      introspection: {client_id: kgate, client_secret_file: token}
"""


class World:
    """The part of a gate that asks; somebody was asked about one token and said that it is alice's."""

    def __init__(self, folder: Path) -> None:
        self.file = small_configuration(folder)
        self.write(IDENTITY)
        self.asked = list[str]()
        self.clusters: dict[str, Any] = {"dev": object()}
        self.shared: Any = SimpleNamespace(
            configuration=lambda: self.configuration,
            fetches=SimpleNamespace(register=lambda kind, way: None),
            web_for=lambda authority: None,
            now=lambda: 50.0,
            wall=time.time,
            reactor=None,
            turn=SimpleNamespace(flush=lambda: None),
        )
        self.judging = Judging(self.shared, lambda: self.clusters)
        self.introspected, self.reviewed = self.reload()
        for source in (self.introspected, self.reviewed):
            source.learned("opaque", Judged(Identity("alice")), time.time())

    def write(self, identity: str) -> None:
        lines = [line for line in SMALL.splitlines() if not line.startswith("identity:")]
        self.file.write_text("\n".join(lines) + "\n" + identity)

    def reload(self) -> Any:
        self.configuration: Configuration = load_configuration(self.file, time.time())
        return self.judging.sources()


def known(source: Any) -> bool:
    """Whether it is known whose the token is, without a question."""
    found = source.authenticate(Credentials("opaque"), time.time())
    assert isinstance(found, Identity) or (isinstance(found, Pending) and isinstance(found.wanted, JudgementWanted)) or found is None
    return isinstance(found, Identity)


def test_an_edit_of_something_else_asks_nobody_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    (tmp_path / "policy.yaml").write_text("rules: []\n# edited")
    assert [known(each) for each in world.reload()] == [True, True]


@pytest.mark.parametrize(
    ("former", "other", "hold"),
    [
        ("claim: sub", "claim: email", [False, True]),
        ("client_id: kgate", "client_id: other", [False, True]),
        ("dev, audiences: [kgate]", "dev, audiences: [other]", [True, False]),
    ],
)
def test_who_is_asked_otherwise_is_asked_again(tmp_path: Path, former: str, other: str, hold: list[bool]) -> None:
    world = World(tmp_path)
    world.write(IDENTITY.replace(former, other))
    assert [known(each) for each in world.reload()] == hold


def test_a_cluster_that_is_elsewhere_now_is_another(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.clusters["dev"] = object()
    assert [known(each) for each in world.reload()] == [True, False]
