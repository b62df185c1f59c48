"""A recording is called by its day and its request's id: ``2026-12-01/01M8….cast``. Both are in the id, so whoever knows that knows the file.

Names come from records too, which a forger may have written: what is not such a name leads to no file.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from kgate.audit.ids import instant_of

FOLDER: Final = "recordings"
"""Below the audit directory, where nothing else is configured."""
SUFFIX: Final = ".cast"
DAY_SECONDS: Final = 86400.0
_NAME: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})/[0-9A-Z]{1,64}\.cast", re.ASCII)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def name_of(id_: str) -> str:
    """The recording of the request ``id_``. Raises ValueError for what is no id."""
    return f"{datetime.fromtimestamp(instant_of(id_), UTC):%Y-%m-%d}/{id_}{SUFFIX}"


def is_name(text: object) -> bool:
    """Whether it can name a recording, and nothing else."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def day_ends(folder: str) -> float | None:
    """When the day of a folder's name was over (Unix seconds); None for what is no day."""
    if not _DAY.fullmatch(folder):
        return None
    try:
        return datetime.fromisoformat(folder).replace(tzinfo=UTC).timestamp() + DAY_SECONDS
    except ValueError:
        return None
