"""A demo cluster as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def demo_cluster(name: str, folder: Path, *options: str) -> Iterator[Path]:
    """The kubeconfig of one that runs: that of the gate."""
    arguments = [sys.executable, "-m", "kgate.demo", "--name", name, "--directory", str(folder), "--no-samples", *options]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith(f"{name} ")
        yield folder / f"{name}.kubeconfig"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()
