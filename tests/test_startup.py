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


BACKWARDS = """
import json
import pkgutil
found = pkgutil.iter_modules
pkgutil.iter_modules = lambda *where, **how: reversed([*found(*where, **how)])
from cotoolkit.cli.facts import FACTS
print(json.dumps(FACTS.current()))
"""


def test_the_order_in_which_files_are_found_changes_no_fact():
    assert FACTS.stored() == json.loads(fresh(BACKWARDS)[0])


NEW_ENTRIES = {
    "cotoolkit/methods/dropped_in.py": """
from pydantic.dataclasses import dataclass
from cotoolkit.core.registry import STRICT
from cotoolkit.methods.base import METHODS
from cotoolkit.methods.standard import Standard

@METHODS.register("dropped_in_method")
@dataclass(frozen=True, config=STRICT)
class DroppedInMethod(Standard):
    strength: float = 0.625
""",
    "cotoolkit/models/architectures/dropped_in.py": """
from pydantic.dataclasses import dataclass
from cotoolkit.core.registry import STRICT
from cotoolkit.models.architectures.mlp import MLP
from cotoolkit.models.registry import MODELS

@MODELS.register("dropped_in_model")
@dataclass(frozen=True, config=STRICT)
class DroppedInModel(MLP):
    pass
""",
    "cotoolkit/data/sources/dropped_in.py": """
from pydantic.dataclasses import dataclass
from cotoolkit.core.registry import STRICT
from cotoolkit.data.sources.base import DATASETS
from cotoolkit.data.sources.digits import Digits

@DATASETS.register("dropped_in_data")
@dataclass(frozen=True, config=STRICT)
class DroppedInData(Digits):
    pass
""",
    "cotoolkit/optimizers/dropped_in.py": """
from pydantic.dataclasses import dataclass
from cotoolkit.core.registry import STRICT
from cotoolkit.optimizers.base import OPTIMIZERS
from cotoolkit.optimizers.sgd import SGD

@OPTIMIZERS.register("dropped_in_optimizer")
@dataclass(frozen=True, config=STRICT)
class DroppedInOptimizer(SGD):
    pass
""",
    "interventions/dropped_in.py": """
from pydantic.dataclasses import dataclass
from cotoolkit.core.registry import STRICT
from interventions.base import INTERVENTIONS
from interventions.injection import Inject

@INTERVENTIONS.register("dropped_in_change")
@dataclass(frozen=True, config=STRICT)
class DroppedInChange(Inject):
    pass
""",
    "interventions/carriers/dropped_in.py": """
from pydantic.dataclasses import dataclass
from cotoolkit.core.registry import STRICT
from interventions.carriers.base import CARRIERS
from interventions.carriers.frequency import Paired

@CARRIERS.register("dropped_in_carrier")
@dataclass(frozen=True, config=STRICT)
class DroppedInCarrier(Paired):
    pass
""",
}

CONFIGURED = """
from cotoolkit import RunConfig
config = RunConfig.parse({
    "data": "dropped_in_data",
    "model": "dropped_in_model",
    "method": {"name": "dropped_in_method", "strength": 1},
    "optimizer": "dropped_in_optimizer",
    "intervention": {"name": "dropped_in_change", "carrier": "dropped_in_carrier", "beta": 0.1},
})
print(config.title, config.optimizer.name, config.intervention.carrier.name)
"""


@pytest.fixture
def copied(tmp_path):
    for package in ("cotoolkit", "interventions"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_a_method_that_is_a_new_file_is_listed_at_once(copied):
    assert "torch" not in fresh(COMMAND, "methods", root=copied)[1]
    new = "cotoolkit/methods/dropped_in.py"
    (copied / new).write_text(NEW_ENTRIES[new])
    shown, imported = fresh(COMMAND, "methods", root=copied)
    assert "dropped_in_method" in shown
    assert "strength=0.625" in shown
    assert "torch" in imported
    assert "torch" not in fresh(COMMAND, "models", root=copied)[1]


def test_a_part_of_any_kind_is_one_new_file(copied):
    for path, code in NEW_ENTRIES.items():
        (copied / path).write_text(code)
    shown = "".join(
        fresh(COMMAND, *words.split(), root=copied)[0] for words in ("models", "datasets", "interventions list")
    )
    for name in ("dropped_in_model", "dropped_in_data", "dropped_in_change", "dropped_in_carrier"):
        assert name in shown
    assert fresh(CONFIGURED, root=copied)[0].split() == [
        "dropped_in_data-dropped_in_model-dropped_in_method",
        "dropped_in_optimizer",
        "dropped_in_carrier",
    ]


@pytest.mark.parametrize("content", [None, "{}", "<<<<<<< not JSON"])
def test_without_stored_facts_the_classes_are_asked(copied, content):
    path = copied / "cotoolkit" / "cli" / "facts.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert "small_cnn" in fresh(COMMAND, "models", root=copied)[0]
