"""What a policy decision costs, in µs: ``python -m bench.micro_policy``.

The policies are made so that the first rule that matches stands in the middle. ``first`` is the first request of a person on a fresh policy (nothing
remembered), ``new person`` is of people never seen before, ``new name`` has names never seen before, ``seen`` repeats 50 people × 40 requests,
``denied`` is a request that no rule allows, with its nearest miss, and ``both`` the same of people never seen before. Every request is a new
``Action``, as from the wire. The garbage collector is set as in a gate.
"""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from kgate.model import Action, Cluster, Context, Identity
from kgate.policy.evaluate import Policy, evaluate
from kgate.policy.load import load_policy
from kgate.service.quiet import let_go, quietly
from kgate.service.running import settle_memory

ROUNDS = 5
CONTEXT = Context(1_790_000_000.0, "10.1.2.3")
CLUSTER = Cluster("prod-eu", (("env", "prod"),))
RULE = """  - name: rule-{number}
    who: {{{who}}}
    clusters: {{names: [prod-*]}}
    allow: [{{verbs: [get, list, watch], resources: [pods, pods/log, deployments.apps], namespaces: [{namespace}]}}]
    as: {{groups: [view]}}
"""


def policy(rules: int, who: Callable[[int], str], namespace: Callable[[int], str]) -> Policy:
    """A policy of ``rules`` rules and one deny."""
    deny = '  - {name: no-secrets, who: {groups: ["*"]}, clusters: {names: ["*"]}, deny: [{verbs: ["*"], resources: [secrets]}]}\n'
    text = "".join(RULE.format(number=number, who=who(number), namespace=namespace(number)) for number in range(rules))
    return load_policy(f"rules:\n{deny}{text}", "bench.yaml")


def action(namespace: str, name: str, verb: str = "get") -> Action:
    """A request for a pod."""
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    return Action(CLUSTER, "GET", verb, path, path, "", "v1", "pods", "", namespace, name)


Requests = Sequence[tuple[Identity, Action]]


def measure(policy: Policy, rounds: Iterable[Requests]) -> float:
    """The best of some rounds, µs a decision."""
    best = float("inf")
    for requests in rounds:
        begin = time.perf_counter()
        for identity, each in requests:
            evaluate(policy, identity, each, CONTEXT)
        best = min(best, (time.perf_counter() - begin) / len(requests))
    return best * 1e6


def report(title: str, make: Callable[[], Policy], name: Callable[[int], str], group: str, namespace: str) -> None:
    """One line of figures."""
    begin = time.perf_counter()
    ready = make()
    loaded = time.perf_counter() - begin
    settle_memory()
    people = [Identity(name(number), (group, "everyone")) for number in range(50)]
    seen = [(person, action(namespace, f"pod-{number}")) for person in people for number in range(40)]
    denied = [(person, action(namespace, f"pod-{number}", "delete")) for person in people for number in range(20)]
    count = itertools.count(1000)

    def names() -> Requests:
        return [(person, action(namespace, f"new-{next(count)}")) for person in people for _ in range(20)]

    def strangers(verb: str) -> Requests:
        return [(Identity(name(next(count)), (group, "everyone")), action(namespace, "pod-1", verb)) for _ in range(1000)]

    first = measure(ready, [[(Identity("someone", (group,)), action(namespace, "pod-1"))]])
    figures = [first, *(measure(ready, (made() for _ in range(ROUNDS))) for made in (partial(strangers, "get"), names))]
    figures += [measure(ready, [seen] * ROUNDS), measure(ready, [denied] * ROUNDS)]
    figures.append(measure(ready, (strangers("delete") for _ in range(ROUNDS))))
    assert evaluate(ready, *seen[0], CONTEXT).rule == f"rule-{len(ready.rules) // 2}", evaluate(ready, *seen[0], CONTEXT)
    print(f"{title:42}{loaded * 1000:9.0f}" + "".join(f"{figure:12.2f}" for figure in figures))


def big(rules: int = 10_000, people: int = 100_000) -> str:
    """A policy of so many rules, which name so many people."""
    each = people // rules

    def users(number: int) -> str:
        return ", ".join(f"user-{each * number + k}@corp.example" for k in range(each))

    made = (RULE.format(number=number, who=f"users: [{users(number)}]", namespace=f"team-{number}") for number in range(rules))
    return "rules:\n" + "".join(made)


def report_reload() -> None:
    """How long a big policy takes to load, and for how long traffic stands still meanwhile.

    The traffic is a thread that sends a byte through a socket pair and decides a request, again and again, as the reactor does: each turn has system
    calls, after each of which the interpreter has to be had back. Turns are measured in CPU time of the process: what the loading takes from them
    counts, what other processes on the machine take does not.
    """
    text = big()
    begin, cpu = time.perf_counter(), time.process_time()
    ready = load_policy(text, "big.yaml")
    print(
        f"10,000 rules, 100,000 people: loaded in {time.process_time() - cpu:.1f} s of CPU, {time.perf_counter() - begin:.1f} s by the clock"
    )
    one, other = socket.socketpair()
    turns: list[float] = []
    former = [load_policy(text, "big.yaml")]
    made: list[Policy] = []

    def reload() -> None:
        made.append(quietly(lambda: load_policy(text, "big.yaml")))
        let_go(former)

    loading = threading.Thread(target=reload)

    def turn(policy: Policy, number: int) -> float:
        begun = time.process_time()
        one.send(b"x")
        other.recv(1)
        person = Identity(f"user-{10 * number}@corp.example", ())
        evaluate(policy, person, action(f"team-{number}", f"pod-{number}"), CONTEXT)
        return time.process_time() - begun

    alone = [turn(ready, number % 5_000) for number in range(20_000)]
    loading.start()
    while loading.is_alive():
        turns.append(turn(ready, len(turns) % 5_000))
    first = [turn(made[0], number) for number in range(1_000)]
    print(f"{'a turn of traffic, ms:':34}" + "".join(f"{title:>10}" for title in ("median", "99 %", "99.9 %", "longest")))
    for title, values in (("nothing else", alone), ("while it loads", turns), ("the first 1,000 by the new one", first)):
        values.sort()
        figures = [values[int(len(values) * part)] for part in (0.5, 0.99, 0.999)] + [values[-1]]
        print(f"  {title:32}" + "".join(f"{figure * 1000:10.2f}" for figure in figures))
    one.close()
    other.close()


def main() -> None:
    """Print the table."""
    report_reload()
    print(
        f"{'rules':42}{'load ms':>9}"
        + "".join(f"{title:>12}" for title in ("first µs", "new person", "new name", "seen", "denied", "both"))
    )
    for rules in (50, 1_000, 10_000):
        middle = rules // 2
        report(f"{rules:,}, a group each", partial(policy, rules, _own_group, _anywhere), _user, f"group-{middle}", "team-1")
        report(f"{rules:,}, everyone, a namespace each", partial(policy, rules, _everyone, _namespace), _user, "all", f"team-{middle}")
        report(f"{rules:,}, everyone, a namespace glob each", partial(policy, rules, _everyone, _glob), _user, "all", f"team-{middle}-a")
    report("10,000, ten people by name each", partial(policy, 10_000, _ten, _anywhere), _one_of_many, "all", "team-1")


def _user(number: int) -> str:
    return f"user-{number}"


def _one_of_many(number: int) -> str:
    """Another rule's with each number, from the middle on."""
    return f"user-{(50_000 + 13 * number) % 100_000}"


def _ten(number: int) -> str:
    return f"users: [{', '.join(_user(10 * number + each) for each in range(10))}]"


def _own_group(number: int) -> str:
    return f"groups: [group-{number}]"


def _everyone(_: int) -> str:
    return "groups: [everyone]"


def _anywhere(_: int) -> str:
    return '"*"'


def _namespace(number: int) -> str:
    return f"team-{number}"


def _glob(number: int) -> str:
    return f"team-{number}-*"


if __name__ == "__main__":
    main()
