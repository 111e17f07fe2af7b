"""Faults of the campaign: commands struck at random moments, and what they leave compared with undisturbed ones."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cotoolkit.core.errors import RunError
from cotoolkit.core.files import tensor_digest
from cotoolkit.runs.find import find_runs

COMMAND = [sys.executable, "-c", "import sys; from cotoolkit.cli import main; sys.argv[0] = 'cotoolkit'; main()"]

SMALL = [
    "data=digits", "data.train_size=640", "data.test_size=60", "model=small_cnn", "model.width=4", "epsilon=0.1",
    "epochs=16", "batch_size=64", "learning_rate=0.1", "monitor.interval=40", "monitor.points=40",
    "evaluation=(clean,pgd-3)",
]  # fmt: skip

PATIENCE = 300.0
"""Seconds after which a command hangs."""

FAREWELL = 20.0
"""Seconds within which every process of a killed command has to be gone."""

Result = dict[str, Any]


class Job(NamedTuple):
    """A command, what it needs before it, and what it leaves.

    Attributes:
        words: of the command line, without --root.
        before: words of a command that is run first, undisturbed.
        left: what stands below a root, so that equal results are equal data.
        fresh: words that make the command forget damaged files.
    """

    words: list[str]
    before: list[str]
    left: Callable[[Path], Result]
    fresh: list[str]


def of_runs(root: Path) -> Result:
    """Weights, metrics and results of all runs below a root, but for the time they took."""
    found: Result = {}
    for folder in find_runs(root):
        result = folder.result()
        found[folder.path.name] = {
            "weights": tensor_digest(folder.checkpoint("last"), {}),
            "metrics": digest(folder.metrics().to_csv(index=False)),
            "result": {name: value for name, value in result.items() if name != "seconds"},
        }
    return found


def of_study(root: Path) -> Result:
    """The runs and the table."""
    import pandas as pd

    tables = {}
    for path in sorted(root.glob("studies/*/*.csv")):
        table = pd.read_csv(path)
        tables[path.name] = digest(table.drop(columns=[c for c in table if c == "seconds"]).to_csv(index=False))
    return {"runs": of_runs(root), "tables": tables}


def of_report(root: Path) -> Result:
    """The study, and the tables beside its page; the page itself holds the date of its making."""
    pages = sorted(root.rglob("report/*"))
    return {
        "names": [path.name for path in pages],
        "tables": {path.name: digest(path.read_text()) for path in pages if path.suffix == ".csv"},
        "whole": all(path.read_text().rstrip().endswith("</html>") for path in pages if path.suffix == ".html"),
    }


def of_figure(root: Path) -> Result:
    """Data and claims of the figures."""
    found: Result = {}
    for path in sorted(root.glob("figures/*/*/*/*")):
        if path.name == "data.csv":
            found[str(path.relative_to(root))] = digest(path.read_text())
        elif path.suffix == ".json":
            found[str(path.relative_to(root))] = json.loads(path.read_text()).get("claims")
    return found


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


STUDY = ["study", "run", *SMALL, "method=[fgsm,n_fgsm]", "seed=0..1", "--name", "struck", "--jobs", "2"]

JOBS = {
    "train": Job(["train", *SMALL, "method=n_fgsm"], [], of_runs, ["--fresh"]),
    "study": Job(STUDY, [], of_study, ["--fresh"]),
    "report": Job(["report", "struck"], STUDY, of_report, []),
    "figures": Job(["figures", "make", "co_features/spectra", "--jobs", "2"], [], of_figure, ["--fresh"]),
}


class Ended(NamedTuple):
    """How a command ended: its exit code and what it printed."""

    code: int | None
    text: str


def start(words: list[str], root: Path, most_kib: int | None = None) -> subprocess.Popen[str]:
    """A command in a session of its own; `most_kib` limits the files that it can write, as a full disk does."""
    root.parent.mkdir(parents=True, exist_ok=True)
    limit = [] if most_kib is None else ["bash", "-c", f'trap \'\' XFSZ; ulimit -f {most_kib}; exec "$0" "$@"']
    return subprocess.Popen(
        [*limit, *COMMAND, *words, "--root", str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for a command."""
    try:
        text, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        text, _ = process.communicate()
        return Ended(None, text)
    return Ended(process.returncode, text)


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
        workers = _children(process.pid) if how == "worker" else []
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


def _children(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = status.read_text().rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(words[1]) == parent and b"spawn_main" in command:
            found.append(int(status.parent.name))
    return found


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
        return struck.repeat(struck.job.fresh) and f"{where}: {struck.repeat(struck.job.fresh)}"

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
