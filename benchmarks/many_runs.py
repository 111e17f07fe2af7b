"""What thousands of finished runs cost to look at: seconds of fresh processes, wall and CPU, on this machine.

    uv run python benchmarks/many_runs.py [--count 10000] [--root FOLDER] [--out FILE]

A root of so many runs is made, unless it is there, out of one that is truly trained (`many_runs_root.py`). Then each
command below runs in a process of its own: `runs list` without an index and with one, with a filter and sorted; the
table of a study of all runs, as `study show` and `Study.write_table` make it; its page; and an export. Aims are in CPU
seconds, user and system together, since a busy machine changes the wall's; what an import of torch takes in the same
minutes says how fast the machine was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from many_runs_root import make_root, many_runs_study

from cotoolkit.core.files import write_atomically
from cotoolkit.runs.environment import environment
from cotoolkit.runs.find import find_runs
from cotoolkit.runs.index import NAME

COMMAND = "from cotoolkit.cli import main; main()"

TABLE = """
import sys
from cotoolkit.studies.study import find_study
print(len(find_study(sys.argv[1], "many").write_table(sys.argv[1])))
"""

LARGEST_PAGE = 10.0
"""Megabytes."""


def spent(*words: str) -> dict[str, float]:
    """Wall and CPU seconds of a fresh Python process."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen([sys.executable, "-c", *words], stdout=said, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        if child.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(words[1:])} ended with {child.returncode}:\n{said.read()[-2000:]}")
    return {"wall": round(wall, 2), "cpu": round(usage.ru_utime + usage.ru_stime, 2)}


def measured(root: Path, count: int) -> list[dict[str, Any]]:
    """One row per command, printed as it comes."""
    at = ("--root", str(root))
    study = many_runs_study(count)
    page = study.folder(root) / "report" / "report.html"
    (root / NAME).unlink(missing_ok=True)
    rows = []
    for what, aim, words in (
        ("import torch, to compare with", None, ("import torch",)),
        ("runs list, without an index", 20.0, (COMMAND, "runs", "list", *at)),
        ("runs list", 2.0, (COMMAND, "runs", "list", *at)),
        (
            "runs list, filtered and sorted",
            2.0,
            (COMMAND, "runs", "list", "method=fgsm", "epsilon>=4/255", *at, "--sort", "pgd-50"),
        ),
        ("a study's table", 5.0, (TABLE, str(root))),
        ("study show, with its pictures", None, (COMMAND, "study", "show", "many", *at)),
        ("a study's page", 15.0, (COMMAND, "report", "many", *at)),
        ("runs export", None, (COMMAND, "runs", "export", *at, "--out", str(root / "studies" / "all.csv"))),
    ):
        row = {"what": what, "aim": aim, **spent(*words)}
        rows.append(row)
        print(
            f"{what:<34} {row['wall']:7.2f} s wall {row['cpu']:7.2f} s CPU{f'   aim {aim:g} s' if aim else ''}",
            flush=True,
        )
    size = page.stat().st_size / 1e6
    print(f"{'size of the page':<34} {size:7.2f} MB{'':23}aim {LARGEST_PAGE:g} MB")
    return [*rows, {"what": "size of the page", "aim": LARGEST_PAGE, "megabytes": round(size, 2)}]


def main() -> None:
    parser = argparse.ArgumentParser(description="What thousands of finished runs cost to look at.")
    parser.add_argument("--count", type=int, default=10_000, help="runs")
    parser.add_argument("--root", type=Path, help="where they are made, or are; by default a temporary folder")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.root or Path(temporary)
        there = len(find_runs(root))
        if there and there != arguments.count:
            raise SystemExit(f"{root} holds {there} runs, not {arguments.count}: give another --root")
        if not there:
            start = time.perf_counter()
            make_root(root, many_runs_study(arguments.count), arguments.count)
            print(f"made {arguments.count} runs in {time.perf_counter() - start:.0f} s", flush=True)
            time.sleep(4)  # files that have just been written are not taken into an index
        rows = measured(root, arguments.count)
    if arguments.out:
        machine = {"processors": os.cpu_count(), "load": os.getloadavg(), "machine": platform.machine()}
        found = {"count": arguments.count, "figures": rows, **machine, "environment": environment("cpu")}
        write_atomically(arguments.out, (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
