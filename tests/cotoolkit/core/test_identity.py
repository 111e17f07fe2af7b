import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import cotoolkit
import interventions
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import FORMAT, RunConfig
from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.core.identity import differences
from cotoolkit.data import DataConfig
from cotoolkit.evaluation.protocol import named_protocol
from cotoolkit.methods import PGD
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.overrides import apply
from cotoolkit.studies.study import Study
from tests._helpers import defaults

SETTINGS = [
    {},
    {"seed": 1, "epsilon": "6/255", "epochs": 3, "keep": [5, 0]},
    {"data": {"name": "cifar10", "subset": {"number": 2}, "holdout": 100}, "model": {"name": "mlp", "hidden": [8]}},
    {"data": "fashion", "method": {"name": "holistic_robust", "inner": {"name": "n_fgsm", "k": 1}, "r": 0.2}},
    {"monitor": {"interval": 40}, "schedule": {"kind": "multistep", "milestones": [1 / 3, 2 / 3]}},
    {
        "intervention": {
            "name": "compose",
            "parts": ["clip", {"name": "inject", "carrier": {"name": "zigzag", "band": "high"}, "beta": "8/255"}],
        },
        "input_layer": {"name": "low_pass", "bandwidth": 4},
    },
]
"""A configuration for every kind of part, and every depth."""

IDENTITIES = ["a0940be232ff", "27d137de34e0", "acddfb199db8", "df8e431654b9", "f7864c6ff8bb", "42c2f2aff943"]
"""Of these, as they must stay while FORMAT does."""


def test_identities_never_change():
    assert [RunConfig.parse(data).identity for data in SETTINGS] == IDENTITIES


def test_defaults_of_a_format_never_change():
    found = defaults.changes(defaults.read(), defaults.defaults())
    assert not found, f"raise FORMAT in cotoolkit/config.py; it is {FORMAT}"


def test_all_defaults_are_frozen():
    found = defaults.additions(defaults.read(), defaults.defaults())
    assert not found, f"freeze them with `{defaults.COMMAND}`"


def test_the_frozen_file_notices_every_change():
    frozen, now = defaults.read(), defaults.read()
    now["RunConfig"]["epochs"] += 1
    now["method pgd"]["novel"] = 3
    del now["intervention clip"], now["Schedule"]["peak"]
    assert defaults.changes(frozen, now) == [
        "intervention clip: is gone",
        "RunConfig.epochs: was 30, is 31",
        "Schedule.peak: was 0.5, is 'gone'",
    ]
    assert defaults.additions(frozen, now) == ["method pgd.novel"]


def with_new_fields(root: Path) -> int:
    """Copy the packages below `root`, with one more field in each class that a configuration can hold; their number."""
    for package in (cotoolkit, interventions):
        source = Path(package.__file__).parent
        shutil.copytree(source, root / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    classes = [part for part in defaults.parts().values() if not inspect.isabstract(part)]
    for part in classes:
        path = root.joinpath(*part.__module__.split(".")).with_suffix(".py")
        source = inspect.getsource(part)
        # Keyword-only, for a subclass may have a field without a default.
        field = "    novel: int = __import__('pydantic').Field(default=3, kw_only=True)\n"
        path.write_text(path.read_text().replace(source, source.rstrip("\n") + "\n\n" + field))
    return len(classes)


IDENTITIES_THERE = """
import json, sys
from cotoolkit.config import RunConfig
configs = [RunConfig.parse(data) for data in json.load(sys.stdin)]
texts = [json.dumps(config.to_data()) for config in configs]
everywhere = all(text.count('"novel": 3') == text.count("{") >= 6 for text in texts)
print(json.dumps([[config.identity for config in configs], everywhere, RunConfig(novel=4).identity]))
"""


def test_a_new_field_anywhere_keeps_all_identities(tmp_path):
    assert with_new_fields(tmp_path) > 50
    command = [sys.executable, "-c", IDENTITIES_THERE]
    made = subprocess.run(
        command, input=json.dumps(SETTINGS), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    identities, everywhere, other = json.loads(made.stdout)
    assert everywhere
    assert identities == [RunConfig.parse(data).identity for data in SETTINGS]
    assert other not in identities


@pytest.mark.parametrize("data", SETTINGS)
def test_defaults_spelled_out_are_those_left_out(data):
    config = RunConfig.parse(data)
    spelled = config.to_data()
    assert len(json.dumps(spelled)) > len(json.dumps(data))
    assert RunConfig.parse(spelled).identity == config.identity
    assert RunConfig.parse(dict(reversed(spelled.items()))).identity == config.identity
    assert RunConfig.parse(yaml.safe_load(config.to_yaml())) == config


def test_differences_of_parts_by_hand():
    assert differences(RunConfig()) == {}
    assert differences(RunConfig(method="fgsm", monitor=MonitorConfig(), schedule={}, data="digits")) == {}
    found = RunConfig.parse({**SETTINGS[3], "monitor": {"points": 128, "drop": 0.25}})
    assert differences(found) == {
        "data": {"name": "fashion_mnist"},
        "method": {"name": "holistic_robust", "inner": {"name": "n_fgsm", "k": 1}, "r": 0.2},
        "monitor": {"drop": 0.25},
    }
    assert differences(RunConfig.parse(SETTINGS[5])) == {
        "intervention": {
            "name": "compose",
            "parts": [
                {"name": "clip"},
                {"name": "inject", "carrier": {"name": "zigzag", "band": "high"}, "beta": 8 / 255},
            ],
        },
        "input_layer": {"name": "low_pass", "bandwidth": 4},
    }


SAME = [
    ("epsilon", [8 / 255, "8/255", 0.03137254901960784, 0.03137255, np.float32(8 / 255), np.float64(8 / 255)]),
    ("epsilon", [0.1, "0.1", "1/10", np.float32(0.1), float(np.float32(0.1)), np.array(0.1), torch.tensor(0.1)]),
    ("epsilon", [0, 0.0, -0.0, "0", np.float32(0), np.int64(0)]),
    ("learning_rate", [1, 1.0, "1", "255/255", np.float32(1), torch.tensor(1)]),
    ("method.k", [1.7, np.float32(1.7)]),
    ("method.inner.k", [2, 2.0, np.float64(2)]),
    ("intervention.beta", ["5/255", 5 / 255, np.float32(5 / 255)]),
    ("schedule.milestones", [(0.3, 0.7), [0.3, 0.7], np.float32([0.3, 0.7]), torch.tensor([0.3, 0.7])]),
    ("data.holdout", [0.7, np.float32(0.7)]),
    ("data.holdout", [32, np.int64(32), torch.tensor(32)]),
    ("data.holdout", [0, 0.0, np.int64(0)]),
    ("seed", [3, np.int64(3), np.uint8(3), torch.tensor(3)]),
    ("keep", [(1, 2), [2, 1], np.array([1, 2])]),
    ("monitor.interval", [7, np.int32(7)]),
]
BASE = {"data": "digits", "intervention": {"name": "inject", "carrier": "paired", "beta": 0.1}}
METHODS = {"method.k": "n_fgsm", "method.inner.k": {"name": "dom", "inner": "n_fgsm"}}


@pytest.mark.parametrize(("field", "values"), SAME, ids=[f"{field} {values[0]}" for field, values in SAME])
def test_ways_to_write_a_number_are_one_run(field, values):
    base = {**BASE, "method": METHODS.get(field, "fgsm")}
    found = [RunConfig.parse(apply(base, {field: value})) for value in values]
    assert all(config == found[0] for config in found)
    assert len({config.identity for config in found}) == 1


def test_parts_that_are_given_ready_are_rounded_too():
    config = RunConfig(method=PGD(steps=np.int64(7), alpha=np.float32(0.3)))
    assert config.method == PGD(steps=7, alpha=0.3)
    assert RunConfig(data=DataConfig(name="digits", holdout=np.int64(32))).data.holdout == 32


def test_radii_that_images_tell_apart_are_several_runs():
    step = np.nextafter(np.float32(0.1), np.float32(1))
    assert RunConfig(epsilon=0.1).identity != RunConfig(epsilon=step).identity
    assert len({RunConfig(epsilon=level / 255).identity for level in range(256)}) == 256


@pytest.mark.parametrize("number", [float("inf"), float("nan"), 1e39])
def test_numbers_that_are_none_are_refused(number):
    with pytest.raises(ConfigError, match=r"monitor\.gap: (not a finite number|Input should be)"):
        RunConfig.parse({"monitor": {"gap": number}})
    with pytest.raises(ConfigError, match=r"learning_rate: (not a finite number|Input should be)"):
        RunConfig.parse({"learning_rate": number})


def test_limits_hold_after_rounding():
    with pytest.raises(ConfigError, match="momentum: Input should be less than 1"):
        RunConfig.parse({"optimizer": {"name": "sgd", "momentum": 1 - 1e-9}})
    with pytest.raises(ConfigError, match=r"data\.holdout: give a whole number of images, or a share"):
        RunConfig.parse({"data": {"name": "digits", "holdout": 1 - 1e-9}})


numbers = st.sampled_from([0.1, 0.1 + 1e-10, 0.1000001, 8 / 255, 0.03137255, 0.0313725, 1, 2, 2.0])
configurations = st.fixed_dictionaries(
    {},
    optional={
        "epsilon": numbers.filter(lambda number: number <= 1),
        "seed": st.integers(0, 2),
        "method": st.sampled_from(["fgsm", {"name": "pgd"}, "rs_fgsm", {"name": "pgd", "steps": 10}])
        | numbers.map(lambda k: {"name": "n_fgsm", "k": k}),
        "schedule": st.fixed_dictionaries({}, optional={"epsilon_warmup": numbers, "kind": st.just("cyclic")}),
        "input_layer": st.sampled_from(["none", "clip", {"name": "compose", "parts": ["clip"]}, {"name": "compose"}]),
        "evaluation": st.lists(st.sampled_from(["clean", "fgsm", "pgd-50"]), max_size=3),
        "monitor": st.fixed_dictionaries(
            {}, optional={"interval": st.sampled_from([500, 5]), "gap": numbers.filter(lambda gap: float(gap) <= 1)}
        ),
    },
)


@settings(deadline=None)
@given(configurations, configurations)
def test_equal_identities_are_equal_configurations(one, other):
    first, second = RunConfig.parse(one), RunConfig.parse(other)
    assert (first.identity == second.identity) == (first == second)
    again = RunConfig.parse(yaml.safe_load(first.to_yaml()))
    assert (again, again.identity) == (first, first.identity)


def test_a_study_takes_arrays(tmp_path):
    base = {"data": "digits", "learning_rate": np.float32(0.05), "model": {"name": "mlp", "hidden": np.array([8, 8])}}
    grids = ({"epsilon": np.float32([0.1, 8 / 255]), "seed": np.arange(2)},)
    arrays = Study(name="arrays", base=base, grids=grids)
    plain = Study(
        name="plain",
        base={"data": "digits", "learning_rate": 0.05, "model": {"name": "mlp", "hidden": (8, 8)}},
        grids=({"epsilon": (0.1, "8/255"), "seed": (0, 1)},),
    )
    assert arrays.runs() == plain.runs()
    assert arrays.identity == plain.identity
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(arrays.model_dump(mode="json")))
    assert Study.read(tmp_path / "study.yaml").runs() == plain.runs()


def test_a_run_of_an_older_format_is_refused_in_one_line(tmp_path):
    folder = RunFolder.of(tmp_path, RunConfig())
    folder.create(RunConfig())
    path = folder.path / "config.yaml"
    path.write_text(re.sub(r"format: \d+", f"format: {FORMAT - 1}", path.read_text()))
    with pytest.raises(
        RunError, match=f"format {FORMAT - 1} is of another version of cotoolkit; this one reads {FORMAT}"
    ):
        folder.config()


def test_a_run_written_in_other_numbers_is_found_again(tmp_path):
    RunFolder.of(tmp_path, RunConfig(epsilon="8/255")).create(RunConfig(epsilon="8/255"))
    again = RunConfig(epsilon=np.float32(8 / 255))
    RunFolder.of(tmp_path, again).create(again)
    assert RunFolder.of(tmp_path, again).config().epsilon == 8 / 255
    assert len(list(tmp_path.iterdir())) == 1


def test_protocol_cards_round_their_numbers():
    cards = [named_protocol("pgd-10").card(ThreatModel(radius)) for radius in (8 / 255, "8/255", np.float32(8 / 255))]
    assert cards[0] == cards[1] == cards[2]
    assert cards[0]["threat"]["epsilon"] == 8 / 255
    assert named_protocol("pgd-10").card(ThreatModel("9/255"))["hash"] != cards[0]["hash"]
