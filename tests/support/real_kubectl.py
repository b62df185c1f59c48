"""Where the real kubectl is, for tests that need it."""

from __future__ import annotations

import shutil

import pytest

KUBECTL = shutil.which("kubectl")
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on PATH")
