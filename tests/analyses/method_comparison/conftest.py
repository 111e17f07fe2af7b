"""A comparison of a few steps on digits, and the command that runs it in this process."""

import contextlib

import pytest
import typer
from pydantic.dataclasses import dataclass
from typer.main import get_command

from analyses.method_comparison import command, cost, settings
from analyses.method_comparison.settings import ComparisonScale, SharedSettings
from cotoolkit.core.registry import STRICT
from cotoolkit.evaluation import worst_of_three
from cotoolkit.methods import METHODS
from tests._helpers.runners import InProcessRunner

TINY = ComparisonScale(
    settings=(
        SharedSettings(
            why="a few steps",
            base={
                "data": {"name": "digits", "train_size": 96, "test_size": 40, "holdout": 20},
                "model": {"name": "small_cnn", "width": 2},
                "epochs": 1,
                "batch_size": 32,
                "monitor": {"interval": 2, "points": 20, "steps": 2},
                "evaluation": ("clean",),
            },
            radii=(0.05,),
        ),
    ),
    seeds=(0,),
    points=30,
)


@pytest.fixture
def registered(monkeypatch):
    """Registers a method for the length of a test."""

    def register(cls, name):
        monkeypatch.setattr(METHODS, "_classes", dict(METHODS._classes))
        monkeypatch.setattr(METHODS, "_aliases", dict(METHODS._aliases))
        METHODS.register(name)(dataclass(frozen=True, config=STRICT)(cls))

    return register


@pytest.fixture
def tiny(monkeypatch):
    """Scale smoke is `TINY`, its attacks are short, and its costs of few turns."""
    monkeypatch.setitem(settings.SCALES, "smoke", TINY)
    monkeypatch.setattr(worst_of_three, "QUERIES", 5)
    monkeypatch.setattr(worst_of_three, "MARGIN_STEPS", 3)
    monkeypatch.setattr(worst_of_three, "PROTOCOL", "pgd-3")
    monkeypatch.setattr(cost, "TURNS", 3)
    monkeypatch.setattr(cost, "STEPS", 2)
    monkeypatch.setattr(cost, "TIMED_BATCHES", 2)
    return TINY


@pytest.fixture
def compare(cli, tiny, monkeypatch):
    """`cotoolkit compare` in this process; gives exit code, standard output and standard error."""

    @contextlib.contextmanager
    def lend(root, folder, jobs, device, fresh, download):
        yield InProcessRunner(root, folder, jobs, "cpu", download, fresh)

    monkeypatch.setattr(command, "live_runner", lend)
    with_command = typer.Typer(pretty_exceptions_enable=False)
    with_command.command("compare")(command.compare_methods)
    with_command.callback()(lambda: None)
    monkeypatch.setattr("cotoolkit.cli.app.cotoolkit_command", get_command(with_command))
    return lambda *words: cli("compare", *words)
