"""What a fresh process imports: nothing heavy to list something, and nothing without use to train on digits."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cotoolkit.cli.facts import FACTS
from cotoolkit.core.files import write_atomically
from cotoolkit.runs.folder import RunFolder
from figures.facts import FACTS as FIGURE_FACTS

ROOT = Path(__file__).parents[1]

LISTINGS = (
    "--help",
    "--version",
    "train --help",
    "methods",
    "models",
    "datasets",
    "interventions list",
    "runs list",
    "figures list",
)

NOT_TO_LIST = ("torch", "torchvision", "captum", "sklearn", "scipy", "numpy", "pandas", "matplotlib", "plotly")

NOT_TO_TRAIN = (
    *("sklearn", "captum", "scipy", "matplotlib", "seaborn", "plotly", "pandas", "typer"),
    # What Lightning Fabric and the constructors of torch.optim bring along:
    *("lightning_fabric", "torch._dynamo", "torchmetrics", "torchvision", "sympy"),
)

COMMAND = """
import sys
from cotoolkit.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(*sys.modules, file=sys.stderr)
"""

TRAINING = """
import sys
import tempfile
from cotoolkit import RunConfig, run
config = RunConfig.parse({
    "data": {"name": "digits", "train_size": 320, "test_size": 60},
    "model": {"name": "small_cnn", "width": 4},
    "epochs": 1,
    "monitor": {"interval": 1, "points": 40, "steps": 3},
    "evaluation": ["clean", "pgd-5"],
})
with tempfile.TemporaryDirectory() as folder:
    run(config, folder, device="cpu").result()
print(*sys.modules, file=sys.stderr)
"""


def fresh(code, *words, root=ROOT):
    """Standard output, and the modules that were imported in a new process."""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=environment, cwd=root, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, set(done.stderr.split())


@pytest.mark.parametrize("words", LISTINGS)
def test_listing_something_imports_nothing_heavy(words):
    shown, imported = fresh(COMMAND, *words.split())
    assert shown
    assert not imported & set(NOT_TO_LIST)


def test_listing_finished_runs_imports_nothing_heavy_either(tmp_path):
    run = RunFolder(tmp_path / "digits-small_cnn-fgsm-0123456789ab")
    broken = {"iteration": 268, "detail": {"earliest": 259, "latest": 270, "sustained": 268}}
    result = {"verdict": "catastrophic overfitting", "breakpoint": broken, "best_iteration": 260, "evaluation": {}}
    write_atomically(run.path / "config.yaml", b"seed: 0")
    run.set_state("done")
    run.write_result({**result, "seconds": 1.5, "iterations": 480})
    shown, imported = fresh(COMMAND, "runs", "list", "--root", str(tmp_path))
    assert "268 (259-270)" in shown
    assert not imported & set(NOT_TO_LIST)


@pytest.fixture(scope="module")
def imported_to_train():
    return fresh(TRAINING)[1]


@pytest.mark.parametrize("name", NOT_TO_TRAIN)
def test_a_run_on_digits_imports_nothing_without_use(imported_to_train, name):
    assert name not in imported_to_train


@pytest.mark.parametrize(("module", "facts"), [("cotoolkit.cli.facts", FACTS), ("figures.facts", FIGURE_FACTS)])
def test_the_stored_facts_are_current(module, facts):
    # In a process of its own: other tests register parts of theirs.
    shown, _ = fresh(f"import json; from {module} import FACTS; print(json.dumps(FACTS.current()))")
    assert facts.stored() == json.loads(shown), f"stale: run `python -m {module}`"


NEW_METHOD = '''

@METHODS.register("made_for_a_test")
@dataclass(frozen=True, config=STRICT)
class MadeForATest(Standard):
    """A method that nobody wrote down elsewhere."""

    strength: float = 0.625
'''


@pytest.fixture
def copied(tmp_path):
    for package in ("cotoolkit", "interventions"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_a_method_that_is_new_in_the_sources_is_listed_at_once(copied):
    assert "torch" not in fresh(COMMAND, "methods", root=copied)[1]
    with (copied / "cotoolkit" / "methods" / "single_step.py").open("a") as file:
        file.write(NEW_METHOD)
    shown, imported = fresh(COMMAND, "methods", root=copied)
    assert "made_for_a_test" in shown
    assert "strength=0.625" in shown
    assert "torch" in imported
    assert "torch" not in fresh(COMMAND, "models", root=copied)[1]


@pytest.mark.parametrize("content", [None, "{}", "<<<<<<< not JSON"])
def test_without_stored_facts_the_classes_are_asked(copied, content):
    path = copied / "cotoolkit" / "cli" / "facts.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert "small_cnn" in fresh(COMMAND, "models", root=copied)[0]
