"""A change is told once, after it has settled."""

from __future__ import annotations

from pathlib import Path

from kgate.net.files import FileWatch


def test_a_change_is_told_once_when_it_has_settled(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("one")
    watch = FileWatch([policy])
    assert not watch.changed()
    policy.write_text("two, longer")
    assert [watch.changed() for _ in range(3)] == [False, True, False]


def test_a_file_that_is_replaced_removed_or_made_counts(tmp_path: Path) -> None:
    policy, other = tmp_path / "policy.yaml", tmp_path / "new.yaml"
    policy.write_text("same")
    other.write_text("same")
    watch = FileWatch([policy, tmp_path / "later.yaml"])
    other.rename(policy)
    assert [watch.changed(), watch.changed()] == [False, True]
    policy.unlink()
    assert [watch.changed(), watch.changed()] == [False, True]
    (tmp_path / "later.yaml").write_text("here")
    assert [watch.changed(), watch.changed()] == [False, True]


def test_a_file_that_may_be_read_again_counts(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("same")
    policy.chmod(0o000)
    watch = FileWatch([policy])
    policy.chmod(0o644)
    assert [watch.changed(), watch.changed()] == [False, True]
