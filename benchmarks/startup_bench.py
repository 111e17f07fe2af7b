"""What the engine costs beside its arithmetic: CPU seconds of whole processes, paired in one run on this machine.

    uv run python benchmarks/startup_bench.py [--repeats 5] [--demo ROOT]

1. A digits run as `cotoolkit train` does it, in a fresh process, against `bare_fgsm.py`, a hand-written script with the
   same network, data, radius, batches and schedule; the process, and `Trainer.fit` against the script's loop.
2. A training step of the engine against one of that script, in turn in this process.
3. Each command that lists something against `python -c "import torch"`.
4. With --demo, a folder in which `cotoolkit demo` has been run: running it again.

Neither side of 1 imports scikit-learn: the engine reads its file of digits, the script an .npz. All processes have one
thread. Ratios are medians over pairs; each pair alternates, so that a machine whose speed drifts changes both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from bare_fgsm import Loop

from cotoolkit.config import RunConfig
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.data import load
from cotoolkit.studies.demo import demo_study
from cotoolkit.training.trainer import Trainer

BARE = str(Path(__file__).with_name("bare_fgsm.py"))

COMMAND = "from cotoolkit.cli import main; main()"

MEASURED = """
import atexit, json, sys, time
import cotoolkit.training.trainer as engine
from cotoolkit.cli import main
from cotoolkit.runs.folder import RunFolder
spent = {}
def clock(owner, name, part):
    work = getattr(owner, name)
    def timed(*arguments, **options):
        start = time.process_time()
        try:
            return work(*arguments, **options)
        finally:
            spent[part] = spent.get(part, 0) + time.process_time() - start
    setattr(owner, name, timed)
clock(engine.Trainer, "fit", "fit")
clock(engine.Trainer, "step", "steps")
clock(engine.Trainer, "measure", "probes")
clock(engine, "evaluate", "evaluation")
for name in ("write_progress", "write_checkpoint", "write_resume", "write_result", "write_environment", "set_state"):
    clock(RunFolder, name, "files")
atexit.register(lambda: print(json.dumps(spent), file=sys.stderr))
main()
"""
"""`cotoolkit train` with a clock at the parts of `fit`; says their CPU seconds on the last line of stderr."""

TORCH = ("-c", "import torch")

LISTINGS = (
    "--help",
    "--version",
    "methods",
    "models",
    "datasets",
    "interventions list",
    "runs list",
    "figures list",
)


def process(*words: str) -> tuple[float, str, str]:
    """CPU seconds, user and system, of a fresh Python process, its standard output and its standard error."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen([sys.executable, *words], stdout=out, stderr=err, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        printed, said = out.read(), err.read()
    if child.returncode:
        raise SystemExit(f"{' '.join(words)[:200]} ended with {child.returncode}:\n{said}")
    return usage.ru_utime + usage.ru_stime, printed, said


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process while it works."""
    start = time.process_time()
    work()
    return time.process_time() - start


def row(what: str, pairs: Sequence[tuple[float, float]], aim: str = "") -> None:
    """One line: the median of ours over theirs, its range, and the medians of both."""
    ratios = sorted(ours / theirs for ours, theirs in pairs)
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(
        f"{what:<52} {statistics.median(ratios):6.3f}x  ({ratios[0]:.3f} to {ratios[-1]:.3f}; {ours:.2f} over "
        f"{theirs:.2f}){f'  aim {aim}' if aim else ''}",
        flush=True,
    )


def configuration() -> RunConfig:
    """The demo's base with default monitoring, FGSM and no feature."""
    base = demo_study().runs()[-1].to_data()
    return RunConfig.parse({**base, "monitor": {}, "intervention": None})


def say_shares(whole: str, spent: Sequence[dict[str, float]], parts: dict[str, str], rest: str) -> None:
    """One line: what share of a whole each part takes, medians over runs; a part that did not happen took nothing."""
    key = whole.removeprefix("the ")
    shares = {name: statistics.median(one.get(part, 0.0) / one[key] for one in spent) for part, name in parts.items()}
    shares[rest] = 1 - sum(shares.values())
    print(f"    of {whole}: " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()), flush=True)


def whole_processes(repeats: int, folder: Path) -> None:
    """A fresh process of ours over one of the hand-written script, and `fit` over its loop."""
    config = configuration()
    train = load(config.data, config.seed).train
    np.savez(folder / "data.npz", images=train.images.numpy().astype(np.float32) / 255, labels=train.labels.numpy())
    (folder / "config.yaml").write_text(yaml.safe_dump(config.to_data()))
    ours = ("-c", MEASURED, "train", "--config", str(folder / "config.yaml"), "--root", str(folder), "--device", "cpu")
    rows: dict[str, list[tuple[float, float]]] = {"as people write it": [], "without torch.optim": []}
    fits: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
    shares: list[dict[str, float]] = []
    for _ in range(repeats):
        for name, words in (("as people write it", ()), ("without torch.optim", ("lean",))):
            bare, printed, _ = process(BARE, str(folder / "data.npz"), *words)
            cost, _, said = process(*ours, "--fresh")
            spent = json.loads(said.splitlines()[-1])
            rows[name].append((cost, bare))
            fits[name].append((spent["fit"], float(printed.split()[0])))
            shares.append({**spent, "process": cost, "torch": process(*TORCH)[0]})
    for name, pairs in rows.items():
        row(f"process over a bare script {name}", pairs, "1.5")
    for name, pairs in fits.items():
        row(f"fit over the loop of one {name}", pairs, "1.35")
    say_shares("the process", shares, {"torch": "import torch", "fit": "fit"}, "other imports, set-up and the table")
    parts = {part: part for part in ("steps", "probes", "evaluation", "files")}
    say_shares("fit", shares, parts, "signals and the monitor")


def steps(repeats: int, folder: Path) -> None:
    """A step of the engine, untraced and as `fit` traces it, over one of the hand-written loop."""
    torch.set_num_threads(1)
    data = np.load(folder / "data.npz")
    bare = Loop(torch.from_numpy(data["images"]), torch.from_numpy(data["labels"]), torch.optim.SGD)
    trainer = Trainer(configuration(), device="cpu")
    every = trainer.config.monitor.trace_every
    untraced: list[tuple[float, float]] = []
    traced: list[tuple[float, float]] = []

    def turn(traces: bool) -> tuple[float, float]:
        def ours() -> None:
            for step in range(16):
                trainer.step(trace=traces and step % every == 0)

        def theirs() -> None:
            for _ in range(16):
                bare.step()

        trainer.iteration = bare.done = 10 * bare.batches  # in the middle, so that no turn runs over the end
        return cpu_seconds(ours), cpu_seconds(theirs)

    with fork_global_rng(0, "layers"):
        turn(False)
        for _ in range(8 * repeats):
            untraced.append(turn(False))
            traced.append(turn(True))
    row("step over a bare step", untraced, "1.05")
    row("step, traced as in fit, over a bare step", traced)


def listings(repeats: int, folder: Path) -> None:
    """Each listing command over the import of torch."""
    for words in LISTINGS:
        root = ["--root", str(folder)] if words == "runs list" else []
        pairs = [(process("-c", COMMAND, *words.split(), *root)[0], process(*TORCH)[0]) for _ in range(repeats)]
        row(f"cotoolkit {words}, over import torch", pairs, "well below 1")


def demo_again(repeats: int, root: Path) -> None:
    """A finished demo over the import of torch."""
    process("-c", COMMAND, "demo", "--root", str(root))
    pairs = [(process("-c", COMMAND, "demo", "--root", str(root))[0], process(*TORCH)[0]) for _ in range(repeats)]
    row("a finished demo again, over import torch", pairs, "below 3 s on a quiet machine")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--demo", type=Path, help="folder in which `cotoolkit demo` has been run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        whole_processes(arguments.repeats, Path(name))
        steps(arguments.repeats, Path(name))
        listings(arguments.repeats, Path(name))
    if arguments.demo:
        demo_again(arguments.repeats, arguments.demo)
