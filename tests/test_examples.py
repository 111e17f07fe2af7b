"""The examples run, and show what they say."""

import os
import runpy
import sys
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from analyses.core.runner import StudyRunner
from cotoolkit.evaluation import evaluate
from cotoolkit.methods import METHODS
from cotoolkit.methods.base import Family
from figures.catalogue import find_recipes
from figures.make import make

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def assert_found(monitor):
    """The collapse was found soon after it happened: by the probe, and between two snapshots."""
    event = monitor.breakpoint
    assert event is not None
    assert event.probe.pgd < event.probe.fgsm / 2
    assert event.probe.fgsm - event.probe.pgd > 0.2
    assert 100 < event.earliest <= event.iteration <= event.detected == monitor.iteration < 400
    assert event.detected - event.earliest < 40
    before, after = monitor.bracket
    assert before.iteration + 1 == event.earliest
    assert not monitor.criterion.is_broken(monitor._measure(before.weights))  # robust before ...
    assert monitor.criterion.is_broken(monitor._measure(after.weights))  # ... and broken after


@pytest.fixture
def fresh_accelerate():
    """Accelerate as if nothing had chosen a precision: it keeps the first for the life of the process."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_accelerate")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain_loop", {}),
        ("fabric_bf16_accumulation", {}),
        ("accelerate_bf16_accumulation", {"cpu": True, "precision": "no"}),  # see the next test
    ],
)
def test_the_collapse_is_found(name, options):
    monitor = example(name)["main"](**options)
    assert_found(monitor)
    assert monitor.broken


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_accelerate")
def test_accelerates_autocast_is_probed():
    """Five epochs: where the processor has no bfloat16 of its own, a whole course takes a minute."""
    monitor = example("accelerate_bf16_accumulation")["main"](epochs=5, cpu=True)
    assert monitor.iteration == 5 * 22  # updates: 43 batches by two, and one more at the end of the epoch
    found = monitor.probe()
    assert found.clean > 0.4
    assert found.complete


@pytest.mark.slow
def test_the_lightning_callback_stops_the_trainer():
    callback = example("lightning_callback")["main"]()
    assert_found(callback.monitor)
    assert callback.monitor.should_stop


@pytest.mark.slow
def test_a_rescue_keeps_what_would_be_lost(capsys):
    robust = example("rescue")["main"](epochs=13)  # it breaks in the tenth or eleventh
    assert robust["without rescue"] < 0.1
    assert robust["with rescue"] > 0.2
    assert "trained on by NFGSM" in capsys.readouterr().out


@pytest.mark.slow
def test_logs_tell_the_story(tmp_path):
    monitor = example("loggers")["main"](str(tmp_path))
    assert_found(monitor)
    event = monitor.breakpoint
    table = pd.read_csv(next(tmp_path.glob("csv/*/metrics.csv"))).set_index("step")
    probed = table["cotoolkit/probe_pgd"].dropna()
    # A probe that ends early, once it is sure, is no row; whether one does, goes by the processor.
    assert bool(probed.index[-1] == event.detected) is event.probe.complete
    assert not event.probe.complete or probed.iloc[-1] == pytest.approx(event.probe.pgd)
    assert table["cotoolkit/breakpoint"].dropna().to_dict() == {event.detected: event.iteration}
    assert table["cotoolkit/pert_align"].dropna().index.tolist() == list(range(20, event.detected + 1, 20))
    board = EventAccumulator(str(next(tmp_path.glob("tensorboard/*")))).Reload()
    assert [(s.step, s.value) for s in board.Scalars("cotoolkit/breakpoint")] == [(event.detected, event.iteration)]
    assert [s.step for s in board.Scalars("cotoolkit/probe_pgd")] == probed.index.tolist()
    after = load_file(tmp_path / "weights" / f"after-{event.iteration}.safetensors")
    assert all(torch.equal(value, after[name]) for name, value in monitor.bracket[1].weights.items())


@pytest.mark.slow
def test_the_figure_of_ones_own_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (recipe,) = find_recipes(str(EXAMPLES / "stripes.py"))
    module = sys.modules.pop("stripes")
    small = module.STUDY.model_copy(update={"base": {**module.STUDY.base, "epochs": 1, "monitor": {"interval": 0}}})
    small = small.model_copy(update={"grids": ({"intervention.beta": (0.0, 0.15, 0.25), "seed": (0,)},)})
    monkeypatch.setattr(module, "STUDY", small)
    runner = StudyRunner(tmp_path / "runs", tmp_path / "measured", jobs=1, device="cpu")
    record = make(recipe, "smoke", runner, tmp_path)
    assert [(claim.key, claim.verdict) for claim in record.claims] == [
        ("breaks", "shown"),
        ("saves", "shown"),
    ]  # one seed
    assert len(record.making.runs) == 3
    assert (tmp_path / "mine/stripes/smoke/figure.pdf").exists()


@pytest.mark.slow
def test_the_notebook_shows_pictures_and_tables(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    paths = [str(EXAMPLES.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    notebook = nbformat.read(EXAMPLES / "first_look.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # none are committed
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    progress, folder = shown["run"]
    assert progress.data["text/plain"].splitlines() == [progress.data["text/plain"]]
    assert "320/320" in progress.data["text/plain"]
    assert "<caption>Run</caption>" in folder.data["text/html"]
    assert "<caption>Diagnosis<" in shown["diagnosis"][0].data["text/html"]
    for cell in ("timeline", "attacks"):
        (picture,) = shown[cell]
        assert picture.data["image/png"].startswith("iVBOR")
    assert (tmp_path / "diagnosis" / "report.html").exists()


METHOD_OF = {METHODS[name].family: name for name in reversed(METHODS.names())}
"""A method of each family."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Lightning's, on few workers and batches
@pytest.mark.parametrize("family", [family for family in get_args(Family) if family != "own"])
def test_a_method_of_each_family_trains_in_lightning(family, tmp_path):
    named = example("lightning_methods")
    few = {"limit_train_batches": 2, "limit_val_batches": 1, "enable_progress_bar": False, "logger": False}
    quiet = {"enable_checkpointing": False, "enable_model_summary": False, "accelerator": "cpu"}
    module, trainer = named["main"](METHOD_OF[family], epochs=1, **few, **quiet)
    start = named["MethodModule"](METHOD_OF[family])
    assert any(not torch.equal(one, module.state_dict()[name]) for name, one in start.state_dict().items())
    updates = METHODS[METHOD_OF[family]]().replays if METHOD_OF[family] == "free" else 1
    assert trainer.callbacks[0].monitor.iteration == trainer.global_step == 2 * updates
    # The accuracy is that of the trained network on the 200 images of the one batch.
    images, labels = trainer.val_dataloaders.dataset[:200]
    found = evaluate(module.model, images, labels, named["THREAT"], "pgd-10", batch_size=200)
    assert trainer.callback_metrics["robust_accuracy"].item() == pytest.approx(found.accuracy.value)
    # Another module goes on with what was remembered.
    trainer.save_checkpoint(tmp_path / "state.ckpt")
    start.on_load_checkpoint(torch.load(tmp_path / "state.ckpt", weights_only=True))
    assert all(torch.equal(one, start.memory[name]) for name, one in module.memory.items())
    assert module.memory.keys() == start.memory.keys()


def test_examples_are_short():
    assert all(len(path.read_text().splitlines()) < 100 for path in EXAMPLES.glob("*.py"))
