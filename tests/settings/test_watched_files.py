"""Which files are looked at for changes while the gate runs."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from configuration_files import FILE, FOLDER, MINIMAL, NOW, Files, authority

from kgate.settings import load_configuration
from kgate.settings.values import FilePath
from kgate.settings.watched import watched

FULL = (Path(__file__).parents[2] / "conf" / "full.yaml").read_text()
INVENTORY = "url: https://mdm.example.com/api/devices\n      certificate_authority: "


def test_every_file_that_a_configuration_names_but_those_that_are_read_as_they_are_used() -> None:
    text = FULL.replace(INVENTORY + "ca.crt", INVENTORY + "mdm.crt").replace("# directory: /var/lib", f"directory: {FOLDER}")
    assert text.count(str(FOLDER)) == 1
    configuration = load_configuration(FILE, NOW, Files(text).but("mdm.crt", authority().certificate).read)
    assert {str(path.relative_to(FOLDER)) for path in watched(FILE, configuration, ())} == {
        "kgate.yaml", "policy.yaml", "tls.crt", "tls.key", "prod-eu.kubeconfig", "ca.crt", "gate.crt", "gate.key", "oidc-secret", "tokens.yaml",
        "people-ca.crt", "device-ca.crt", "mdm.crt", "groups.yaml", "secrets.key", "push.key", "hook.kubeconfig",
    }  # fmt: skip


def test_of_a_policy_s_folder_those_count_that_were_read_whatever_became_of_it_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the time that the policy is in force it may be gone, or no descriptor be left to list it with."""

    def no_more(_: Path) -> Iterator[Path]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "iterdir", no_more)
    configuration = load_configuration(FILE, NOW, Files(MINIMAL).read)
    configuration = evolve(configuration, settings=evolve(configuration.settings, policy=FilePath(tmp_path)))
    read = (tmp_path / "10-people.yaml", tmp_path / "20-rules.yaml", tmp_path.parent / "elsewhere.yaml")
    assert {path for path in watched(FILE, configuration, read) if path.is_relative_to(tmp_path.parent)} == {tmp_path, *read[:2]}
