"""A campaign of faults: commands that are killed, files that are damaged, inputs that are wrong; who survives?

    uv run python benchmarks/campaign.py OUT.json [--seed 0] [--faults 60] [--inputs 500] [--runs 10000]

- Faults strike `train`, `study run`, `report` and `figures make` as people start them, in processes of their own:
  kills at random moments (SIGKILL, SIGTERM and SIGINT; of the command, of its group, of one of its workers), a full
  disk, the same command twice at once, and stored files that are flipped, cut, emptied, deleted or replaced by a
  folder. A command survives if no process lives on, nothing ends in a traceback, and the same command, or with
  `--fresh` where files are damaged, then ends in what an undisturbed one gives: the same bits of weights, metrics,
  results, tables and claims.
- Wrong inputs go through the commands in process: each must be refused in one line.
- A root of many finished runs is listed, shown and reported within the limits of `many_runs`.

Prints survived of total, writes each case to OUT.json, and ends with 1 unless everything survived. `--runs 0` leaves
out the last part.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import campaign_faults
import campaign_inputs
from many_runs import measured
from many_runs_root import make_root, many_runs_study

from cotoolkit.runs.environment import environment


class Case(NamedTuple):
    """One attempt; `problem` says what did not survive, and is empty where all did."""

    part: str
    what: str
    problem: str


def main(words: Sequence[str] | None = None) -> int:
    """The campaign; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT.json")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", type=int, default=60)
    parser.add_argument("--inputs", type=int, default=500)
    parser.add_argument("--runs", type=int, default=10_000)
    arguments = parser.parse_args(words)
    cases: list[Case] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        faults = campaign_faults.attempts(folder / "faults", random.Random(arguments.seed), arguments.faults)
        cases += told("faults", faults)
        inputs = campaign_inputs.attempts(folder / "inputs", random.Random(arguments.seed), arguments.inputs)
        cases += told("inputs", inputs)
        if arguments.runs:
            cases += told("many runs", looks(folder / "many", arguments.runs))
    survived = {part: [case for case in cases if case.part == part] for part in dict.fromkeys(c.part for c in cases)}
    for part, of_part in survived.items():
        print(f"{part}: {sum(not case.problem for case in of_part)} of {len(of_part)} survived")
    arguments.out.write_text(
        json.dumps(
            {"seed": arguments.seed, "environment": environment("cpu"), "cases": [c._asdict() for c in cases]}, indent=1
        )
        + "\n"
    )
    return int(any(case.problem for case in cases))


def looks(root: Path, count: int) -> Iterator[tuple[str, str]]:
    """Look at many runs, within the aims of `many_runs`.

    Args:
        root: of the runs, which are made.
        count: runs.

    Yields:
        What was looked at, and by how much it misses its aim, if it does.
    """
    make_root(root, many_runs_study(count), count)
    time.sleep(4)  # files that have just been written are not taken into an index
    for row in measured(root, count):
        found, unit = (row["cpu"], "s of CPU") if "cpu" in row else (row["megabytes"], "MB")
        missed = row["aim"] is not None and found > row["aim"]
        yield f"{row['what']}: {found} {unit}", f"more than {row['aim']:g}, which is the aim" if missed else ""


def told(part: str, attempts: Iterable[tuple[str, str]]) -> list[Case]:
    """The cases of a part, with a line for each that did not survive."""
    cases = []
    for what, problem in attempts:
        cases.append(Case(part, what, problem))
        if problem:
            print(f"{part}: {what}: {problem}", file=sys.stderr, flush=True)
    return cases


if __name__ == "__main__":
    sys.exit(main())
