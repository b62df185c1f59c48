"""An answer about what is live is one that the command reads, however many gates had something to say."""

from __future__ import annotations

import json

from kgate.api.application import json_response
from kgate.api.sessions import listed
from kgate.cli.the_gate import MOST_ANSWER
from kgate.model import Present
from kgate.net.roll_call import Answers


def test_a_fleet_where_people_are_in_many_groups_is_an_answer_of_a_size_that_is_read() -> None:
    """kgate sessions list said that what answered is not a gate, and kgate sessions cut so of what it had cut."""
    groups = [f"组-{number:04}" for number in range(800)]
    gates = [
        Present(f"gate-{gate}", tuple({"id": f"{number:03}-{gate}", "user": "alice", "groups": groups} for number in range(100)), 100)
        for gate in range(10)
    ]
    answer = json_response(200, listed(Answers(tuple(gates))))
    assert len(answer.body) < MOST_ANSWER
    document = json.loads(answer.body)
    assert document["found"] == 1000 and 50 < len(document["sessions"]) < 1000
    assert [each["id"] for each in document["sessions"][:3]] == ["099-9", "099-8", "099-7"]
