"""Policies kept beside the audit: what decided then can be read now, and nothing else can pass for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgate.errors import KgateError
from kgate.net.archive import altered, archived, keep_policy, kept_policy
from kgate.policy.load import fingerprint, load_policy

TEXT = 'rules: []  # "ü"\n'
POLICY = load_policy(TEXT, "policy.yaml")


def test_a_policy_is_kept_once_and_comes_back(tmp_path: Path) -> None:
    keep_policy(tmp_path, POLICY)
    path = archived(tmp_path, POLICY.revision)
    kept = path.stat()
    keep_policy(tmp_path, POLICY)
    assert kept_policy(tmp_path, POLICY.revision) == TEXT
    assert path.stat() == kept and kept.st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == [f"{POLICY.revision}.yaml"]


@pytest.mark.threat("25")
def test_another_text_does_not_pass_for_it(tmp_path: Path) -> None:
    keep_policy(tmp_path, POLICY)
    archived(tmp_path, POLICY.revision).write_text(TEXT + "# changed\n")
    with pytest.raises(KgateError, match="not the one that was in force"):
        kept_policy(tmp_path, POLICY.revision)


@pytest.mark.threat("25")
@pytest.mark.parametrize("revision", ["../../etc/passwd", "", "a/b", "é"])
def test_a_forged_revision_is_no_path(tmp_path: Path, revision: str) -> None:
    with pytest.raises(KgateError, match="is not the revision of a policy"):
        kept_policy(tmp_path, revision)


def test_one_that_is_gone_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(KgateError, match="look at a backup"):
        kept_policy(tmp_path, POLICY.revision)


def test_where_it_cannot_be_kept_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "policies").write_text("in the way")
    with pytest.raises(OSError, match="policies"):
        keep_policy(tmp_path, POLICY)


def test_policies_of_a_worker_s_chain_are_kept_beside_those_of_all(tmp_path: Path) -> None:
    keep_policy(tmp_path, POLICY)
    (tmp_path / "worker-1").mkdir()
    assert kept_policy(tmp_path / "worker-1", POLICY.revision) == TEXT
    assert altered(tmp_path / "worker-1", {POLICY.revision: fingerprint(TEXT)}) == []
