"""The shell: runs a parsed program with the commands of this package, inside one container's file system.

The members of a pipeline run side by side, joined by bounded pipes, so that 50 MB pass through ``cat`` in 64 KiB pieces.
"""

from __future__ import annotations

import posixpath
from collections.abc import Coroutine
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, FirstError, gatherResults

from kgate.demo.builtins import BUILTINS
from kgate.demo.expansion import expand, one_text
from kgate.demo.files import Device, FileProblem
from kgate.demo.grammar import SyntaxProblem, Unfinished, parse
from kgate.demo.pipes import Collected, FileWriter, Nothing, Pipe, PipeBroken, Reader, Text, Writer, Zeros
from kgate.demo.runs import Exit, LoopControl, Program, Run
from kgate.demo.syntax import Command, For, Group, If, Pipeline, Redirection, Sequence, Simple, While


async def run_text(run: Run, text: str) -> int:
    """Run a whole script (``sh -c``). ``exit`` ends it."""
    try:
        program = parse(text)
    except SyntaxProblem as problem:
        await run.complain(f"sh: {problem}")
        return 2
    try:
        return await run_sequence(run, program)
    except Exit as ended:
        return ended.status
    except LoopControl:
        return 0


async def run_arguments(run: Run, words: list[str]) -> int:
    """Run one command. Exit statuses as the shell has them: 127 not found, 141 for a broken pipe."""
    name = posixpath.basename(words[0]) if words[0].startswith(("/bin/", "/usr/bin/", "/sbin/")) else words[0]
    program = run.machine.programs.get(name)
    if program is None:
        return await _no_such_program(run, words[0])
    try:
        return await program(run, words)
    except FileProblem as problem:
        return await run.complain(f"{name}: {problem}")
    except PipeBroken:
        return 141


async def _no_such_program(run: Run, name: str) -> int:
    node = run.files.find(run.path(name)) if "/" in name else None
    if node is None:
        await run.complain(f"sh: {name}: not found")
        return 127
    if node.mode & 0o111 == 0 or run.files.is_directory(run.path(name)):
        await run.complain(f"sh: {name}: Permission denied")
        return 126
    return await run_text(run.apart(), run.files.read(run.path(name)).decode(errors="replace"))


# --- programs


async def run_sequence(run: Run, sequence: Sequence) -> int:
    """Run step by step; gives the last status."""
    for joint, pipeline in sequence.steps:
        if joint == ";" or (joint == "&&") == (run.status == 0):
            run.status = await _run_pipeline(run, pipeline)
    return run.status


async def _run_pipeline(run: Run, pipeline: Pipeline) -> int:
    await run.machine.breathe()
    status = await (_run_command(run, pipeline.commands[0]) if len(pipeline.commands) == 1 else _run_joined(run, pipeline.commands))
    return int(status == 0) if pipeline.negated else status


async def _run_joined(run: Run, commands: tuple[Command, ...]) -> int:
    """All side by side; the status is the last one's."""
    pipes = [Pipe() for _ in commands[1:]]
    sources: list[Pipe | None] = [None, *pipes]
    sinks: list[Pipe | None] = [*pipes, None]
    statuses = await _together(
        [_member(run, command, source, sink) for command, source, sink in zip(commands, sources, sinks, strict=True)]
    )
    return statuses[-1]


async def _together(members: list[Coroutine[Deferred[Any], Any, int]]) -> list[int]:
    """Run all at once and wait for all; where one is cancelled, so are the others."""
    jobs = [Deferred.fromCoroutine(member) for member in members]
    try:
        return await gatherResults(jobs, consumeErrors=True)
    except FirstError as first:
        for job in jobs:
            job.cancel()
        first.subFailure.raiseException()


async def _member(run: Run, command: Command, source: Pipe | None, sink: Pipe | None) -> int:
    try:
        return await _run_command(run.apart(stdin=source or run.stdin, stdout=sink or run.stdout), command)
    except Exit as ended:
        return ended.status
    except PipeBroken:
        return 141
    finally:
        if sink is not None:
            sink.finish()
        if source is not None:
            source.break_off()


async def _run_command(run: Run, command: Command) -> int:
    try:
        inner = await _redirected(run, command.redirections)
    except FileProblem as problem:
        return await run.complain(f"sh: {problem}")
    if isinstance(command, Simple):
        return await _run_simple(run, inner, command)
    status = await _run_compound(inner, command)
    run.directory, run.status = (run.directory if isinstance(command, Group) and command.apart else inner.directory), status
    return status


async def _run_compound(run: Run, command: For | While | If | Group) -> int:
    if isinstance(command, For):
        return await _run_for(run, command)
    if isinstance(command, While):
        return await _run_while(run, command)
    if isinstance(command, If):
        for condition, body in command.branches:
            if await run_sequence(run, condition) == 0:
                return await run_sequence(run, body)
        run.status = 0
        return await run_sequence(run, command.otherwise)
    if not command.apart:
        return await run_sequence(run, command.body)
    try:
        return await run_sequence(run.apart(), command.body)
    except Exit as ended:
        return ended.status


async def _turn(run: Run, body: Sequence) -> bool:
    """One turn of a loop; gives whether it goes on."""
    await run.machine.breathe()
    try:
        await run_sequence(run, body)
    except LoopControl as control:
        return control.again
    return True


async def _run_for(run: Run, command: For) -> int:
    run.status = 0
    for value in [text for word in command.words for text in await expand(run, word, _substitute)]:
        run.environment[command.name] = value
        if not await _turn(run, command.body):
            break
    return run.status


async def _run_while(run: Run, command: While) -> int:
    status = 0
    while (await run_sequence(run, command.condition) == 0) is not command.negated:
        if not await _turn(run, command.body):
            break
        status = run.status
    return status


async def _run_simple(run: Run, inner: Run, command: Simple) -> int:
    words = [text for word in command.words for text in await expand(run, word, _substitute)]
    assigned = {name: await one_text(run, word, _substitute) for name, word in command.assignments}
    if not words:
        run.environment |= assigned
        return 0
    builtin = _BUILTINS.get(words[0])
    if builtin is not None:
        return await builtin(run if inner is run else _sharing(run, inner), words)
    return await run_arguments(_with_variables(inner, assigned) if assigned else inner, words)


def _sharing(run: Run, inner: Run) -> Run:
    """For a redirected builtin: the streams of ``inner``, and the variables of ``run``. Its directory does not come back; nobody redirects cd."""
    return evolve(run, stdin=inner.stdin, stdout=inner.stdout, stderr=inner.stderr)


async def _redirected(run: Run, redirections: tuple[Redirection, ...]) -> Run:
    streams: dict[int, Any] = {0: run.stdin, 1: run.stdout, 2: run.stderr}
    for item in redirections:
        target = await one_text(run, item.target, _substitute)
        if item.operator == ">&":
            streams[item.descriptor] = streams.get(int(target) if target.isdigit() else -1, Nothing())
        elif item.operator == "<":
            streams[item.descriptor] = _source(run, target)
        else:
            streams[item.descriptor] = _sink(run, target, append=item.operator == ">>")
    return evolve(run, stdin=streams[0], stdout=streams[1], stderr=streams[2]) if redirections else run


def _source(run: Run, name: str) -> Reader:
    try:
        node = run.files.get(run.path(name))
        if isinstance(node, Device):
            return Zeros() if node.endless else Nothing()
        return Text(run.files.read(run.path(name)))
    except FileProblem as problem:
        raise FileProblem(f"can't open {name}: {problem}") from problem


def _sink(run: Run, name: str, *, append: bool) -> Writer:
    try:
        return FileWriter(run.files, run.files.open(run.path(name), append=append))
    except FileProblem as problem:
        raise FileProblem(f"can't create {name}: {problem}") from problem


def _with_variables(run: Run, assigned: dict[str, str]) -> Run:
    """For ``NAME=value command``: the variables are the command's alone."""
    inner = run.apart()
    inner.environment |= assigned
    return inner


async def _substitute(run: Run, body: Sequence) -> str:
    """``$(…)``."""
    output = Collected()
    try:
        run.status = await run_sequence(run.apart(stdout=output), body)
    except Exit as ended:
        run.status = ended.status
    return output.data.decode(errors="replace").rstrip("\n")


async def _eval(run: Run, words: list[str]) -> int:
    try:
        return await run_sequence(run, parse(" ".join(words[1:])))
    except SyntaxProblem as problem:
        return await run.complain(f"sh: {problem}")


async def _exec(run: Run, words: list[str]) -> int:
    if len(words) == 1:
        return 0
    raise Exit(await run_arguments(run, words[1:]))


_BUILTINS: dict[str, Program] = BUILTINS | {"eval": _eval, "exec": _exec}


# --- sh


async def sh(run: Run, words: list[str]) -> int:
    """``sh [-c TEXT [NAME ARGUMENTS]] [FILE]``; without either it reads its input, with a prompt where that is a terminal."""
    arguments = list(words[1:])
    while arguments and arguments[0].startswith("-") and "c" not in arguments[0]:
        arguments.pop(0)
    inner = run.apart(pid=run.machine.started(" ".join(words)), status=0)
    try:
        if arguments and arguments[0].startswith("-"):
            inner.arguments = tuple(arguments[2:]) or ("sh",)
            return await run_text(inner, arguments[1] if len(arguments) > 1 else "")
        if arguments:
            inner.arguments = tuple(arguments)
            return await run_text(inner, run.files.read(run.path(arguments[0])).decode(errors="replace"))
        return await _converse(inner)
    finally:
        run.machine.running.pop(inner.pid, None)


async def _converse(run: Run) -> int:
    """Line by line until the end of the input or ``exit``."""
    text = ""
    while True:
        line = await _ask(run, "> " if text else f"{run.directory} # ")
        text += line.decode(errors="replace")
        try:
            program = parse(text)
        except Unfinished as problem:
            if line:
                continue
            return await run.complain(f"sh: {problem}") + 1
        except SyntaxProblem as problem:
            text, run.status = "", await run.complain(f"sh: {problem}") + 1
            if run.console is None:
                return run.status
            continue
        text = ""
        try:
            run.status = await _job(run, program)
        except Exit as ended:
            return ended.status
        if not line:
            return run.status


async def _ask(run: Run, prompt: str) -> bytes:
    """The next line, asked for where there is somebody to ask."""
    if run.console is None:
        return await run.stdin.read_line()
    await run.stdout.write(prompt.encode())
    line = await run.console.ask(run.stdin)
    if not line:
        await run.stdout.write(b"\n")
    return line


async def _job(run: Run, program: Sequence) -> int:
    """Run what was typed; on a terminal as the job that ctrl-C ends."""

    async def job() -> int:
        try:
            return await run_sequence(run, program)
        except LoopControl:
            return 0

    return await (job() if run.console is None else run.console.attend(job()))
