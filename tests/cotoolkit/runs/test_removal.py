import shutil

import pytest

from cotoolkit.core.errors import RunError, RunInUse
from cotoolkit.runs.find import find_runs
from cotoolkit.runs.removal import remove_run, sweep_removed
from tests._helpers.many_runs import finished_run


@pytest.fixture
def run(tmp_path):
    return finished_run(tmp_path / "runs", seed=3)


def test_a_run_goes_with_all_its_files_and_links_in_it_are_not_followed(run, tmp_path):
    root = run.path.parent
    other = finished_run(root, seed=4)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "data").write_text("precious")
    (run.path / "link").symlink_to(tmp_path / "precious")
    size = sum(path.stat().st_size for path in run.path.iterdir() if path.is_file() and not path.is_symlink())
    assert size <= remove_run(root, run) < size + 1000  # the lock's own files
    assert [found.path for found in find_runs(root)] == [other.path]
    assert [path.name for path in root.iterdir()] == [other.path.name]
    assert (tmp_path / "precious" / "data").read_text() == "precious"


def test_a_run_that_is_being_trained_stays(run):
    with run.lock(), pytest.raises(RunInUse, match="another process is training"):
        remove_run(run.path.parent, type(run)(run.path))
    assert run.finished


def test_links_and_runs_elsewhere_are_refused(run, tmp_path):
    root = tmp_path / "other"
    root.mkdir()
    (root / run.path.name).symlink_to(run.path)
    for folder in (type(run)(root / run.path.name), run):
        with pytest.raises(RunError, match="is a link or lies outside"):
            remove_run(root, folder)
    assert run.finished


def test_what_a_killed_process_left_is_no_run_and_is_swept(run, monkeypatch):
    root = run.path.parent

    def killed(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_run(root, run)
    assert find_runs(root) == []
    assert list(root.iterdir())
    sweep_removed(root)
    assert list(root.iterdir()) == []
