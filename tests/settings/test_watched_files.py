"""Which files are looked at for changes while the gate runs."""

from __future__ import annotations

from pathlib import Path

from configuration_files import FILE, FOLDER, NOW, Files, authority

from kgate.settings import load_configuration
from kgate.settings.watched import watched

FULL = (Path(__file__).parents[2] / "conf" / "full.yaml").read_text()
INVENTORY = "url: https://mdm.example.com/api/devices\n      certificate_authority: "


def test_every_file_that_a_configuration_names_but_those_that_are_read_as_they_are_used() -> None:
    text = FULL.replace(INVENTORY + "ca.crt", INVENTORY + "mdm.crt")
    configuration = load_configuration(FILE, NOW, Files(text).but("mdm.crt", authority().certificate).read)
    assert {str(path.relative_to(FOLDER)) for path in watched(FILE, configuration)} == {
        "kgate.yaml", "policy.yaml", "tls.crt", "tls.key", "prod-eu.kubeconfig", "ca.crt", "gate.crt", "gate.key", "oidc-secret", "tokens.yaml",
        "people-ca.crt", "device-ca.crt", "mdm.crt", "groups.yaml", "secrets.key", "push.key", "hook.kubeconfig",
    }  # fmt: skip
