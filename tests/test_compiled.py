"""What ``scripts/compile`` makes of the hot path passes the tests of the folders that it is from, every one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("wire", "kube", "exchange", "policy", "audit", "identity", "sessions")
COMPILE_AND_RUN = """
set -euo pipefail
. scripts/bootstrap test
. scripts/compile
python -c 'import kgate.wire.hpack as hpack; assert hpack.__file__.endswith(".so"), hpack.__file__'
exec python -m pytest -q -x -p no:cacheprovider {folders}
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler here")
def test_compiled_modules_pass_the_tests_of_the_plain_ones() -> None:
    script = COMPILE_AND_RUN.format(folders=" ".join(f"tests/{name}" for name in FOLDERS))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    print(done.stdout.splitlines()[-1])
