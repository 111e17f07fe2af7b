"""63 public logs of 21 methods, with 12 collapses, labelled by rules that anybody can check with a ruler."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cotoolkit import diagnose_log

NAME = "fastat_cifar10_epochs.csv"
FOLDER = os.environ.get("COTOOLKIT_DATA")
THERE = FOLDER is not None and (Path(FOLDER) / NAME).is_file()

pytestmark = pytest.mark.skipif(
    not THERE, reason=f"COTOOLKIT_DATA names no folder with {NAME}, which is not ours to ship"
)


@pytest.fixture(scope="module")
def logs():
    return pd.read_csv(Path(FOLDER) / NAME)


def first_sustained_fall(run):
    """The first epoch with PGD accuracy below half of its best and FGSM accuracy above twice it, three in a row."""
    run = run.sort_values("epoch")
    best = run["pgd"].cummax()
    fallen = (best >= 0.15) & (run["pgd"] < best / 2) & (run["fgsm"] > 2 * run["pgd"])
    lasting = fallen & fallen.shift(-1, fill_value=False) & fallen.shift(-2, fill_value=False)
    return int(run["epoch"][lasting].iloc[0]) if lasting.any() else None


@pytest.fixture(scope="module")
def labels(logs):
    return {key: first_sustained_fall(run) for key, run in logs.groupby(["method", "seed"])}


def dates(found):
    return {(run.key["method"], run.key["seed"]): [event.at for event in run.breakpoints] for run in found.runs}


def missed_and_called(found, labels, late=1.0):
    """Collapses without a breakpoint within `late` of the label, and healthy runs with one."""
    called = dates(found)
    missed = {
        key for key, at in labels.items() if at is not None and not any(abs(one - at) <= late for one in called[key])
    }
    return missed, {key for key, at in labels.items() if at is None and called[key]}


def test_the_labels_are_those_that_were_published(labels):
    broken = {key: at for key, at in labels.items() if at is not None}
    spans = {"fgsm_at": (23, 26), "fgsm_rs": (45, 72), "zero_grad": (52, 68), "elle": (52, 77)}
    assert len(labels) == 63
    assert len(broken) == 12
    assert all(spans[method][0] <= at <= spans[method][1] for (method, _), at in broken.items())


def test_all_are_found_and_no_other_is_called(logs, labels):
    found = diagnose_log(logs)
    assert found.columns["run"] == "method, seed"
    assert missed_and_called(found, labels, late=0) == (set(), set())
    for run in found.runs:
        label = labels[run.key["method"], run.key["seed"]]
        assert all(event.earliest == label - 1 and event.latest == label for event in run.breakpoints)
        assert (run.verdict in ("catastrophic overfitting", "recovered")) == (label is not None)
        # The later rows have at least 80 % of the best earlier PGD accuracy, read off the table.
        mine = logs[(logs["method"] == run.key["method"]) & (logs["seed"] == run.key["seed"])]
        if label is not None:
            before, after = (mine.loc[rows, "pgd"].max() for rows in (mine["epoch"] < label, mine["epoch"] >= label))
            assert (run.verdict == "recovered") == (after >= 0.8 * before)


def renamed(logs):
    return logs.rename(columns={"clean": "Test Acc", "fgsm": "FGSM-8/255", "pgd": "test_robust_acc", "epoch": "Epoch"})


TRANSFORMED = {
    "percent": lambda logs, rng: logs.assign(**{name: 100 * logs[name] for name in ("clean", "fgsm", "pgd")}),
    "errors": lambda logs, rng: logs.assign(clean_err=1 - logs["clean"], pgd_error=1 - logs["pgd"]).drop(
        columns=["clean", "pgd", "wa_clean", "wa_pgd"]
    ),
    "renamed": lambda logs, rng: renamed(logs).drop(columns=["wa_clean", "wa_fgsm", "wa_pgd"]),
    "shuffled": lambda logs, rng: logs.sample(frac=1, random_state=1),
    "gaps": lambda logs, rng: logs.assign(fgsm=logs["fgsm"].where(logs["epoch"] % 2 == 0)),
    "every second epoch": lambda logs, rng: logs[logs["epoch"] % 2 == 0],
    "every fifth epoch": lambda logs, rng: logs[logs["epoch"] % 5 == 0],
    "half, 1,000 points": lambda logs, rng: scaled(logs, rng, 0.5, 1000),
    "half, 500 points": lambda logs, rng: scaled(logs, rng, 0.5, 500),
    "half, 200 points": lambda logs, rng: scaled(logs, rng, 0.5, 200),
    "a quarter, 10,000 points": lambda logs, rng: scaled(logs, rng, 0.25, 10_000),
    "a quarter, 1,000 points": lambda logs, rng: scaled(logs, rng, 0.25, 1000),
    "a quarter, 500 points": lambda logs, rng: scaled(logs, rng, 0.25, 500),
    "FGSM accuracy as before": lambda logs, rng: scaled(mild(logs, rng, 1.0, 0.2), rng, 0.25, 1000),
    "FGSM accuracy lower": lambda logs, rng: scaled(mild(logs, rng, 0.9, 0.25), rng, 0.15, 1000),
}


def scaled(logs, rng, factor, points):
    """As of a harder task: FGSM and PGD accuracy times a factor, drawn on fewer points."""
    fgsm = rng.binomial(points, factor * logs["fgsm"])
    pgd = rng.binomial(fgsm, np.minimum(logs["pgd"] / logs["fgsm"], 1))
    clean = rng.binomial(points, (1 + factor) / 2 * logs["clean"])
    return logs.assign(clean=clean / points, fgsm=fgsm / points, pgd=pgd / points)


def mild(logs, rng, stays, left):
    """After a collapse FGSM accuracy is no more than a share of what it was, and PGD accuracy no less than one."""
    changed = []
    for _, run in logs.groupby(["method", "seed"]):
        label = first_sustained_fall(run)
        if label is not None:
            before = run[(run["epoch"] >= label - 5) & (run["epoch"] < label)][["fgsm", "pgd"]].median()
            after = run["epoch"] >= label
            fgsm = run["fgsm"].clip(upper=stays * before["fgsm"] * rng.uniform(0.93, 1.07, len(run)))
            pgd = run["pgd"].clip(lower=left * before["pgd"] * rng.uniform(0.7, 1.1, len(run)))
            changed.append(
                run.assign(fgsm=run["fgsm"].where(~after, fgsm), pgd=run["pgd"].where(~after, np.minimum(pgd, fgsm)))
            )
        else:
            changed.append(run)
    return pd.concat(changed)


@pytest.mark.parametrize("name", TRANSFORMED)
def test_it_holds_on_transformed_logs(logs, name):
    table = TRANSFORMED[name](logs, np.random.default_rng(3))
    epochs = next(column for column in table if column.lower() == "epoch")
    steps = sorted(table[epochs].unique())
    shown = {
        key: None if (at := first_sustained_fall(run)) is None else min(step for step in steps if step >= at)
        for key, run in logs.groupby(["method", "seed"])
    }
    assert missed_and_called(diagnose_log(table), shown) == (set(), set())


def test_without_fgsm_accuracy_they_are_found_and_said_to_be_less_sure(logs, labels):
    found = diagnose_log(logs, fgsm="none")
    assert missed_and_called(found, labels) == (set(), set())
    assert any("no FGSM accuracy" in note for note in found.notes)
    assert not {event.confidence for run in found.runs for event in run.breakpoints} & {"high"}


def test_without_clean_accuracy(logs, labels):
    assert missed_and_called(diagnose_log(logs, clean="none"), labels) == (set(), set())
