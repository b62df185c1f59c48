"""Wycheproof's vectors for signed tokens and key sets, each with its expected result: the compact ones of three files."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kgate.identity.jose import PUBLIC, SECRET, Flaw, Key, KeySet, read_jws, read_key, read_key_set, verify

MODULE = "github.com/c2sp/wycheproof@v0.0.0-20260902155932-3fa63dd0344a"
SIGNATURES = "json_web_signature_test.json"
FILES = (SIGNATURES, "json_web_crypto_test.json", "json_web_key_test.json")
STRICTER = {
    (SIGNATURES, 346): "is signed by PS384 with a key that is for PS256; 338 and 340 expect just that to be refused",
    (SIGNATURES, 350): "the same",
    (SIGNATURES, 347): "has a key for ES521, an algorithm that does not exist",
    (SIGNATURES, 351): "the same",
    (SIGNATURES, 372): "has a ? in its header: RFC 7515 section 2 knows no such character",
    (SIGNATURES, 373): "has a ? in its payload",
}
CONTRADICTORY = {
    (SIGNATURES, 367): "is byte for byte 357, which is valid; the padding that it is about is lost",
    (SIGNATURES, 370): "is byte for byte 357",
}


@pytest.fixture(scope="module")
def vectors() -> Path:
    if shutil.which("go") is None:
        pytest.skip("the vectors come as a Go module; go is not installed")
    answer = subprocess.run(["go", "mod", "download", "-json", MODULE], capture_output=True, text=True, timeout=120, cwd="/")
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
    assert wrong.keys() == STRICTER.keys() | CONTRADICTORY.keys()
    assert seen == 475


def test_the_contradictory_ones_are_copies_of_a_valid_one(vectors: Path) -> None:
    tokens = {id_: token for id_, _, token, _, _ in compact(vectors)}
    assert {tokens[id_] for id_ in CONTRADICTORY} == {tokens[SIGNATURES, 357]}
