"""Wycheproof's vectors for signed tokens and key sets, each with its expected result: the compact ones of three files."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kgate.identity.jose import PUBLIC, SECRET, Flaw, Jws, Key, KeySet, read_jws, read_key, read_key_set, verify

MODULE = "github.com/c2sp/wycheproof@v0.0.0-20260902155932-3fa63dd0344a"
SIGNATURES = "json_web_signature_test.json"
FILES = (SIGNATURES, "json_web_crypto_test.json", "json_web_key_test.json")
COPIES = {(SIGNATURES, 367), (SIGNATURES, 370)}
"""Invalid, and byte for byte 357, which is valid: the padding that they are about is lost. No function of key and token agrees with all three."""
OTHER_ALGORITHM = {(SIGNATURES, 346), (SIGNATURES, 350)}
"""Valid: signed by PS384 with a key that says it is for PS256. 338 and 340 are just that, PS256 and PS384 with a key for PS512, and invalid."""
NO_ALGORITHM = {(SIGNATURES, 347), (SIGNATURES, 351)}
"""Valid, with a key that says it is for ES521, which is no algorithm (RFC 7518 section 3.1)."""
INSERTED = {(SIGNATURES, 372), (SIGNATURES, 373)}
"""Valid: 357 with a ? put into header or payload. It is no character of base64url (RFC 7515 section 2, RFC 4648 section 3.3), and is part of what is signed."""


@pytest.fixture(scope="module")
def vectors() -> Path:
    if shutil.which("go") is None:
        pytest.skip("the vectors come as a Go module; go is not installed")
    try:
        answer = subprocess.run(["go", "mod", "download", "-json", MODULE], capture_output=True, text=True, timeout=120, cwd="/")
    except subprocess.TimeoutExpired:
        pytest.skip("the Go module proxy does not give the vectors: it has not answered for two minutes")
    if answer.returncode:
        pytest.skip(f"the Go module proxy does not give the vectors: {answer.stdout[-200:]}")
    return Path(json.loads(answer.stdout)["Dir"]) / "testvectors_v1"


def compact(vectors: Path) -> Iterator[tuple[tuple[str, int], Any, str, str, str]]:
    for file in FILES:
        for group in json.loads((vectors / file).read_text())["testGroups"]:
            for test in group["tests"]:
                if isinstance(test.get("jws"), str):
                    yield (file, test["tcId"]), group.get("public") or group["private"], test["jws"], test["result"], test["comment"]


def keys_of(given: Any) -> KeySet | Flaw:
    if "keys" in given:
        return read_key_set(json.dumps(given).encode())
    key = read_key(given)
    return KeySet((key,)) if isinstance(key, Key) else key


def accepted(keys: KeySet | Flaw, token: str) -> bool:
    read = read_jws(token)
    return not isinstance(keys, Flaw) and not isinstance(read, Flaw) and verify(read, keys, PUBLIC | SECRET)


def test_every_compact_vector_comes_out_as_expected(vectors: Path) -> None:
    seen, wrong = 0, {}
    for id_, given, token, result, comment in compact(vectors):
        seen += 1
        if accepted(keys_of(given), token) != (result == "valid"):
            wrong[id_] = comment
    assert wrong.keys() == COPIES | OTHER_ALGORITHM | NO_ALGORITHM | INSERTED
    assert seen == 475


def test_the_eight_that_do_not_come_out_so_cannot(vectors: Path) -> None:
    all_ = {id_: (key, token, result) for id_, key, token, result, _ in compact(vectors)}
    key, token, result = all_[SIGNATURES, 357]
    assert result == "valid" and all(all_[id_] == (key, token, "invalid") for id_ in COPIES)
    assert all(all_[id_][1].replace("?", "") == token and all_[id_][2] == "valid" for id_ in INSERTED)
    refused = {(SIGNATURES, 338), (SIGNATURES, 340)}
    for id_ in OTHER_ALGORITHM | refused:
        key, token, result = all_[id_]
        read = read_jws(token)
        assert isinstance(read, Jws) and read.algorithm != key["alg"] and {read.algorithm, key["alg"]} <= {"PS256", "PS384", "PS512"}
        assert (result == "invalid") == (id_ in refused)
    assert all(all_[id_][0]["alg"] == "ES521" and all_[id_][2] == "valid" for id_ in NO_ALGORITHM)
