"""Parts that a user's module registers are found again by the module's name."""

import sys

import pytest
import yaml
from pydantic.dataclasses import dataclass

from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.identity import differences
from cotoolkit.core.registry import STRICT, Registry, UnknownName, own_module
from cotoolkit.core.validation import MOST_NAMES
from cotoolkit.methods import METHODS, PGD
from cotoolkit.runs.tables.run_table import settings_of
from tests._helpers.own_part import CODE, MODULE, forget


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a module that registers a method."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / f"{MODULE}.py").write_text(CODE)
    yield tmp_path
    forget()


@pytest.mark.parametrize(
    "written",
    [
        f"{MODULE}:half_step",
        f"{MODULE}:halved",
        f"{MODULE}:HalfStep",
        {"name": f"{MODULE}:half_step", "share": 0.5},
        {"name": "half_step", "module": MODULE},
    ],
)
def test_a_method_is_named_with_its_module(here, written):
    config = RunConfig(method=written)
    found = config.to_data()["method"]
    assert (found["name"], found["module"], found["share"]) == ("half_step", MODULE, 0.5)
    assert config == RunConfig(method="half_step")
    assert differences(config)["method"] == {"name": "half_step"}
    assert config.title.endswith("-half_step")
    settings = settings_of(config)
    assert settings["method"] == "half_step"
    assert "method.module" not in settings


@pytest.mark.parametrize(
    "settings",
    [
        {"method": {"name": f"{MODULE}:half_step", "share": 0.3}},
        {"method": {"name": "dom", "inner": f"{MODULE}:half_step"}},
        {"method": {"name": "ema", "inner": f"{MODULE}:halved"}, "seed": 3},
    ],
)
def test_a_stored_configuration_brings_its_parts_along(here, settings):
    config = RunConfig.parse(settings)
    text, identity = config.to_yaml(), config.identity
    forget()
    again = RunConfig.parse(yaml.safe_load(text))
    assert again.identity == identity
    assert again.to_yaml() == text


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no_such_parts:half_step", "no module 'no_such_parts' in .*; run this in the folder that holds it, or set"),
        (f"{MODULE}:other", f"{MODULE} registers no method 'other'; it registers: half_step"),
        (f"{MODULE}:fgsm", f"{MODULE} registers no method 'fgsm'; it registers: half_step"),
        (f"{MODULE}:STRICT", "registers no method 'STRICT'"),
        ("no_parts:half_step", "no_parts registers no method 'half_step'; it registers no method at all"),
        (f"{MODULE}:", "write module:"),
    ],
)
def test_what_is_wrong_with_it_is_one_line(here, reference, message):
    (here / "no_parts.py").touch()
    with pytest.raises(ConfigError, match=message) as caught:
        RunConfig.parse({"method": reference})
    assert "\n" not in str(caught.value)


def test_a_module_that_failed_may_be_mended(here):
    (here / f"{MODULE}.py").write_text(CODE + "1 / 0\n")
    with pytest.raises(ConfigError, match="ZeroDivisionError"):
        METHODS[f"{MODULE}:half_step"]
    (here / f"{MODULE}.py").write_text(CODE + "MENDED = True\n")
    assert METHODS[f"{MODULE}:half_step"] is sys.modules[MODULE].HalfStep


def test_two_modules_cannot_register_one_name(here):
    assert own_module(METHODS[f"{MODULE}:half_step"]) == MODULE
    (here / "more_parts.py").write_text(CODE)
    with pytest.raises(ConfigError, match=f"'half_step' is registered twice, in {MODULE} and more_parts"):
        METHODS["more_parts:half_step"]


def test_parts_of_this_project_and_of_scripts_stand_without_a_module():
    registry = Registry[object]("part")

    @registry.register("wheel")
    @dataclass(frozen=True, config=STRICT)
    class Wheel:
        spokes: int = 8

    assert registry.dump(Wheel()) == {"name": "wheel", "module": __name__, "spokes": 8}
    assert registry.parse({"name": "wheel", "module": __name__}) == registry.parse(f"{__name__}:wheel") == Wheel()
    Wheel.__module__ = "__main__"
    assert registry.dump(Wheel()) == {"name": "wheel", "spokes": 8}
    assert own_module(PGD) == ""


def test_a_field_cannot_be_called_module():
    @dataclass(frozen=True, config=STRICT)
    class Axle:
        module: str = ""

    with pytest.raises(TypeError, match="Axle has a field 'module'"):
        Registry[object]("part").register("axle")(Axle)


def test_an_unknown_name_gives_few_names_each_once_and_where_all_are():
    with pytest.raises(UnknownName) as caught:
        METHODS["half_step_of_mine"]
    nearest, everywhere, own = str(caught.value).split("; ")
    names = nearest.partition("the nearest are ")[2].split(", ")
    assert 0 < len(names) == len(set(names)) <= MOST_NAMES
    assert set(names) <= set(METHODS.names())
    assert everywhere == f"`cotoolkit methods` lists all {len(METHODS.names())}"
    assert own.endswith(": MODULE:half_step_of_mine")  # as it is typed after method=, and by itself in `compare`


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lr", "learning_rate"),
        ("LR", "learning_rate"),
        ("wd", "weight_decay"),
        ("eps", "epsilon"),
        ("bs", "batch_size"),
        ("alpha", "method.alpha"),
        ("dataset", "data"),
    ],
)
def test_settings_are_known_by_their_other_names(name, meant):
    with pytest.raises(ConfigError, match=f"unknown setting '{name}': did you mean {meant}\\?"):
        RunConfig.parse({name: 1})


def test_a_setting_unlike_any_other_gives_few_names():
    with pytest.raises(ConfigError) as caught:
        RunConfig.parse({"zzz": 1})
    assert str(caught.value).count(",") < MOST_NAMES
    assert str(caught.value).endswith(f" and {len(RunConfig.model_fields) - MOST_NAMES} more")
