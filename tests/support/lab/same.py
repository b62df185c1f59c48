"""Two ways to one cluster, and the claim that nobody can tell them apart.

``Ways.same`` runs one command directly (the administrator's credential, impersonating the person) and through the gate (the person's own token),
and holds exit code, standard output and standard error equal. Where two runs must differ in what the *cluster* made up (ages, uids, instants), a
``Likeness`` blots exactly that out on both sides, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from attrs import frozen
from lab.gate import Person
from lab.kubectl import Kubectl, Ran

Likeness = Callable[[bytes], bytes]
Through = Callable[[Person], Kubectl]
"""kubectl of a person through the gate."""

STANDS_STILL_WITHIN = 5
"""Questions, before a difference counts."""

_AGE = re.compile(rb"(?<![\w.-])(?:\d+y)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?(?![\w.-])")
_INSTANT = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_UID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_VERSION = re.compile(rb'("?(?:resourceVersion|generation|observedGeneration)"?: ?)"?\d+"?')
_LIST = re.compile(rb'("metadata":\{"resourceVersion":")\d+(?:(","continue":")[^"]+)?"')
_GENERATED = re.compile(rb"-[0-9a-f]{8,10}(?:-[a-z0-9]{5})?\b")
_KLOG = re.compile(rb"^([EWI])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ", re.MULTILINE)
_LATE_STREAM = re.compile(rb"^E\d{4} .* websocket\.go:\d+\] Unknown stream id \d+, discarding message\n", re.MULTILINE)


def exactly(text: bytes) -> bytes:
    """Every byte counts."""
    return text


def but_ages(text: bytes) -> bytes:
    """Tables: an AGE column may grow between two runs, and its padding with it."""
    return re.sub(rb" +", b" ", _AGE.sub(lambda found: b"AGE" if found[0] else b"", text))


def but_instants(text: bytes) -> bytes:
    """What the cluster stamped with the moment of asking."""
    return _INSTANT.sub(b"INSTANT", text)


def but_instance(text: bytes) -> bytes:
    """Objects made twice: uid, resourceVersion and instants are the second one's own."""
    return _VERSION.sub(rb"\1N", _UID.sub(b"UID", but_instants(text)))


def but_list_revision(text: bytes) -> bytes:
    """Lists as the API server writes them: the revision that it read at, alone or inside the token for the next page. An item's metadata begins
    with its name, so its own resourceVersion still counts.
    """
    return _LIST.sub(rb'\1N\2"', text)


def but_pod_names(text: bytes) -> bytes:
    """Objects made twice whose controllers gave their pods and replica sets random names."""
    return _GENERATED.sub(b"-HASH", but_instance(text))


def but_late_streams(text: bytes) -> bytes:
    """kubectl's own race, seen on both ways: what its WebSocket reads before the stream is known to it is told of and dropped."""
    return _LATE_STREAM.sub(b"", text)


def but_klog(text: bytes) -> bytes:
    """klog's own time and thread in front of a line."""
    return _KLOG.sub(rb"\1 ", text)


@frozen
class Ways:
    """The same person on both ways; ``noise`` is what kubectl itself says by chance on either, blotted out beside what a scenario names."""

    direct: Kubectl
    gated: Kubectl
    noise: Likeness = exactly

    def over(self, transport: str) -> Ways:
        """Both ways held to one transport."""
        return Ways(self.direct.over(transport), self.gated.over(transport), but_late_streams if transport == "websocket" else exactly)

    def same(self, *arguments: str, like: Likeness = exactly, code: int = 0, stdin: bytes | None = None, timeout: float = 60.0) -> Ran:
        """Runs one command both ways; gives what came through the gate."""
        return self.played(lambda kubectl: [kubectl.run(*arguments, stdin=stdin, timeout=timeout).must(code)], like)[0]

    def same_objects(self, *arguments: str, like: Likeness = exactly) -> Ran:
        """The same for a command that reads whole objects."""
        return self.played_around(lambda kubectl: [kubectl.run(*arguments).must(0)], like)[0]

    def played_around(self, scenario: Callable[[Kubectl], Sequence[Ran]], like: Likeness = exactly) -> Sequence[Ran]:
        """Plays a scenario that reads whole objects, which the cluster goes on writing: a kubelet adds to the status of a pod that has long been ready.
        What is compared was asked directly before and after, and was the same.
        """

        def blotted(text: bytes) -> bytes:
            return like(self.noise(text))

        direct = scenario(self.direct)
        for _ in range(STANDS_STILL_WITHIN):
            gated, before = scenario(self.gated), direct
            direct = scenario(self.direct)
            if [blotted(each.out) for each in before] == [blotted(each.out) for each in direct]:
                break
        for one, other in zip(direct, gated, strict=True):
            hold_alike(one, other, blotted)
        return gated

    def played(self, scenario: Callable[[Kubectl], Sequence[Ran]], like: Likeness = exactly) -> Sequence[Ran]:
        """Plays a scenario of several commands directly, then through the gate, and compares what each command gave."""
        direct = scenario(self.direct)
        gated = scenario(self.gated)
        assert len(direct) == len(gated)
        for one, other in zip(direct, gated, strict=True):
            hold_alike(one, other, lambda text: like(self.noise(text)))
        return gated


def hold_alike(direct: Ran, gated: Ran, like: Likeness = exactly) -> None:
    """One command's two results, compared so that a difference is readable."""
    assert gated.code == direct.code, f"{gated.line}: exit code {gated.code} through the gate, {direct.code} directly\n{gated.text[-2000:]}"
    for stream, one, other in (("stdout", direct.out, gated.out), ("stderr", direct.err, gated.err)):
        wanted, given = like(one), like(other)
        if wanted != given:
            where = next((i for i, (a, b) in enumerate(zip(wanted, given, strict=False)) if a != b), min(len(wanted), len(given)))
            start = max(0, where - 200)
            raise AssertionError(
                f"{gated.line}: {stream} differs from byte {where} on ({len(one)} bytes directly, {len(other)} through the gate)\n"
                f"directly: {wanted[start : where + 300]!r}\nthe gate: {given[start : where + 300]!r}"
            )
