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
    "methods pgd",
    "signals",
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
    dates = {"earliest": 259, "latest": 270, "sustained": 268}
    broken = {"kind": "breakpoint", "iteration": 268, "detail": dates, "count": 1}
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


BACKWARDS = """
import json
import pkgutil
found = pkgutil.iter_modules
pkgutil.iter_modules = lambda *where, **how: reversed([*found(*where, **how)])
from cotoolkit.cli.facts import FACTS
of_parts = FACTS.current()
pkgutil.iter_modules = found
from figures.facts import FACTS as FIGURE_FACTS
print(json.dumps([of_parts, FIGURE_FACTS.current()]))
"""


@pytest.mark.slow
def test_the_stored_facts_are_current_in_whatever_order_parts_are_found():
    # In a process of its own: other tests register parts of theirs.
    current, of_figures = json.loads(fresh(BACKWARDS)[0])
    assert FACTS.stored() == current, "stale: run `python -m cotoolkit.cli.facts`"
    assert FIGURE_FACTS.stored() == of_figures, "stale: run `python -m figures.facts`"


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
    "cotoolkit/signals/dropped_in.py": """
from cotoolkit.signals.registry import signal

@signal(title="a dropped-in signal [one, two]", at_break=None, source="a test")
def dropped_in_signal(losses):
    return losses
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

LISTED_AND_CONFIGURED = """
import sys
from cotoolkit.cli import main
from cotoolkit.cli.facts import FACTS, digests
stored = FACTS.stored()["sources"]
assert all(stored[package] != digests(package) for package in FACTS.packages.values())
assert "torch" not in sys.modules
for words in ("methods", "methods dropped_in_method", "signals", "models", "datasets", "interventions list"):
    sys.argv[1:] = words.split()
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code
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


def test_a_part_of_any_kind_is_one_new_file_that_is_listed_at_once(tmp_path):
    for package in ("cotoolkit", "interventions"):
        shutil.copytree(ROOT / package, tmp_path / package)
    assert "torch" not in fresh(COMMAND, "methods", root=tmp_path)[1]
    for path, code in NEW_ENTRIES.items():
        (tmp_path / path).write_text(code)
    *shown, configured = fresh(LISTED_AND_CONFIGURED, root=tmp_path)[0].splitlines()
    for word in ("method", "signal", "model", "data", "change", "carrier"):
        assert f"dropped_in_{word}" in "\n".join(shown)
    assert any("strength" in line and "0.625" in line for line in shown)
    assert configured.split() == [
        "dropped_in_data-dropped_in_model-dropped_in_method",
        "dropped_in_optimizer",
        "dropped_in_carrier",
    ]
