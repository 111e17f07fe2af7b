"""The packages beside the engine have two names, and work where a user's folder has the shorter one."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cotoolkit
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.importing.siblings import SIBLINGS, NameTaken
from cotoolkit.core.user_code import import_callable

ROOT = Path(__file__).parents[4]


def start(folder, *words, code=None):
    """Python in a folder that stands first on its path; gives exit code and all output."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    words = [sys.executable, *(words if code is None else ("-c", code, *words))]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=folder, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def shadows(tmp_path):
    """A folder with a user's own modules of our names."""
    for name in ("analyses", "figures"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("def mine(shape, classes): ...")
    (tmp_path / "interventions.py").write_text("def mine(images, labels, beta): return images")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        ("interventions", "injection"),
        ("interventions", "carriers.frequency"),
        ("analyses", "core.claims"),
        ("figures", "catalogue"),
    ],
)
def test_both_names_give_one_module(name, inner):
    longer = importlib.import_module(f"cotoolkit.{name}.{inner}")
    shorter = importlib.import_module(f"{name}.{inner}")
    assert longer is shorter
    assert shorter.__spec__.name == shorter.__name__ == f"{name}.{inner}"
    assert getattr(cotoolkit, name) is sys.modules[name] is sys.modules[f"cotoolkit.{name}"]


def test_from_imports_work():
    names = {}
    exec("from cotoolkit import analyses, figures, interventions\nfrom cotoolkit.interventions import Inject", names)
    assert names["Inject"] is sys.modules["interventions"].Inject
    assert names["figures"] is sys.modules["figures"]


@pytest.mark.parametrize("name", ["interventions.nope", "interventions.injection.nope", "nope"])
def test_what_is_not_there_is_not_found(name):
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"cotoolkit.{name}")


def test_a_module_is_reloaded_under_its_own_name():
    from cotoolkit.interventions import frequency

    assert importlib.reload(frequency) is sys.modules["interventions.frequency"]


FIRST = """
from cotoolkit.interventions import Inject
from cotoolkit.analyses.core.claims import claim
from cotoolkit.figures.catalogue import PAPERS
import analyses, figures, interventions
for module in (analyses, figures, interventions):
    assert "site" not in dir(module) and not hasattr(module, "mine"), module
"""

THEIRS = """
import cotoolkit
import analyses, figures
from importlib.util import find_spec
assert analyses.mine and figures.mine
assert find_spec("cotoolkit.interventions")
print(find_spec("interventions").origin)
try:
    import cotoolkit.figures
except ImportError as error:
    print(error)
"""


def test_whoever_is_asked_for_first_has_the_name(shadows):
    assert start(shadows, code=FIRST) == (0, "")
    code, said = start(shadows, code=THEIRS)
    assert code == 0, said
    place, refusal = said.splitlines()
    assert place == str(ROOT / "interventions" / "__init__.py")
    assert refusal.startswith(
        "analyses is a package of cotoolkit, and another module of that name was imported before it"
    )
    assert refusal.endswith("import cotoolkit.analyses first, or rename the other")


def test_a_package_of_ours_finds_those_it_uses(shadows):
    (shadows / "figures" / "__init__.py").unlink()
    code = "import figures.cli, analyses.core.progress; assert not hasattr(analyses, 'mine')"
    assert start(shadows, code=code) == (0, "")


COMMAND = "from cotoolkit.cli import main; main()"


@pytest.mark.parametrize(
    "words", ["methods", "signals", "interventions list", "figures list", "analyse --help", "bench-alarm --help"]
)
def test_the_command_line_works_where_a_folder_has_such_a_name(shadows, words):
    assert start(shadows, *words.split(), code=COMMAND)[0] == 0


ONE_BY_ONE = """
import json, sys
from cotoolkit.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["cotoolkit", *words]
    try:
        main()
    except SystemExit as end:
        print("exit code", end.code or 0, file=sys.stderr, flush=True)
"""
"""Several commands, one after the other."""

SMALL = (
    *("data=digits", "data.train_size=128", "data.test_size=64", "epochs=1", "batch_size=64", "monitor.interval=0"),
    *("evaluation=(clean)", "--device", "cpu"),
)


@pytest.mark.slow
def test_runs_are_trained_there_with_code_of_the_users(shadows):
    (shadows / "nets.py").write_text(
        "from torch import nn\n"
        "def net(shape, classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], classes))\n"
    )
    (shadows / "inner.py").write_text("import analyses.tools")
    models = ("analyses:mine", "interventions:mine", "inner:net")
    commands = [["train", *SMALL, f"model={model}"] for model in models]
    commands.append(["study", "run", *SMALL, "model=nets:net", "--jobs", "1"])
    _, said = start(shadows, json.dumps(commands), code=ONE_BY_ONE)
    refused = said[said.index("error: ") :].splitlines()
    assert refused[1::2] == ["exit code 2"] * 3, said
    assert all(line.endswith("has the name of a package of cotoolkit; rename it") for line in refused[:6:2])
    assert "it imports analyses.tools, but" in refused[4]
    assert refused[6:] == ["exit code 0"]


@pytest.fixture
def claims(monkeypatch):
    monkeypatch.setattr(SIBLINGS, "claimed", set())


def test_a_name_that_is_ours_is_claimed_with_those_below_it(claims):
    SIBLINGS.claim(["analyses"])
    assert SIBLINGS.claimed == {"interventions", "analyses"}


def test_a_name_that_is_taken_cannot_be_claimed(claims, monkeypatch):
    monkeypatch.setitem(sys.modules, "figures", os)
    SIBLINGS.claim(["analyses"])
    with pytest.raises(NameTaken, match="figures is a package of cotoolkit, and another module"):
        SIBLINGS.claim(["figures"])


def test_a_hidden_module_is_refused_by_name(claims, tmp_path, monkeypatch):
    (tmp_path / "figures.py").write_text("def f(): ...")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    SIBLINGS.claim(["figures"])
    with pytest.raises(ConfigError, match=r"figures\.py has the name of a package of cotoolkit; rename it"):
        import_callable("figures:f", ConfigError)
