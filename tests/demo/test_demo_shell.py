"""The small shell inside a pod: what a person types and what comes back. Time is a Clock; nothing of the host runs."""

from __future__ import annotations

import hashlib
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from kgate.demo.console import Console
from kgate.demo.grammar import SyntaxProblem, parse
from kgate.demo.pipes import Collected, Pipe, Text
from kgate.demo.programs import ENVIRONMENT, PROGRAMS, fresh_files
from kgate.demo.runs import Machine, Run
from kgate.demo.shell import run_arguments


class Pod:
    """A container, and what its programs wrote."""

    def __init__(self):
        self.clock = Clock()
        self.machine = Machine(
            clock=self.clock,
            now=lambda: 1_790_000_000.0 + self.clock.seconds(),
            hostname="web-0",
            files=fresh_files(self.clock.seconds, "web-0", "10.0.0.7"),
            programs=PROGRAMS,
            environment=dict(ENVIRONMENT),
        )

    def start(self, *words, stdin=b"", console=None, stdout=None):
        self.out, self.err = stdout or Collected(), Collected()
        run = Run(
            self.machine, Text(stdin) if isinstance(stdin, bytes) else stdin, self.out, self.err, dict(ENVIRONMENT), "/", console=console
        )
        return Deferred.fromCoroutine(run_arguments(run, list(words)))

    def wait(self, job, seconds=0.0):
        for _ in range(10_000):
            if job.called:
                break
            self.clock.advance(seconds)
        statuses = []
        job.addBoth(statuses.append)
        return statuses[0]

    def sh(self, text, stdin=b""):
        status = self.wait(self.start("sh", "-c", text, stdin=stdin), 0.5)
        return self.out.data.decode(), self.err.data.decode(), status


@pytest.fixture
def pod():
    return Pod()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo hello   world", "hello world\n"),
        ("echo 'a  b' \"c  d\"", "a  b c  d\n"),
        ("echo -n x; echo y", "xy\n"),
        ("x=3; echo $x ${x}4 ${y:-none} '$x' \"$x\"", "3 34 none $x 3\n"),
        ("true && echo yes || echo no", "yes\n"),
        ("false && echo yes || echo no", "no\n"),
        ("! false; echo $?", "0\n"),
        ("echo $(echo one; echo two)", "one two\n"),
        ("echo $((2 + 3 * 4))", "14\n"),
        ("for i in 1 2 3; do echo -n $i; done; echo", "123\n"),
        ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo -n $i; done", "123"),
        ("if test -d /etc; then echo dir; else echo none; fi", "dir\n"),
        ("if [ -f /nope ]; then echo a; elif [ 1 -eq 1 ]; then echo b; fi", "b\n"),
        ("echo a b c | wc -w", "3\n"),
        ("seq 5 | head -n 2 | tail -n 1", "2\n"),
        ("printf '%s-%d\\n' a 1 b 2", "a-1\nb-2\n"),
        ("cd /etc && pwd && cat hostname", "/etc\nweb-0\n"),
        ("(cd /etc); pwd", "/\n"),
        ("{ echo a; echo b; } | sort -r", "b\na\n"),
        ("echo hi > /tmp/a; echo there >> /tmp/a; cat < /tmp/a", "hi\nthere\n"),
        ("ls /nope 2> /dev/null || echo gone", "gone\n"),
        ("ls /nope 2>&1 | grep -c 'No such'", "1\n"),
        ("mkdir -p /tmp/d/e; touch /tmp/d/f; ls /tmp/d", "e\nf\n"),
        ("touch /tmp/x1 /tmp/x2; echo /tmp/x*", "/tmp/x1 /tmp/x2\n"),
        ("echo '*'", "*\n"),
        ("yes | head -n 2", "y\ny\n"),
        ("A=1 env | grep ^A=", "A=1\n"),
        ("sh -c 'echo $0 $1' name first", "name first\n"),
        ("echo abc | base64", "YWJjCg==\n"),
        ("echo one two | while read a b; do echo $b $a; done", "two one\n"),
        ("exec echo bye; echo never", "bye\n"),
        ("for i in 1 2 3; do if [ $i = 2 ]; then continue; fi; echo -n $i; done", "13"),
        ("echo a#b # a comment", "a#b\n"),
        ("hostname", "web-0\n"),
        ("x='a b'; echo \"$x\" $x", "a b a b\n"),
        ("for f in $(seq 3); do echo -n $f; done", "123"),
        ("test 3 -gt 2 && [ a != b ] && echo ok", "ok\n"),
    ],
)
def test_a_line_does_what_a_shell_does(pod, text, expected):
    assert pod.sh(text) == (expected, "", 0)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("exit 3", 3),
        ("exit 137", 137),
        ("false", 1),
        ("nosuch", 127),
        ("kill -9 $$", 137),
        ("(exit 4)", 4),
        ("exit 2 | true", 0),
        ("true | exit 5", 5),
    ],
)
def test_the_exit_status_is_the_last_commands(pod, text, status):
    assert pod.sh(text)[2] == status


def test_an_unknown_command_says_so(pod):
    assert pod.sh("psql")[1:] == ("sh: psql: not found\n", 127)


def test_a_syntax_error_is_told(pod):
    assert pod.sh("echo |")[1:] == ("sh: unexpected end of file\n", 2)


def test_sleep_waits_on_the_clock(pod):
    job = pod.start("sleep", "5")
    pod.clock.advance(4)
    assert not job.called
    pod.clock.advance(1)
    assert pod.wait(job) == 0


def test_an_endless_loop_gives_way(pod):
    job = pod.start("sh", "-c", "while true; do :; done")
    assert not job.called
    job.addErrback(lambda failure: None)
    job.cancel()
    assert job.called


def test_fifty_megabytes_pass_through_cat_in_pieces(pod):
    into, out = Pipe(256 * 1024), Pipe()
    job = pod.start("cat", stdin=into, stdout=out)
    sent, got, most = hashlib.sha256(), hashlib.sha256(), 0
    left = 50 * 1024 * 1024
    while left or not job.called:
        if left and not into.full:
            piece = left.to_bytes(8, "big") * 8192
            sent.update(piece)
            into.feed(piece)
            left -= len(piece)
            if not left:
                into.finish()
        most = max(most, len(into._held) + len(out._held))
        reading = Deferred.fromCoroutine(out.read())
        if job.called:
            out.finish()
        reading.addCallback(got.update)
        pod.clock.advance(0)
    assert pod.wait(job) == 0
    assert got.digest() == sent.digest()
    assert most <= 512 * 1024


def test_dd_and_checksums(pod):
    assert pod.sh("dd if=/dev/zero bs=1M count=3 2>/dev/null | sha256sum")[0].split()[0] == hashlib.sha256(bytes(3 << 20)).hexdigest()


def test_a_full_disk_is_told(pod):
    _, err, status = pod.sh("dd if=/dev/zero of=/tmp/big bs=64M count=5")
    assert err.startswith("dd: No space left on device") and status == 1


# --- tar, as kubectl cp calls it


def _archive(form, names):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as archive:
        for name, data in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_tar_extracts_what_others_wrote(pod, form):
    long = "d/" + "x" * 95 + "/file"
    files = {"a": b"A" * 1000, "d/b": b"", long: b"L" * 513}
    assert pod.wait(pod.start("tar", "xmf", "-", "-C", "/tmp", stdin=_archive(form, files))) == 0
    assert {name: pod.machine.files.read(f"/tmp/{name}") for name in files} == files


def test_tar_stays_below_its_directory(pod):
    evil = _archive(tarfile.PAX_FORMAT, {"../../etc/passwd": b"mine"})
    pod.wait(pod.start("tar", "xmf", "-", "-C", "/tmp", stdin=evil))
    assert pod.machine.files.read("/tmp/etc/passwd") == b"mine"
    assert pod.machine.files.read("/etc/passwd").startswith(b"root")


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.text("abc/é_", min_size=1, max_size=60).map(lambda name: "r/" + name.replace("/", "s")), st.binary(max_size=2000), max_size=6
    )
)
def test_what_tar_writes_the_library_reads(files):
    pod = Pod()
    pod.machine.files.make_directory("/tmp/r")
    for name, data in files.items():
        pod.machine.files.write(f"/tmp/{name}", data)
    assert pod.wait(pod.start("tar", "cf", "-", "-C", "/tmp", "r")) == 0
    with tarfile.open(fileobj=io.BytesIO(pod.out.data)) as archive:
        read = {info.name: archive.extractfile(info).read() for info in archive if info.isreg()}
    assert read == files


# --- an interactive shell


class Screen:
    def __init__(self, pod, *words):
        self.shown = bytearray()
        self.console = Console(Pipe(), self.shown.extend)
        self.job = pod.start(*words, stdin=self.console.lines, console=self.console, stdout=self)

    async def write(self, data):
        self.shown += data

    def types(self, keys):
        self.shown.clear()
        self.console.press(keys)
        return bytes(self.shown)


def test_a_prompt_echoes_and_answers(pod):
    screen = Screen(pod, "sh")
    assert bytes(screen.shown) == b"/ # "
    assert screen.types(b"echx\x7fo hi\r") == b"echx\b \bo hi\r\nhi\n/ # "
    assert screen.types(b"cd /etc\r") == b"cd /etc\r\n/etc # "
    assert screen.types(b"\x04") == b"\n"
    assert pod.wait(screen.job) == 0


def test_ctrl_c_ends_the_job_and_not_the_shell(pod):
    screen = Screen(pod, "sh")
    screen.types(b"sleep 100\r")
    assert screen.types(b"\x03") == b"^C\r\n/ # "
    assert screen.types(b"echo $?\r") == b"echo $?\r\n130\n/ # "


def test_ctrl_c_at_the_prompt_begins_a_new_line(pod):
    screen = Screen(pod, "sh")
    assert screen.types(b"half\x03") == b"half^C\r\n/ # "
    assert screen.types(b"exit 7\r") == b"exit 7\r\n"
    assert pod.wait(screen.job) == 7


def test_ctrl_d_ends_the_input_of_one_program_only(pod):
    screen = Screen(pod, "sh")
    screen.types(b"cat\r")
    assert screen.types(b"abc\r") == b"abc\r\nabc\n"
    assert screen.types(b"\x04") == b"/ # "


def test_a_long_construct_is_asked_for_line_by_line(pod):
    screen = Screen(pod, "sh")
    assert screen.types(b"for i in 1 2\r").endswith(b"> ")
    screen.types(b"do echo $i\r")
    assert screen.types(b"done\r") == b"done\r\n1\n2\n/ # "


def test_the_window_s_size_is_known(pod):
    screen = Screen(pod, "sh")
    screen.console.terminal.rows, screen.console.terminal.columns = 40, 100
    assert b"40 100\n" in screen.types(b"stty size\r")


def test_a_script_on_stdin_needs_no_prompt(pod):
    assert pod.wait(pod.start("sh", stdin=b"echo a\nread x\nvalue\necho $x\nexit 9\n")) == 9
    assert pod.out.data == b"a\nvalue\n"


@settings(max_examples=200)
@given(st.text("ab$(){}'\"|&;<>\n# =\\doneifwhilefor", max_size=40))
def test_the_parser_parses_or_says_why_not(text):
    try:
        parse(text)
    except SyntaxProblem:
        pass
