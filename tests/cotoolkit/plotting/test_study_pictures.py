import shutil

import pytest
from matplotlib.figure import Figure

from cotoolkit.plotting import phase_diagram as phase_module
from cotoolkit.plotting import timeline as timeline_module
from cotoolkit.plotting.study_pictures import DRAWN, study_pictures
from cotoolkit.runs.metrics import Metrics
from tests._helpers.made_pages import made_study


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A study and its root, with its pictures."""
    root = tmp_path_factory.mktemp("original")
    study = made_study(root)
    study_pictures(study, root, study.write_table(root))
    return study, root


@pytest.fixture
def empty_pictures(monkeypatch):
    """Pictures are empty, which costs little."""
    for module, name in ((timeline_module, "timeline"), (phase_module, "phase_diagram")):
        monkeypatch.setattr(module, name, lambda *arguments, **options: (Figure((1, 1)), []))


@pytest.fixture
def copied(original, tmp_path, monkeypatch):
    """A study, its root, and how often its timeline was drawn since."""
    study, root = original
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    count, timeline = [], timeline_module.timeline

    def counted(*arguments):
        count.append(1)
        return timeline(*arguments)

    monkeypatch.setattr(timeline_module, "timeline", counted)
    return study, tmp_path, count


@pytest.fixture
def drawn(empty_pictures, copied):
    """As `copied`, but what is drawn again is empty."""
    return copied


def again(drawn, **options):
    study, root, count = drawn
    count.clear()
    pictures = study_pictures(study, root, study.write_table(root), **options)
    assert [path.name for path in pictures] == ["timeline.png", "phase.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    return len(count)


def test_nothing_changed_nothing_drawn(drawn):
    study, root, _ = drawn
    before = {path.name: path.stat().st_mtime_ns for path in study.folder(root).glob("*.png")}
    assert again(drawn) == 0
    assert {path.name: path.stat().st_mtime_ns for path in study.folder(root).glob("*.png")} == before


def test_asked_for_anew_they_are_drawn(drawn):
    assert again(drawn, anew=True) == 1


def a_result(study, root):
    run = study.folders(root)[0]
    run.write_result({**run.result(), "seconds": 99.0})


def the_metrics(study, root):
    run = study.folders(root)[0]
    run.write_progress(Metrics.up_to(run.metric_files.parts(), 300), [])


def a_state(study, root):
    study.folders(root)[0].set_state("failed", "killed")


def a_missing_picture(study, root):
    (study.folder(root) / "phase.png").unlink()


def a_damaged_picture(study, root):
    path = study.folder(root) / "timeline.png"
    path.write_bytes(path.read_bytes()[:1000])


def no_record(study, root):
    (study.folder(root) / DRAWN).unlink()


def a_damaged_record(study, root):
    (study.folder(root) / DRAWN).write_text("[1")


def another_record(study, root):
    (study.folder(root) / DRAWN).write_text("[1]")


@pytest.mark.parametrize(
    "change",
    [
        a_result,
        the_metrics,
        a_state,
        a_missing_picture,
        a_damaged_picture,
        no_record,
        a_damaged_record,
        another_record,
    ],
)
def test_what_changed_is_drawn_once_more(drawn, change):
    study, root, _ = drawn
    change(study, root)
    assert again(drawn) == 1
    assert again(drawn) == 0


def test_another_version_draws_again(drawn, monkeypatch):
    monkeypatch.setattr("cotoolkit.plotting.study_pictures.version", lambda package: "99")
    assert again(drawn) == 1


def test_missing_metrics_are_told_and_cost_no_other_picture(copied, caplog):
    study, root, _ = copied
    first, *others = study.folders(root)
    (first.path / "metrics.parquet").unlink()
    assert again(copied) == 1
    assert f"{first.path}: has no metrics yet; train it first; left out" in caplog.text
    for folder in others:
        (folder.path / "metrics.parquet").unlink(missing_ok=True)
    assert [path.name for path in study_pictures(study, root, study.write_table(root))] == ["phase.png"]
