"""A session of real kubectls through a gate on a real cluster, recorded (tests/e2e/test_decisions_of_a_real_session.py, which plays it): asked again today.

alice works, is denied some things, and has a shell, a log and a watch open while a fact flips, a minute's edge passes and the policy changes.
"""

from __future__ import annotations

from pathlib import Path

from on_record import ask_again

SESSION = Path(__file__).parent / "session"


def test_explain_says_what_the_gate_did_and_a_replay_finds_nothing_different() -> None:
    asked = ask_again(SESSION, in_the_same_words=False)
    assert dict(asked.events) == {"request": 39, "stream-start": 6, "decision-change": 3}
    assert (asked.denied, asked.policies, asked.facts) == (13, 2, 2)
