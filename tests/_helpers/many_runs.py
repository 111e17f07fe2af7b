"""Many finished runs without training and without metrics: valid folders, written through their own API."""

import itertools
from pathlib import Path

from cotoolkit.evaluation.protocol import named_protocol
from cotoolkit.runs.folder import RunFolder
from tests._helpers.small import small

GRID = {"method": ("fgsm", "n_fgsm", "pgd"), "epsilon": ("2/255", "4/255", "8/255", "16/255"), "seed": range(100)}


def stored_result(clean: float, robust: float, breaks_at: int | None, threat) -> dict:
    """What result.json holds of a run that broke, or did not."""
    detail = {"sustained": breaks_at, "earliest": (breaks_at or 0) - 3, "latest": (breaks_at or 0) + 3}
    event = {"kind": "breakpoint", "iteration": breaks_at, "detail": detail, "count": 1}
    evaluation = {
        name: {"value": value, "low": 0.0, "high": 1.0, "points": 60, "card": named_protocol(name).card(threat)}
        for name, value in (("clean", clean), ("pgd-3", robust))
    }
    return {
        "verdict": "robust" if breaks_at is None else "catastrophic overfitting",
        "breakpoint": None if breaks_at is None else event,
        "iterations": 400,
        "best_iteration": 180,
        "evaluation": evaluation,
        "seconds": 1.5,
    }


def finished_run(root: Path, *, breaks_at: int | None = None, robust: float = 0.5, **settings) -> RunFolder:
    config = small(**settings)
    folder = RunFolder.of(root, config)
    folder.create(config)
    folder.write_result(stored_result(0.9, robust, breaks_at, config.threat))
    folder.set_state("done")
    return folder


def finished_runs(root: Path, count: int) -> list[RunFolder]:
    """So many runs over `GRID`; single-step ones break at 16/255, at iteration 100 plus the seed."""
    found = []
    for seed, epsilon, method in itertools.islice(itertools.product(*list(GRID.values())[::-1]), count):
        broken = method != "pgd" and epsilon == "16/255"
        robust = 0.01 if broken else round(0.6 - seed / 1000, 4)
        found.append(
            finished_run(
                root,
                breaks_at=100 + seed if broken else None,
                robust=robust,
                method=method,
                epsilon=epsilon,
                seed=seed,
            )
        )
    return found
