"""A run whose own code has changed since is told of, and is not trained again unasked."""

import logging
import os
import sys

import pytest

from cotoolkit.config import RunConfig
from cotoolkit.runs.folder import RunFolder
from cotoolkit.runs.own_code import FILE, own_code
from cotoolkit.studies.study import Study
from cotoolkit.training.run import run
from tests._helpers.small import small

CODE = "def f(images, labels, beta): return images + 0 * beta\n"


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"own_{os.getpid()}_{tmp_path.name}"
    path = tmp_path / f"{name}.py"
    path.write_text(CODE)
    yield path
    sys.modules.pop(name, None)


def config_of(path, **changes):
    return small(intervention=f"{path.stem}:f", **changes)


def told(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "cotoolkit.runs.own_code"]


def test_the_files_of_parts_of_one_s_own_are_known(module):
    found = own_code(config_of(module))
    assert list(found) == [module.stem]
    module.write_text(CODE + "# changed\n")
    assert own_code(config_of(module)) != found
    assert own_code(small()) == {}
    assert own_code(RunConfig.parse({"data": "json:loads", "model": "no_such_module:net"})) == {}


def test_a_finished_run_is_not_trained_again_and_says_what_changed(module, tmp_path, caplog):
    config = config_of(module)
    folder = run(config, tmp_path / "runs", device="cpu")
    before = folder.result()
    run(config, tmp_path / "runs", device="cpu")
    assert told(caplog) == []
    module.write_text(CODE + "# changed\n")
    assert run(config, tmp_path / "runs", device="cpu").result() == before
    (line,) = told(caplog)
    assert f"finished before module {module.stem} changed; add --fresh to train it again" in line
    caplog.clear()
    run(config, tmp_path / "runs", device="cpu", fresh=True)
    run(config, tmp_path / "runs", device="cpu")
    assert told(caplog) == []


def test_a_study_tells_too_and_so_does_a_run_that_goes_on(module, tmp_path, caplog):
    config = config_of(module)
    folder = run(config, tmp_path, device="cpu")
    module.write_text(CODE + "# changed\n")
    grid = {name: (value,) for name, value in config.to_data().items()}
    Study(name="again", question="?", scale="custom", grids=(grid,)).run(tmp_path, jobs=1, device="cpu")
    assert len(told(caplog)) == 1
    caplog.clear()
    (folder.path / "result.json").unlink()
    folder.set_state("running")
    (folder.path / "resume.safetensors").write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING), pytest.raises(Exception, match="resume"):
        run(config, tmp_path, device="cpu")
    assert "begun before module" in told(caplog)[0]


def test_runs_of_parts_that_come_with_the_package_have_no_such_file(tmp_path):
    folder = run(small(), tmp_path, device="cpu")
    assert isinstance(folder, RunFolder)
    assert not (folder.path / FILE).exists()


def test_a_module_of_the_working_directory_is_found_before_it_is_imported(tmp_path, monkeypatch):
    """As the command line has it: the folder comes on the path only when something of it is imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(tmp_path))])
    (tmp_path / "nets_of_mine.py").write_text("def net(shape, classes): ...")
    (tmp_path / "failing_of_mine").mkdir()
    (tmp_path / "failing_of_mine/__init__.py").write_text("raise SystemExit(3)")
    (tmp_path / "failing_of_mine/nets.py").write_text("def net(shape, classes): ...")
    assert list(own_code(small(model="nets_of_mine:net"))) == ["nets_of_mine"]
    assert list(own_code(small(model="failing_of_mine.nets:net"))) == ["failing_of_mine.nets"]  # nothing is imported
    assert not {"nets_of_mine", "failing_of_mine"} & sys.modules.keys()


def test_a_damaged_note_is_none(module, tmp_path, caplog):
    config = config_of(module)
    folder = run(config, tmp_path / "runs", device="cpu")
    (folder.path / FILE).write_text("{")
    assert run(config, tmp_path / "runs", device="cpu").result() == folder.result()
    assert told(caplog) == []
