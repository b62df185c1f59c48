"""A real browser, scripts off: somebody signs in on the page, downloads the kubeconfig, and kubectl works with it."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from real_kubectl import needs_kubectl
from sign_in import scene

VERSION = "1.65.1"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def playwright() -> Path:
    """Where playwright-core is, installed on first use; it drives the browser that is there and brings none."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed; they drive Chromium")
    folder = Path(__file__).parents[2] / ".venv" / "node" / f"playwright-core-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            command = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder), f"playwright-core@{VERSION}"]
            if subprocess.run(command, capture_output=True, timeout=180, check=False).returncode:
                pytest.skip("npm could not install playwright-core")
            (folder / "done").touch()
    return folder / "node_modules"


@needs_kubectl
def test_sign_in_download_kubectl(tmp_path: Path) -> None:
    modules = playwright()
    with scene(tmp_path, public_certificate_authority="people-ca.crt") as world:
        options = {"modules": str(modules), "chromium": CHROMIUM, "url": world.url, "person": "alice", "folder": str(tmp_path)}
        command = ["node", str(Path(__file__).parents[1] / "support" / "browser.mjs"), json.dumps(options)]
        kubeconfig = tmp_path / "kgate.kubeconfig"
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        told = json.loads(done.stdout.splitlines()[-1])
        assert told["problems"] == [] and told["file"] == str(kubeconfig) and told["title"] == "Sign in · kgate"
        # The browser signed out at the end, so its kubeconfig is over; another session's is not.
        kubectl = ["kubectl", "--kubeconfig", str(kubeconfig), "get", "--raw", "/clusters/lab/api/v1/namespaces/a/pods"]
        over = subprocess.run(kubectl, capture_output=True, text=True, timeout=90, check=False)
        assert over.returncode == 1 and "your session ended" in over.stderr
        browser, _ = world.browser_of("alice")
        kubeconfig.write_text(browser.open(f"{world.url}/kubeconfig").text)
        works = subprocess.run(kubectl, capture_output=True, text=True, timeout=90, check=False)
        assert (works.returncode, works.stdout) == (0, "{}"), works.stderr
