"""An image of the gate, made without an engine that builds one and without a registry: containerd imports it from a docker archive.

It has what the Dockerfile says of how the gate is run, and no files to speak of: Python, kgate and what both link to are this machine's, mounted read-only into
the pod. To copy them took longer than all that is shown with them. There is no account in it and no home; a gate needs neither.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import kgate

CONFIG = {"Entrypoint": ["twistd", "-n", "--pidfile=", "kgate"], "WorkingDir": "/etc/kgate", "User": "10001:10001"}
"""As the Dockerfile says."""


def archive(name: str) -> bytes:
    """A docker archive with the image ``name``."""
    layer = BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for link in ("bin", "lib", "lib64"):
            _add(tar, tarfile.SYMTYPE, link, link=f"usr/{link}")
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()],
        "os": "linux",
        "config": {**CONFIG, "Env": [f"{name}={value}" for name, value in _environment().items()]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]},
    }
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        _add(tar, tarfile.REGTYPE, "layer.tar", layer.getvalue())
        _add(tar, tarfile.REGTYPE, "config.json", json.dumps(config).encode())
        _add(
            tar,
            tarfile.REGTYPE,
            "manifest.json",
            json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode(),
        )
    return out.getvalue()


def folders() -> list[str]:
    """What of this machine is to be in the pod where it is here."""
    wanted = {Path("/usr"), Path(sys.base_prefix), Path(sys.prefix), Path(kgate.__file__).parents[1]}
    return sorted(str(each) for each in wanted if not wanted & set(each.parents))


def _environment() -> dict[str, str]:
    compiled = {name: os.environ[name] for name in ("PYTHONPATH", "PYTHONSAFEPATH") if name in os.environ}
    return {"PATH": f"{sys.prefix}/bin:/usr/bin", **compiled}


def _add(tar: tarfile.TarFile, kind: bytes, name: str, data: bytes = b"", link: str = "") -> None:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(data), link
    tar.addfile(info, BytesIO(data))
