"""``policy`` and ``shadow``: a file, or every policy file of a directory as one text."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from kgate.documents.reading import decode
from kgate.documents.structuring import nearest
from kgate.errors import InvalidFileError, Mistake, printable
from kgate.policy.evaluate import Policy
from kgate.policy.load import join, load_policy
from kgate.policy.trial import failures
from kgate.settings.clusters import ClusterSettings
from kgate.settings.files import FilesOf, Read, unreadable
from kgate.settings.reading import Place, Reading

SUFFIXES = frozenset({".yaml", ".yml"})


def policy_files(path: Path) -> tuple[Path, ...]:
    """The files that make up the policy at ``path``, in the order of their names. Hidden ones are not meant. Raises OSError."""
    if not path.is_dir():
        return (path,)
    return tuple(sorted(each for each in path.iterdir() if each.suffix in SUFFIXES and not each.name.startswith(".")))


def policy_text(path: Path, read: Read, files_of: FilesOf = policy_files) -> str:
    """The policy's text. Raises OSError where a file cannot be read, InvalidFileError where one is no text, or a directory has none."""
    with suppress(IsADirectoryError):  # read all the same: whoever looks for changes learns of it, also where what is in it is refused
        return decode(read(path), str(path))
    files = files_of(path)
    if not files:
        raise InvalidFileError([Mistake(str(path), 0, "the directory has no policy", "put files that end in .yaml there")])
    odd = [printable(each.name) for each in files if not each.name.isprintable()]  # it stands in the policy's text, between lines
    if odd:
        raise InvalidFileError(
            [Mistake(str(path), 0, f"the name {odd[0]} has characters that cannot be shown", "give the file another one")]
        )
    return join([(each.name, decode(read(each), str(each))) for each in files])


def tested_policy(reading: Reading, place: Place, path: Path | None) -> Policy | None:
    """A policy, of one file or a directory of them, that passes its own tests: one that does not is none that anybody meant."""
    if path is None:
        return None
    try:
        policy = load_policy(policy_text(path, reading.read, reading.files_of), str(path))
    except OSError as error:
        reading.sections.fault(place, unreadable(path, error))
        return None
    except InvalidFileError as error:
        reading.sections.mistakes.extend(error.mistakes)
        return None
    clusters: Mapping[str, ClusterSettings] = reading.sections.values.get("clusters") or {}
    reading.sections.mistakes += failures(
        policy, {name: dict(cluster.as_policy_sees_it(name).labels) for name, cluster in clusters.items()}
    )
    return policy


def check_names(reading: Reading, policy: Policy, clusters: Collection[str]) -> None:
    """Clusters that the policy names and nobody configured: most likely a slip."""
    for each in policy.named:
        if each.name not in clusters:
            text = f"{each.by} names the cluster {each.name}, which is not configured"
            reading.warnings.append(Mistake(each.file, each.line, text, nearest(each.name, clusters)))
