"""Imports point one way: a folder may import what stands before it in this table, never what stands beside or behind it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "kgate"

BASE = {"model", "errors", "memory", "documents", "expressions"}
LOWEST = {"wire", "kube", "identity", "policy", "audit", "surroundings"}
MIDDLE = {"authorizers", "exchange", "sessions", "store"}
ALLOWED: dict[str, set[str]] = {
    **dict.fromkeys(LOWEST, BASE),
    "settings": BASE | LOWEST | {"store"},
    "metrics": BASE,
    "authorizers": BASE | LOWEST,
    "sessions": BASE | LOWEST,
    "store": BASE | LOWEST,
    "exchange": BASE | LOWEST | {"authorizers"},
    "inspection": BASE | LOWEST,
    "review": BASE | LOWEST | {"authorizers", "exchange"},
    "net": BASE | LOWEST | MIDDLE | {"settings", "metrics", "inspection"},
    "api": BASE | LOWEST | MIDDLE | {"net", "settings", "metrics"},
    "service": BASE | LOWEST | MIDDLE | {"review", "net", "api", "settings", "metrics"},
    "demo": BASE | LOWEST | MIDDLE | {"net", "settings"},
    "cli": BASE | LOWEST | MIDDLE | {"net", "api", "settings", "metrics", "service", "demo", "review", "inspection"},
}
SHELL = {"net", "api", "service", "cli", "demo"}
"""Where the reactor, sockets and TLS may be used."""
OUTSIDE = {"socket", "ssl", "select", "selectors", "threading", "subprocess", "asyncio", "random", "secrets"}


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules() -> list[tuple[str, Path]]:
    return [(path.relative_to(ROOT).parts[0].removesuffix(".py"), path) for path in sorted(ROOT.rglob("*.py"))]


def test_imports_point_one_way() -> None:
    wrong = []
    for folder, path in modules():
        allowed = ALLOWED.get(folder, set()) | {folder, "__version__"}
        for name in imports_of(path):
            if name.startswith("kgate.") and folder != "__init__" and name.split(".")[1] not in allowed | BASE:
                wrong.append(f"{path.relative_to(ROOT.parent)} imports {name}")
    assert wrong == []


def test_the_page_of_the_architecture_names_every_folder_below_what_it_imports() -> None:
    lines = (ast.get_docstring(ast.parse((ROOT / "__init__.py").read_text())) or "").splitlines()
    places = {
        folder: [number for number, line in enumerate(lines) if re.search(rf"(^    |;  |, ){folder}\b", line)][-1:]
        for folder in {folder for folder, _ in modules()} - {"__init__"}
    }
    assert [folder for folder, found in places.items() if not found] == []
    assert [(folder, other) for folder, others in ALLOWED.items() for other in others if places[other] > places[folder]] == []


def test_only_the_shell_knows_the_reactor_sockets_and_tls() -> None:
    wrong = []
    for folder, path in modules():
        if folder in SHELL:
            continue
        for name in imports_of(path):
            if name.split(".")[0] in OUTSIDE or name.startswith(("twisted", "treq", "OpenSSL")):
                wrong.append(f"{path.relative_to(ROOT.parent)} imports {name}")
    assert wrong == []


def test_nobody_imports_a_reactor_at_module_level() -> None:
    wrong = []
    for _, path in modules():
        if path.name == "__main__.py":
            continue  # a program of its own, imported by nobody
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and node.module == "twisted.internet" and any(a.name == "reactor" for a in node.names):
                wrong.append(str(path.relative_to(ROOT.parent)))
    assert wrong == []


@pytest.mark.parametrize("command", ["audit", "play", "check"])
def test_commands_that_only_read_files_start_without_what_the_gate_is_made_of(command: str) -> None:
    """SQLAlchemy and Twisted take two thirds of a second, which whoever follows an incident by ``kgate audit`` waits for with each command."""
    script = f"import sys, kgate.cli.{command}; print({{'sqlalchemy', 'twisted'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_each_test_file_has_a_name_of_its_own() -> None:
    """pytest takes two modules of one name for one, and then collects none: that shows only when the whole suite runs."""
    names = [path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py"]
    assert [name for name in sorted(set(names)) if names.count(name) > 1] == []


def test_tls_contexts_are_made_in_one_place() -> None:
    """So the gate and its command line hold certificates to the same, by whatever Python: ``ssl.create_default_context`` changes its mind."""
    made = {str(path.relative_to(ROOT)) for _, path in modules() if {"SSLContext", "create_default_context"} & set(calls_of(path))}
    assert made == {"net/contexts.py"}


def calls_of(path: Path) -> list[str]:
    """The last names of what is called."""
    return [
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
