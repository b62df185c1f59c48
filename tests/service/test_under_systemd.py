"""conf/kgate.service under a real systemd: the gate is confined as the unit says, and everything that it has to do goes on within that."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lab.waiting import eventually
from running import PODS, Make, chain, of
from user_systemd import user_systemd
from web_server import web_server

from kgate.audit.chain import Verified

ROOT = Path(__file__).parents[2]
UNIT = (ROOT / "conf/kgate.service").read_text()
ELSEWHERE = ("User=", "ProtectHome=", "StateDirectory", "Wants=", "After=")
"""What a test's user systemd has no part in, and Python may be at somebody's home here."""


def unit(folder: Path) -> str:
    """As it is, but for where programs and files are."""
    text = UNIT.replace("/opt/kgate/bin", str(Path(sys.executable).parent)).replace("/etc/kgate", str(folder))
    kept = "\n".join(line for line in text.splitlines() if not line.startswith(ELSEWHERE))
    here = f"BindReadOnlyPaths={sys.prefix} {ROOT}\nBindPaths={folder}"  # PrivateTmp= hides what is in /tmp, as a checkout may be
    return kept.replace("[Service]", f"[Service]\n{here}\nStandardOutput=append:{folder}/gate.log\nStandardError=inherit", 1)


def test_the_gate_does_all_that_it_has_to_in_the_confines_of_its_unit(make: Make, tmp_path: Path) -> None:
    with web_server() as issuer, user_systemd(tmp_path) as systemd:
        if systemd is None:
            pytest.skip("no systemd can be run here")
        tokens = {"file": "tokens.yaml"}
        arena = make(identity={"tokens": tokens, "oidc": [trusted(issuer.url, issuer.pem)]}, drain="1s", workers=2)
        gate = arena.gate
        systemd.write("kgate.service", unit(gate.folder))

        assert systemd.ctl("start", "kgate").returncode == 0
        eventually("it is ready", lambda: gate.admin("/readyz")[0] == 200 and "does not answer" not in gate.admin("/readyz")[1])
        assert arena.get(PODS) == 200
        eventually("issuers are asked", lambda: "/.well-known/openid-configuration" in issuer.paths())

        before = len(of(arena, "config"))
        assert systemd.ctl("reload", "kgate").returncode == 0
        eventually("it reloads", lambda: len(of(arena, "config")) >= before + 2)

        gate.write_policy({"rules": [{}]})
        assert systemd.ctl("reload", "kgate").returncode != 0
        assert f'{gate.folder}/policy.yaml:2: "name" is missing in rules[0]' in (gate.folder / "gate.log").read_text()
        assert arena.get(PODS) == 200, "the old one stays in force"

        assert systemd.ctl("stop", "kgate").returncode == 0
        assert systemd.shown("kgate", "Result") == "success"
        assert "Traceback" not in (gate.folder / "gate.log").read_text()
        assert all(isinstance(chain(gate.folder / f"audit/worker-{each}"), Verified) for each in (1, 2))


def trusted(url: str, pem: str) -> dict[str, object]:
    return {
        "issuer": {"url": url, "audiences": ["kgate"], "certificateAuthority": pem},
        "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
    }
