import shutil

import pytest

from analyses.core.runner import StudyRunner
from figures.make import make
from tests._helpers.made_figure import RECIPE


@pytest.fixture
def runner(tmp_path):
    return StudyRunner(tmp_path / "runs", tmp_path / "measured", jobs=1, device="cpu")


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    make(RECIPE, "digits", StudyRunner(folder / "runs", folder / "measured", jobs=1, device="cpu"), folder / "gallery")
    return folder / "gallery"


@pytest.fixture
def gallery(made, tmp_path):
    return shutil.copytree(made, tmp_path / "gallery")
