"""What can only be known on a GPU, in slots of a few minutes: right on CUDA, fast, and the papers' numbers at scale.

    python benchmarks/gpu_slot.py OUT [--minutes 13] [--data FOLDER] [--from EARLIER_OUT] [--toy]

In this order: the tests marked `gpu`, steps of training and perturbations against the CPU and float32; the speed of a
step; runs of the papers at scale (`gpu_slot_anchors`). The machine needs one GPU, this package installed with what its
tests need, and CIFAR-10 (`--data`, or COTOOLKIT_DATA); no network. With `--toy` it needs none of it but the package:
the same on the CPU, in seconds, to test the way.

OUT, a new folder, gets `results.jsonl`, a line for each step as soon as it is finished, and `runs.tar.*`: at most 8
files of at most 16 MiB (`gpu_slot_files`). What there is no time for is not begun, and a run under way is ended in
time. The next slot takes OUT as `--from`: it repeats nothing that has a record, and goes on with that run. Keep every
OUT. Exit code 1: something was wrong or failed; 0: everything measured was right.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gpu_slot_files import pack, unpack

if TYPE_CHECKING:
    from gpu_slot_anchors import Step

PACKING = {"paper": 30.0, "toy": 1.0}
"""Seconds before the deadline at which work ends, for what `pack` does."""

STOP = threading.Event()
"""Ends the work before its time; what there is is packed."""

Record = dict[str, Any]


def main(words: Sequence[str] | None = None) -> int:
    """One slot; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--minutes", type=float, default=13)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="holds CIFAR-10; by default COTOOLKIT_DATA")
    parser.add_argument("--from", type=Path, dest="earlier", metavar="EARLIER_OUT")
    parser.add_argument("--toy", action="store_true")
    arguments = parser.parse_args(words)
    scale = "toy" if arguments.toy else "paper"
    until = time.time() + 60 * arguments.minutes - PACKING[scale]
    if arguments.data:
        os.environ["COTOOLKIT_DATA"] = str(arguments.data.resolve())
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        parser.error(f"{out} is not empty; give a new folder, and the earlier one as --from")
    results = out / "results.jsonl"
    records = [] if arguments.earlier is None else read_records(arguments.earlier / results.name)
    results.write_text("".join(json.dumps(record) + "\n" for record in records))
    with tempfile.TemporaryDirectory() as name:
        if arguments.earlier is not None:
            unpack(arguments.earlier, Path(name))
        slot = supervise(scale, until, Path(name), results)
        left_out = pack(Path(name), out, slot.needed)
    print_table(slot, read_records(results))
    for line in left_out:
        print(line)
    wrong = any(is_wrong(record) for record in map(json.loads, results.read_text().splitlines()))
    return 1 if wrong or slot.died else 0


def read_records(path: Path) -> list[Record]:
    """The records of steps that were finished, right or wrong; those that failed are to be tried again.

    Raises:
        SystemExit: there is no such file.
    """
    if not path.exists():
        raise SystemExit(f"{path}: no results here")
    return [record for record in map(json.loads, path.read_text().splitlines()) if "error" not in record]


def is_wrong(record: Record) -> bool:
    """Whether a step failed, or found something that is not right."""
    return "error" in record or record["numbers"].get("right") is False


# ------------------------------------------------------------------------------------------------------ the supervisor


class Slot(NamedTuple):
    """What came of a slot.

    Attributes:
        plan: stage and name of all steps; nothing if the work never came to it.
        fates: what became of steps without a record.
        needed: runs whose weights steps to come start from.
        died: the work ended by itself, but not as it should.
    """

    plan: list[tuple[str, str]]
    fates: dict[str, str]
    needed: list[str]
    died: bool


def supervise(scale: str, until: float, runs: Path, results: Path) -> Slot:
    """Let a process work until a moment at most, and write its records down.

    Args:
        scale: "paper" or "toy".
        until: the moment, as `time.time` tells it.
        runs: folder of run folders.
        results: file of the records.

    Returns:
        What came of it.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(sender, scale, until, runs, results), daemon=True)
    process.start()
    sender.close()  # so that the end of the process is the end of the pipe
    plan: list[tuple[str, str]] = []
    needed = [path.name for path in runs.iterdir()]  # whatever came back is, until the work says otherwise
    fates: dict[str, str] = {}
    died = False
    try:
        while not STOP.is_set():
            left = max(0.0, until - time.time())
            if receiver.poll(min(left, 1.0)):
                kind, told = receiver.recv()
                if kind == "plan":
                    plan = told
                elif kind == "needed":
                    needed = told
                elif kind == "record":
                    write_record(results, told)
                else:
                    fates |= told
                    print(*(f"{what}: {fate}" for what, fate in told.items()), file=sys.stderr, flush=True)
            elif left == 0:
                break
    except (EOFError, OSError):  # the latter in the middle of a message
        process.join()
        died = process.exitcode != 0
    process.kill()
    process.join()
    fates = {what: "cut off" if fate == "begun" else fate for what, fate in fates.items()}
    return Slot(plan, fates, needed, died)


def write_record(results: Path, record: Record) -> None:
    """Append a record to the file, for good."""
    with results.open("a") as file:
        file.write(json.dumps(record) + "\n")
        file.flush()
        os.fsync(file.fileno())


def print_table(slot: Slot, records: Sequence[Record]) -> None:
    """Stage, what, result, seconds."""
    found = {record["what"]: record for record in records}
    width = max((len(what) for _, what in slot.plan), default=0)
    print(f"{'stage':<12} {'what':<{width}} {'seconds':>8}  result")
    for stage, what in slot.plan:
        record = found.get(what)
        result = slot.fates.get(what, "not begun") if record is None else _summary(record["numbers"])
        print(f"{stage:<12} {what:<{width}} {record['seconds'] if record else '':>8}  {result}")


def _summary(numbers: Record) -> str:
    shown = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in numbers.items()}
    words = ", ".join(f"{name} {value}" for name, value in shown.items() if name != "right")
    return f"WRONG: {words}" if numbers.get("right") is False else words


# ------------------------------------------------------------------------------------------------------------ the work


def work(told: Connection, scale_name: str, until: float, runs: Path, results: Path) -> None:
    """Take all steps that have no record yet, in a process of its own.

    Args:
        told: takes what happens.
        scale_name: "paper" or "toy".
        until: when it will be ended.
        runs: folder of run folders.
        results: file of the records so far.
    """
    from cotoolkit.core.processes.worker import end_with_parent

    end_with_parent()
    import torch
    from gpu_slot_anchors import SCALES, anchors
    from gpu_slot_checks import checks

    from cotoolkit.core.errors import DataError
    from cotoolkit.data import load
    from cotoolkit.runs.environment import environment

    scale = SCALES[scale_name]
    os.chdir(runs)
    done = {record["what"]: record["numbers"] for record in read_records(results)}
    steps = [*checks(scale), *anchors(scale)]
    if scale.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no GPU found; --toy needs none")
    try:
        load(scale.setup.config(scale.setup.arm(0.0), 0).data, 0)
    except DataError as error:
        raise SystemExit(str(error)) from None
    machine = environment(scale.device)
    device = machine.pop("device")
    told.send(("plan", [(step.stage, step.what) for step in steps]))
    told.send(("needed", needed_runs(steps, done)))
    for step in steps:
        reason = None if step.what in done else reason_against(step, done, scale.patience * step.seconds, until)
        if reason:
            told.send(("fate", {step.what: f"not begun: {reason}"}))
        if reason or step.what in done:
            continue
        told.send(("fate", {step.what: "begun"}))
        result, seconds = outcome(step, done)
        if "error" in result:
            told.send(("fate", {step.what: f"failed: {result['error']}"}))
        else:
            done[step.what] = result["numbers"]
        record = {"stage": step.stage, "what": step.what, **result, "device": device, "versions": machine}
        told.send(("needed", needed_runs(steps, done)))  # first: with a record the weights have to be carried
        told.send(("record", {**record, "seconds": seconds}))
        forget_weights(needed_runs(steps, done))


def needed_runs(steps: Sequence[Step], done: dict[str, Record]) -> list[str]:
    """Folders of the runs that steps to come start from, the most urgent first."""
    needs = [need for step in steps if step.what not in done for need in step.needs if need in done]
    return list(dict.fromkeys(done[need]["run"] for need in needs))


def reason_against(step: Step, done: dict[str, Record], seconds: float, until: float) -> str | None:
    """Why a step cannot be taken now, if it cannot."""
    from cotoolkit.runs.folder import RunFolder

    for need in step.needs:
        if need not in done:
            return f"{need} comes first"
        if not RunFolder(done[need]["run"]).checkpoint_path("last").exists():
            return f"the weights of {need} were left behind; without its line in results.jsonl it is trained anew"
    left = until - time.time()
    return f"it may take {seconds:.0f} s, and {left:.0f} s are left" if left < seconds else None


def outcome(step: Step, done: dict[str, Record]) -> tuple[Record, float]:
    """Take a step: its numbers, or the error that it failed with; and the seconds it took."""
    from cotoolkit.core.errors import CotoolkitError
    from cotoolkit.runs.folder import RunFolder

    started = time.perf_counter()
    try:
        result: Record = {"numbers": step.work(*(RunFolder(done[need]["run"]) for need in step.needs))}
    except CotoolkitError as error:
        result = {"error": str(error)}
    except Exception as error:  # whatever goes wrong in one step, the others are taken
        traceback.print_exc()
        result = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    return result, round(time.perf_counter() - started, 1)


def forget_weights(needed: Sequence[str]) -> None:
    """Delete the weights of finished runs that no step starts from."""
    for folder in Path().glob("*-*"):
        finished = (folder / "result.json").exists()
        for path in folder.glob("checkpoints/*.safetensors") if finished else ():
            if folder.name not in needed or path.stem != "last":
                path.unlink()


if __name__ == "__main__":
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: STOP.set())
    sys.exit(main())
