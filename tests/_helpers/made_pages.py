"""Runs made by hand: folders written through their own API, without training."""

import json
from pathlib import Path

import numpy as np
import pytest

from cotoolkit.evaluation.accuracy import Accuracy
from cotoolkit.evaluation.protocol import named_protocol
from cotoolkit.pages import crowd_charts, study_page, write
from cotoolkit.plotting import timeline
from cotoolkit.runs.folder import RunFolder
from cotoolkit.runs.metrics import Metrics
from cotoolkit.studies.study import Study
from tests._helpers.small import SMALL, small

ITERATIONS = 400


def made_run(root: Path, *, breaks_at: int | None = None, state: str = "done", **settings) -> RunFolder:
    """A run whose PGD accuracy falls, and FGSM accuracy rises, at an iteration; `state` as in status.json."""
    config = small(**settings)
    folder = RunFolder.of(root, config)
    folder.create(config)
    folder.set_state(state, "" if state in ("done", "running") else f"a made run that {state}")
    if state == "new":
        (folder.path / "status.json").unlink()
        return folder
    events = [] if breaks_at is None else _events(breaks_at)
    folder.write_progress(_metrics(breaks_at, diverges=state == "diverged"), events)
    folder.write_environment("cpu")
    if state in ("done", "diverged"):
        folder.write_result(_result(config, breaks_at, events, state))
    return folder


def made_study(root: Path) -> Study:
    """Twelve runs over method, radius and seed; FGSM at the larger radius breaks, one run has failed."""
    study = Study(
        name="made",
        question="Does a larger radius break FGSM?",
        base=SMALL,
        grids=({"method": ("fgsm", "pgd"), "epsilon": (0.1, 0.2), "seed": (0, 1, 2)},),
    )
    for config in study.runs():
        broken = config.method.name == "fgsm" and config.epsilon > 0.15
        failed = config.method.name == "pgd" and config.epsilon > 0.15 and config.seed == 2
        made_run(
            root,
            breaks_at=200 + 10 * config.seed if broken else None,
            state="failed" if failed else "done",
            method=config.method.name,
            epsilon=config.epsilon,
            seed=config.seed,
        )
    (study.folder(root)).mkdir(parents=True)
    (study.folder(root) / "study.yaml").write_text(json.dumps(study.model_dump(mode="json")))
    return study


def large_page(study: Study, root: Path, out: Path) -> Path:
    """A study's page as that of thousands of runs: the table packed but for four rows, courses of eight points."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (study_page, timeline):
            patch.setattr(module, "CROWD", 10)
        patch.setattr(write, "LONG_TABLE", 10)
        patch.setattr(write, "FIRST_ROWS", 4)
        patch.setattr(crowd_charts, "MOST_POINTS", 8)
        return write.write_report(study_page.study_report(study, root), out)


def _metrics(breaks_at: int | None, *, diverges: bool) -> Metrics:
    metrics, draws = Metrics(), np.random.default_rng(0)
    for iteration in range(1, ITERATIONS + 1):
        broken = breaks_at is not None and iteration >= breaks_at
        loss = float("nan") if diverges and iteration > 350 else 2 * np.exp(-iteration / 150) + 0.1 * draws.random()
        metrics.add(
            iteration,
            {
                "train_loss": float(loss),
                "abnormal_example": 0.9 if broken else 0.05 * draws.random(),
                "pert_align": 0.1 if broken else 0.8,
                "gradient_norm": 1000.0 if diverges and iteration > 345 else 0.5 + draws.random(),
            },
        )
        if iteration % 20 == 0:
            course = 0.5 * iteration / ITERATIONS
            probe = {"probe_clean": 0.5 + course, "probe_fgsm": 0.3 + course, "probe_pgd": 0.2 + course}
            if broken:
                probe |= {"probe_fgsm": 0.99, "probe_pgd": 0.02}
            metrics.add(iteration, probe)
    return metrics


def _events(breaks_at: int) -> list[dict]:
    detail = {
        "probe_clean": 0.8,
        "probe_fgsm": 0.95,
        "probe_pgd": 0.1,
        "sustained": breaks_at + 2,
        "earliest": breaks_at - 5,
        "latest": breaks_at + 6,
        "detected": breaks_at + 12,
        "moved_first": {"abnormal_example": breaks_at - 8, "pert_align": breaks_at + 2},
    }
    return [
        {"kind": "suspicion", "iteration": breaks_at + 12, "detail": {"probe_pgd": 0.1}},
        {"kind": "breakpoint", "iteration": breaks_at, "detail": detail},
    ]


def _result(config, breaks_at: int | None, events: list[dict], state: str) -> dict:
    evaluation = {}
    for name, value in {"clean": 0.9, "pgd-3": 0.05 if breaks_at else 0.6}.items():
        accuracy = Accuracy(value, value - 0.02, value + 0.02, 60)
        evaluation[name] = {**accuracy._asdict(), "card": named_protocol(name).card(config.threat)}
    verdict = "robust" if breaks_at is None else "catastrophic overfitting"
    return {
        "verdict": "diverged" if state == "diverged" else verdict,
        "breakpoint": next(({**event, "count": 1} for event in events if event["kind"] == "breakpoint"), None),
        "iterations": ITERATIONS,
        "best_iteration": 180,
        "evaluation": {} if state == "diverged" else evaluation,
        "seconds": 1.5,
    }
