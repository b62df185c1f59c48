"""What is compiled, and what is installed elsewhere, is all of the gate and the same gate."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
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


def test_what_is_compiled_says_itself_who_it_is_in_the_log() -> None:
    """Twisted looks at who calls, and a compiled module's body has no frame: what the journal says stood there as importlib's."""
    compiled = re.findall(r'^    "(kgate/.+\.py)",$', (ROOT / "setup.py").read_text(), re.MULTILINE)
    logging = {name: found[0] for name in compiled if (found := re.findall(r"^log = .*", (ROOT / name).read_text(), re.MULTILINE))}
    assert logging and set(logging.values()) == {"log = Logger(__name__)"}, logging


NOT_MODULES = {
    "twisted/plugins/kgate_plugin.py",
    "kgate/py.typed",
    "kgate/api/templates/base.html",
    "kgate/demo/types.txt",
    "kgate/store/migrations/env.py",
}


def test_a_wheel_has_the_plugin_the_pages_and_the_migrations(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-build-isolation", "--no-deps"]
    plain = {name: value for name, value in os.environ.items() if name != "KGATE_COMPILE"}
    subprocess.run([*build, "--wheel-dir", str(tmp_path), str(ROOT)], check=True, env=plain, timeout=300)
    (wheel,) = tmp_path.glob("kgate-*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert packed >= NOT_MODULES
    assert not {name for name in packed if name.startswith(("tests/", "bench/"))}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "kgate").rglob("*.py")}
    assert modules <= packed
