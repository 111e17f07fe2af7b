"""What a notebook shows while runs train."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from cotoolkit.config import RunConfig
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.launchers.launcher import Outcome
from cotoolkit.studies.launchers.tasks import Update
from cotoolkit.studies.live import NotebookRuns
from cotoolkit.training.live import NotebookReport, in_notebook
from cotoolkit.training.progress import Progress


@pytest.fixture
def notebook(monkeypatch):
    """A kernel that keeps what is shown: a list of texts per output."""
    outputs = []

    def display(data, raw, display_id):
        assert raw
        assert display_id
        shown = [data]
        outputs.append(shown)
        return SimpleNamespace(update=lambda data, raw: shown.append(data))

    names = {"get_ipython": lambda: SimpleNamespace(kernel=1), "display": display}
    for name in ("IPython", "IPython.display", "ipykernel"):
        module = ModuleType(name)
        module.__dict__.update(names)
        monkeypatch.setitem(sys.modules, name, module)
    return outputs


def test_outside_a_notebook_nothing_is_shown():
    assert not in_notebook()


def test_a_run_is_one_output_that_changes_a_few_times_a_second(notebook):
    assert in_notebook()
    report = NotebookReport(RunConfig())
    for iteration in range(1, 2001):
        report(Progress(iteration, 2000, None))
    report.end("done")
    (shown,) = notebook
    assert len(shown) < 200
    assert shown[0]["text/plain"].endswith("──  1/2000")
    assert shown[-1]["text/plain"].endswith("━━  2000/2000  done")
    assert shown[-1]["text/html"] == f"<pre>{shown[-1]['text/plain']}</pre>"


def test_a_study_shows_what_runs_and_what_failed(notebook, tmp_path):
    configs = [RunConfig(seed=seed) for seed in (0, 1)]
    live = NotebookRuns(configs)
    live.on_update(Update(configs[0].identity, Progress(1, 9, None)))
    for config, state, reason in zip(configs, ("done", "failed"), ("", "Traceback\nNo <luck>"), strict=True):
        live.on_outcome(Outcome(config, RunFolder.of(tmp_path, config), state, reason))
    live.on_update(Update(configs[0].identity, Progress(9, 9, None)))  # late
    (shown,) = notebook
    assert shown[0]["text/plain"].splitlines()[1] == "seed 0  ━━──────────────────  1/9"
    last = shown[-1]["text/plain"].splitlines()
    assert last[0] == "2 of 2 runs ended"
    assert last[1] == "failed: seed 1: No <luck>"
    assert len(last) == 2
    assert "No &lt;luck&gt;" in shown[-1]["text/html"]
