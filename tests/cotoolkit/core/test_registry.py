import dataclasses
import json
import math
import pickle
import sys

import pytest
import torch
from pydantic import BaseModel, ValidationError
from pydantic.dataclasses import dataclass

from cotoolkit.config import RunConfig, Schedule
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import STRICT, InvalidFields, Registry, UnknownName, load_entries
from cotoolkit.core.validation import refusing_in_one_line
from cotoolkit.evaluation.protocol import Protocol
from cotoolkit.methods import METHODS, PGD
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.optimizers import SGD
from cotoolkit.studies.study import Study
from interventions import BandPass, Compose, Given, Inject, InterventionField, LowPass, Paired, Project


class Config(BaseModel):
    intervention: InterventionField | None = None


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Inject(beta=0.1), "intervention 'inject' needs a carrier"),
        (lambda: Compose([{"name": "inject", "beta": 0.1}]), "intervention 'inject' needs a carrier"),
        (lambda: Inject("zigzga", 0.1), "did you mean zigzag"),
        (lambda: Inject("paired", beta="8/0"), "not a number: '8/0'"),
        (lambda: Inject("paired", beta=-0.1), "greater than or equal to 0"),
        (lambda: Inject("paired", beta=math.inf), "finite"),
        (lambda: Inject("paired", betta=0.1), "has no field 'betta': did you mean beta"),
        (lambda: Inject({"name": "paired", "wavy": 1}, 0.1), "has no field 'wavy': did you mean wave"),
        (lambda: Inject(3, 0.1), "not a carrier: 3"),
        (lambda: Given([[1, 2], [3]]), "all of the same shape"),
        (lambda: Given([[[[0.0, 0.0]]]]), "none of them zero"),
        (lambda: Given([[[["a"]]]]), "must be numbers"),
        (lambda: Given([1.0]), r"must be \(classes, C, H, W\)"),
    ],
)
def test_a_refused_field_is_explained_in_one_line(make, line):
    with pytest.raises(InvalidFields, match=line) as caught:
        make()
    assert "\n" not in str(caught.value)


class Settings(BaseModel):
    names: int


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: PGD(steps=-1), "method 'pgd': steps: Input should be greater than or equal to 1"),
        (lambda: PGD(stepz=1), "method 'pgd' has no field 'stepz': did you mean steps"),
        (lambda: SGD(momentum="much"), "optimizer 'sgd': momentum"),
        (lambda: METHODS.parse("pdg"), "unknown method 'pdg': did you mean pgd"),
        (lambda: Protocol(steps="many"), "Protocol: steps: "),
        (Protocol, "Protocol: steps"),
        (lambda: MonitorConfig(points=0), "MonitorConfig: points: Input should be greater than or equal to 1"),
        (lambda: Schedule(peak=2), "Schedule: peak: "),
        (lambda: RunConfig(epochs=0, seed=-1), "RunConfig: epochs: .*; seed: "),
        (lambda: RunConfig(monitor={"intervall": 3}), "RunConfig: monitor.intervall: no such setting"),
        (lambda: Study(names="a"), "Study: name: Field required"),
        (lambda: refusing_in_one_line(Settings)(names="a"), "Settings: names: "),
    ],
)
def test_what_is_built_in_python_is_refused_in_one_line(make, line):
    with pytest.raises(ConfigError, match=line) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_refused_interventions_reach_the_user_of_a_pydantic_model():
    with pytest.raises(ValidationError, match="did you mean low_pass"):
        Config(intervention="lowpass")


def test_names_aliases_and_what_cannot_be_registered():
    registry = Registry[object]("part")

    @registry.register("wheel", "tyre")
    @dataclass(frozen=True, config=STRICT)
    class Wheel:
        spokes: int = 8

    assert registry.parse("tyre") == Wheel() == registry.parse({"name": "wheel", "spokes": 8})
    assert registry.names("w*") == ["wheel"]
    with pytest.raises(ValueError, match="'tyre' is registered twice"):
        registry.register("tyre")(Wheel)
    for kind in (int, dataclasses.make_dataclass("Plain", ["spokes"], frozen=True)):
        with pytest.raises(TypeError, match=f"{kind.__name__} must be a pydantic dataclass"):
            registry.register("other")(kind)
    with pytest.raises(UnknownName, match="choose from: wheel"):
        registry["xyz"]
    with pytest.raises(ValueError, match="a part needs a name: choose from wheel"):
        registry.parse({"spokes": 3})


def test_every_module_of_a_package_is_imported_but_no_subpackage(tmp_path, monkeypatch):
    package = tmp_path / "parts_of_a_test"
    (package / "nested").mkdir(parents=True)
    for path in ("__init__.py", "one.py", "_two.py", "nested/__init__.py"):
        (package / path).touch()
    monkeypatch.syspath_prepend(tmp_path)
    load_entries("parts_of_a_test")
    loaded = {name for name in sys.modules if name.startswith("parts_of_a_test.")}
    for name in ("parts_of_a_test", *loaded):
        del sys.modules[name]
    assert loaded == {"parts_of_a_test.one", "parts_of_a_test._two"}


def test_the_order_of_registration_is_of_no_consequence():
    @dataclass(frozen=True, config=STRICT)
    class Wheel:
        spokes: int = 8

    @dataclass(frozen=True, config=STRICT)
    class Axle:
        length: int = 2

    told = set()
    for order in (("wheel", Wheel), ("axle", Axle)), (("axle", Axle), ("wheel", Wheel)):
        registry = Registry[object]("part")
        for name, cls in order:
            registry.register(name, f"my_{name}")(cls)
        with pytest.raises(UnknownName) as unknown:
            registry["zzz"]
        with pytest.raises(ValueError, match="needs a name") as nameless:
            registry.parse({})
        told.add((*registry.names(), str(unknown.value), str(nameless.value)))
    assert len(told) == 1


@pytest.mark.parametrize(
    "intervention",
    [
        None,
        LowPass(4),
        Inject("zigzag", beta="8/255"),
        Compose([Project(Paired(norm="l2")), Inject(Given([[[[1.0, -0.1]]]]), 0.1, only=(0,))]),
    ],
)
def test_a_pydantic_model_with_an_intervention_round_trips_through_json(intervention):
    config = Config(intervention=intervention)
    text = config.model_dump_json()
    assert Config.model_validate_json(text) == config
    assert Config.model_validate(json.loads(text)).intervention == intervention


def test_instances_are_values():
    one, other = Inject("sign_dct", beta="8/255"), Inject(Paired(), beta=8 / 255)
    assert one == other
    assert hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one
    assert repr(LowPass(8)) == "LowPass(domain='dct', shape='square', bandwidth=8.0)"
    assert repr(Given([[[[1.0, 2.0]]]])) == "Given(1 vectors of (1, 1, 2), norm='linf')"
    with pytest.raises(AttributeError):
        one.beta = 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LowPass(-1), "'low_pass': bandwidth: "),
        (lambda: BandPass(-1, 3), "'band_pass': low: "),
        (lambda: Inject("paired", beta=0.1, needs_labels=False), "has no field 'needs_labels': it takes: "),
        (lambda: Inject(torch.rand(4, 1, 8, 8), beta=0.1), "carrier: not a carrier: tensor"),
    ],
)
def test_a_field_that_is_refused_is_named_on_one_short_line(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
