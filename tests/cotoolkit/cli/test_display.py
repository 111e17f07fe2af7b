"""What is shown while runs train, and of finished ones: whole at any width, and plain where nobody looks."""

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from cotoolkit.cli import display
from cotoolkit.cli.display import LiveRuns
from cotoolkit.cli.listing import breakpoint_text, result_table
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.live import probe_text
from cotoolkit.training.progress import Pace, Progress
from cotoolkit.training.run import run
from tests._helpers.scripted import result as probe_result
from tests._helpers.small import small


def test_live_display_follows_runs(tmp_path, monkeypatch):
    from cotoolkit.studies.launchers.launcher import Outcome
    from cotoolkit.studies.launchers.tasks import Update

    monkeypatch.setattr(display, "in_place", lambda: True)
    configs = [small(seed=seed) for seed in (0, 1)]
    with LiveRuns(configs) as live:
        live.on_update(Update(configs[0].identity, Progress(3, 10, None, "starting")))
        live.on_update(Update(configs[0].identity, Progress(5, 10, probe_result(0.5))))
        assert live._progress.tasks[1].completed == 5
        for config in configs:
            live.on_outcome(Outcome(config, RunFolder.of(tmp_path, config), "done"))
        assert live._progress.tasks[0].finished


@pytest.mark.parametrize("width", [66, 80, 120, 200])
def test_progress_is_whole_at_any_width(monkeypatch, width):
    from cotoolkit.studies.launchers.tasks import Update

    screen = Console(file=io.StringIO(), width=width, color_system=None)
    monkeypatch.setattr(display, "console", screen)
    monkeypatch.setattr(display, "in_place", lambda: True)
    clock = iter(range(0, 10_000, 60)).__next__
    monkeypatch.setattr(display, "Pace", lambda runs: Pace(runs, clock))
    inject = {"name": "inject", "carrier": "paired", "beta": 0.15}
    configs = [small(method=method, intervention=inject, seed=3) for method in ("fgsm", "n_fgsm")]
    live = LiveRuns(configs)
    for iteration in (1, 1200, 1300):
        live.on_update(Update(configs[1].identity, Progress(iteration, 12_000, probe_result(0.5))))
    screen.print(live._progress.get_renderable())
    first, second = screen.file.getvalue().splitlines()
    assert len(second.rstrip()) <= width
    assert second.startswith("n_fgsm ")  # what the runs share is left out
    assert ("━" in second) == (width >= 76)
    assert "1300/12000 clean 90% FGSM 70% PGD 50% " in second
    assert second.rstrip().endswith(" min left")
    assert "…" not in first + second


def test_a_log_gets_plain_lines(monkeypatch):
    assert not display.in_place()  # the output is caught here
    monkeypatch.setattr(display.console.file, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(display.console, "is_interactive", True)
    monkeypatch.delenv("CI", raising=False)
    assert display.in_place()
    monkeypatch.setenv("CI", "true")
    assert not display.in_place()


@pytest.mark.parametrize("words", ["--help", "nonsense", "methods nonsense"])
@pytest.mark.parametrize("place", [{"GITHUB_ACTIONS": "true", "CI": "true"}, {"NO_COLOR": "1"}])
def test_logs_of_ci_and_no_color_have_no_style(place, words):
    command = [sys.executable, "-c", "from cotoolkit.cli import main; main()", *words.split()]
    environment = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    ended = subprocess.run(command, env={**environment, **place}, capture_output=True, text=True, check=False)
    assert ended.stdout + ended.stderr
    assert "\x1b" not in ended.stdout + ended.stderr


def test_no_color_leaves_no_style_on_a_terminal(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    plain = display._console()
    plain._force_terminal, plain.file = True, io.StringIO()
    plain.print("bold", style="bold red")
    assert plain.file.getvalue() == "bold\n"


def test_accuracies_in_a_few_characters():
    assert probe_text(Progress(1, 2, None, "starting")) == ""
    assert probe_text(Progress(1, 2, probe_result(0.5), "dating")) == "clean 90% FGSM 70% PGD 50%"


def test_breakpoints_in_tables():
    row = {"verdict": "catastrophic overfitting", "breakpoint": 268, "earliest": 259, "latest": 278}
    assert breakpoint_text(row) == "268 (259-278)"
    assert breakpoint_text({**row, "breakpoint": None}) == "none"
    assert breakpoint_text({**row, "verdict": ""}) == ""


def test_the_table_shows_what_differs(tmp_path):
    from cotoolkit.runs.tables.run_table import run_table

    runs = [
        run(small(epochs=1, **options), tmp_path, device="cpu")
        for options in ({}, {"intervention": {"name": "inject", "carrier": "paired", "beta": 0.1}}, {"method": "pgd"})
    ]
    headers = [column.header for column in result_table(run_table(runs)).columns]
    assert headers == ["method", "intervention", "β", "seed", "clean", "PGD-3", "breakpoint", "verdict"]
