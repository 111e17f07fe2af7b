"""Faults of the campaign: commands struck at random moments, and what they leave compared with undisturbed ones."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from campaign_commands import FAREWELL, JOBS, Job, Result, ended, start

from cotoolkit.core.errors import RunError


def attempts(folder: Path, draws: random.Random, count: int) -> Iterator[tuple[str, str]]:
    """Strike the commands in turn.

    Args:
        folder: for the roots.
        draws: of commands, faults and moments.
        count: faults.

    Yields:
        What was done, and what did not survive, if anything.
    """
    undisturbed = {}
    for name, job in JOBS.items():
        root = folder / name
        for words in filter(None, (job.before, job.words)):
            began = time.monotonic()
            end = ended(start(words, root))
            assert end.code == 0, end.text
        undisturbed[name] = root, time.monotonic() - began, job.left(root)
    for number in range(count):
        name = list(JOBS)[number % len(JOBS)]
        fault = draws.choice([one for one in FAULTS if name in one.commands])
        root = folder / f"struck-{number}"
        problem = fault.strike(Struck(JOBS[name], root, *undisturbed[name]), draws)
        yield f"{name}, {fault.name}", problem
        shutil.rmtree(root, ignore_errors=True)


class Struck(NamedTuple):
    """What a fault strikes: the job, a root of its own, and the root, duration and result of an undisturbed one."""

    job: Job
    root: Path
    whole: Path
    seconds: float
    result: Result

    def prepare(self) -> None:
        """Do what comes before the command."""
        if self.job.before:
            shutil.copytree(self.whole, self.root)
            for page in self.root.rglob("report"):
                shutil.rmtree(page)

    def repeat(self, words: list[str] | None = None) -> str:
        """Give the same command again, and compare what it leaves; the problem, if any."""
        end = ended(start(self.job.words + (words or []), self.root))
        if end.code != 0:
            return f"the same command ended with {end.code}: {end.text[-600:]}"
        try:
            found = self.job.left(self.root)
        except RunError as error:
            return f"what it left cannot be read: {error}"
        if found != self.result:
            return f"other results: {_difference(self.result, found)}"
        swept = [str(path) for path in self.root.rglob(".*.tmp")]
        return f"left {swept}" if swept and not self.job.before else ""


def _difference(first: Any, second: Any, where: str = "") -> str:
    if isinstance(first, dict) and isinstance(second, dict):
        for name in {**first, **second}:
            if first.get(name) != second.get(name):
                return _difference(first.get(name), second.get(name), f"{where}/{name}")
    return f"{where}: {str(first)[:80]} became {str(second)[:80]}"


def killed(how: str, number: signal.Signals) -> Callable[[Struck, random.Random], str]:
    """Kill at a random moment, then give the same command again.

    Args:
        how: "command", its "group", or one "worker" of it.
        number: the signal.

    Returns:
        The fault.
    """

    def strike(struck: Struck, draws: random.Random) -> str:
        struck.prepare()
        process = start(struck.job.words, struck.root)
        time.sleep(draws.uniform(0.3, 0.95) * struck.seconds)
        workers = _workers(process.pid) if how == "worker" else []
        if how == "group":
            os.killpg(process.pid, number)
        else:
            os.kill(draws.choice(workers) if workers else process.pid, number)
        if how == "worker" and workers:
            end = ended(process)  # the others finish; the run whose process died gets a second try
            if "Traceback" in end.text:
                return f"a traceback: {end.text[-600:]}"
        else:
            process.communicate()
        return _lives_on(process.pid) or struck.repeat()

    return strike


def _workers(parent: int) -> list[int]:
    """Processes that a command has started, and the fork server that makes them."""
    try:
        started = [(one.pid, one.cmdline()) for one in psutil.Process(parent).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
    return [number for number, words in started if re.search("spawn_main|forkserver", " ".join(words))]


def _lives_on(group: int) -> str:
    deadline = time.monotonic() + FAREWELL
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return ""
        time.sleep(0.05)
    os.killpg(group, signal.SIGKILL)
    return f"its processes lived on for {FAREWELL:.0f} s"


def full_disk(struck: Struck, draws: random.Random) -> str:
    """Files cannot grow beyond a few KiB; the command fails in one line, and does its work afterwards."""
    struck.prepare()
    end = ended(start(struck.job.words, struck.root, most_kib=draws.choice([0, 1, 8])))
    if "Traceback" in end.text or end.code not in (0, 1, 2):
        return f"ended with {end.code}: {end.text[-600:]}"
    return struck.repeat()


def twice(struck: Struck, draws: random.Random) -> str:
    """The same command two times at once: both end in a sentence, and the work is done."""
    struck.prepare()
    first = start(struck.job.words, struck.root)
    time.sleep(draws.uniform(0, 0.5) * struck.seconds)
    second = start(struck.job.words, struck.root)
    for end in (ended(first), ended(second)):
        if "Traceback" in end.text or end.code not in (0, 1, 2):
            return f"ended with {end.code}: {end.text[-600:]}"
    return struck.repeat()


def damaged(how: str) -> Callable[[Struck, random.Random], str]:
    """Damage one file of a finished root; every command ends in lines, and a fresh one gives the same result.

    Args:
        how: "flip" one bit, "cut" it in half, "empty" it, "delete" it, or put a "folder" in its place.

    Returns:
        The fault.
    """

    def strike(struck: Struck, draws: random.Random) -> str:
        shutil.copytree(struck.whole, struck.root)
        files = [path for path in sorted(struck.root.rglob("*")) if path.is_file() and path.name != ".lock"]
        path = draws.choice(files)
        content = bytearray(path.read_bytes())
        path.unlink()
        if how == "folder":
            path.mkdir()
        elif how != "delete":
            if how == "flip" and content:
                content[draws.randrange(len(content))] ^= 1 << draws.randrange(8)
            path.write_bytes({"flip": content, "cut": content[: len(content) // 2], "empty": b""}[how])
        where = f"{how} of {path.relative_to(struck.root)}"
        for words in (["runs", "list"], struck.job.words):
            end = ended(start(words, struck.root))
            if "Traceback (most" in end.text or end.code not in (0, 1, 2):
                return f"{where}: {' '.join(words[:2])} ended with {end.code}: {end.text[-600:]}"
        if path.is_dir():
            path.rmdir()
        problem = struck.repeat(struck.job.fresh)
        return problem and f"{where}: {problem}"

    return strike


class Fault(NamedTuple):
    """Something that happens to some commands."""

    name: str
    strike: Callable[[Struck, random.Random], str]
    commands: tuple[str, ...] = tuple(JOBS)


FAULTS = [
    *(
        Fault(f"{number.name} to the {how}", killed(how, number))
        for how in ("command", "group")
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
    ),
    Fault("SIGKILL to a worker", killed("worker", signal.SIGKILL), ("study", "figures")),
    Fault("full disk", full_disk),
    Fault("twice at once", twice),
    *(Fault(how, damaged(how), ("train", "study")) for how in ("flip", "cut", "empty", "delete", "folder")),
]
