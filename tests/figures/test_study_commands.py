"""Every study has its command, its module, and figures to show."""

import importlib

import pytest
from typer.testing import CliRunner

from analyses.core.study import PlannedStudy
from figures.catalogue import find_recipes
from figures.study_commands import STUDIES, app


@pytest.mark.parametrize("known", STUDIES.values(), ids=STUDIES)
def test_every_command_has_a_study_and_figures(known):
    study = importlib.import_module(known.module).STUDY
    assert isinstance(study, PlannedStudy)
    assert "smoke" in study.plans
    assert all(find_recipes(figure) for figure in known.figures)


@pytest.mark.parametrize("name", [*STUDIES, "mixtures", "features", "purification"])
def test_the_commands_stand_under_one_word(name):
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert "--root" in result.output or "--out" in result.output
