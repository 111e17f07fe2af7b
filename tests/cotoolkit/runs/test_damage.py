"""A run's folder never lies: what is damaged, half forgotten or in the way is told, and no other number comes of it."""

import json
import os
import shutil

import numpy as np
import pytest

from cotoolkit.core.errors import RunError
from cotoolkit.core.files import write_atomically
from cotoolkit.runs.find import find_runs
from cotoolkit.runs.folder import RunFolder
from cotoolkit.runs.tables.run_table import configured_table, metric_table, result_of
from cotoolkit.studies.launchers.launcher import launch
from cotoolkit.studies.launchers.local import LocalProcesses
from cotoolkit.training import recorder
from cotoolkit.training.run import run
from cotoolkit.training.trainer import Trainer
from tests._helpers.small import small

CONFIG = small(epochs=2)

READERS = {
    "config.yaml": lambda folder: folder.config(),
    "status.json": lambda folder: (folder.state, folder.reason),
    "environment.json": lambda folder: folder.environment(),
    "result.json": lambda folder: folder.result(),
    "events.jsonl": lambda folder: folder.events(),
    "metrics.parquet": lambda folder: folder.metrics().to_dict("list"),
    "checkpoints/last.safetensors": lambda folder: plain(folder.checkpoint("last")),
    "resume.safetensors": lambda folder: (plain(folder.resume()[0]), folder.resume()[1]),
}
"""What reads each file of a run, as data that can be compared."""


def plain(tensors):
    return {name: tensor.tolist() for name, tensor in tensors.items()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run that still has what it could resume from, and an event."""
    root, kept = tmp_path_factory.mktemp("finished"), pytest.MonkeyPatch()
    kept.setattr(recorder, "SAVE_EVERY", 0.0)
    kept.setattr(RunFolder, "forget_resume", lambda self: None)
    folder = run(CONFIG, root, device="cpu")
    kept.undo()
    folder.keep_events([{"kind": "recovered", "iteration": 5, "detail": {"probe_pgd": 0.25, "detected": 5}}])
    return folder.path


@pytest.fixture
def folder(finished, tmp_path):
    return RunFolder(shutil.copytree(finished, tmp_path / finished.name))


@pytest.mark.parametrize("name", READERS)
def test_a_flipped_bit_is_told_or_changes_nothing(folder, name):
    path, read = folder.path / name, READERS[name]
    content, whole = path.read_bytes(), read(folder)
    draws, told = np.random.default_rng(len(name)), []
    for _ in range(60):
        place, bit = draws.integers(len(content)), draws.integers(8)
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
        try:
            assert read(folder) == whole
        except RunError as error:
            told.append(str(error))
    assert len(told) > 10
    assert all(str(folder.path) in line and "\n" not in line for line in told)


WELL_FORMED = {
    "config.yaml": ["[]", "3", "null", "a: {b: 1}", "epsilon: [1]"],
    "status.json": [
        "[]",
        "3",
        "null",
        "{}",
        '{"state": "finished", "reason": ""}',
        '{"state": ["done"], "reason": ""}',
    ],
    "environment.json": ["[]", "null", "{}", '{"device": 3}'],
    "result.json": ["[]", "null", "{}", '{"verdict": 3}', '{"verdict": "robust", "breakpoint": "none"}'],
    "events.jsonl": ["[]\n", "null\n", "{}\n", '{"kind": 3, "iteration": 1, "detail": {}}\n', "\n"],
}


@pytest.mark.parametrize(("name", "content"), [(name, text) for name, texts in WELL_FORMED.items() for text in texts])
def test_well_formed_content_of_another_kind_is_told(folder, name, content):
    (folder.path / name).write_text(content)
    with pytest.raises(RunError, match=name):
        READERS[name](folder)


def test_metrics_of_other_columns_and_foreign_states_are_told(folder):
    path = folder.path / "metrics.parquet"
    folder.metrics().rename(columns={"value": "number"}).to_parquet(path)
    with pytest.raises(RunError, match=r"metrics\.parquet: damaged"):
        folder.metrics()
    folder.write_resume(folder.checkpoint("last"), {"iteration": 5, "monitor": [1]})
    with pytest.raises(RunError, match="does not fit"):
        Trainer(CONFIG, device="cpu").fit(folder)


@pytest.mark.parametrize("name", READERS)
def test_a_folder_in_the_place_of_a_file_is_told(folder, name):
    (folder.path / name).unlink()
    (folder.path / name).mkdir()
    with pytest.raises(RunError, match=name):
        READERS[name](folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="whoever is root may read everything")
@pytest.mark.parametrize("name", READERS)
def test_a_file_without_permission_is_told(folder, name):
    (folder.path / name).chmod(0)
    with pytest.raises(RunError, match=name):
        READERS[name](folder)


def test_a_run_is_done_only_if_its_result_can_be_read(folder, caplog):
    result = folder.result()
    for damage in ("", '{"verdict": "robust"}', None):
        if damage is None:
            (folder.path / "result.json").unlink()
        else:
            (folder.path / "result.json").write_text(damage)
        assert not folder.finished
        assert "the run is not taken for finished" in caplog.text
        again = run(CONFIG, folder.path.parent, device="cpu")
        assert again.finished
        assert {**again.result(), "seconds": 0} == {**result, "seconds": 0}
        caplog.clear()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("survives", range(6))
def test_killed_while_it_forgets_an_earlier_run(folder, survives, monkeypatch):
    result, unlink, left = folder.result(), type(folder.path).unlink, [survives]

    def dying(path, missing_ok=False):
        if path.name.startswith("."):  # its locks, which the system takes from a process that dies
            return unlink(path, missing_ok)
        if not left[0]:
            raise Killed
        left[0] -= path.exists()
        return unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(type(folder.path), "unlink", dying)
        with pytest.raises(Killed):
            run(CONFIG, folder.path.parent, device="cpu", fresh=True)
    assert not folder.finished or not survives
    again = run(CONFIG, folder.path.parent, device="cpu")
    assert {**again.result(), "seconds": 0} == {**result, "seconds": 0}


@pytest.mark.parametrize(
    ("content", "alone"), [(b"", True), (b"", False), (b"- a", True), (b"epochs: 3", True), (b"{", True)]
)
def test_fresh_mends_a_damaged_configuration(folder, content, alone):
    (folder.path / "config.yaml").write_bytes(content)
    with pytest.raises(RunError, match=r"--fresh|changed after the run"):
        run(CONFIG, folder.path.parent, device="cpu")
    if alone:
        run(CONFIG, folder.path.parent, device="cpu", fresh=True)
    else:
        launch([CONFIG], folder.path.parent, LocalProcesses(1), device="cpu", fresh=True)
    assert folder.config() == CONFIG
    assert folder.finished


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "file", b"content")
    assert not list(tmp_path.iterdir())


def test_a_damaged_run_is_passed_over_in_tables(folder, tmp_path, caplog):
    root = folder.path.parent
    other = run(small(epochs=2, seed=1), root, device="cpu")
    (folder.path / "metrics.parquet").write_bytes(b"PAR1")
    assert set(metric_table(find_runs(root))["run"]) == {other.path.name}
    assert "metrics.parquet: damaged" in caplog.text
    (folder.path / "status.json").write_text("{}")
    with pytest.raises(RunError, match=r"status\.json: damaged"):
        result_of(folder)
    table = configured_table([(folder, CONFIG), (other, other.config())])
    assert table["state"].tolist() == ["damaged", "done"]


def test_a_line_that_a_killed_process_broke_off_is_no_event(folder):
    path = folder.path / "events.jsonl"
    (event,) = folder.events()
    with path.open("a") as file:
        file.write(json.dumps({"kind": "recovered", "iteration": 9})[:20])
    assert folder.events() == [event]


def test_an_end_of_a_line_that_flipped_is_no_line_broken_off(folder):
    path = folder.path / "events.jsonl"
    content, (event,) = path.read_bytes(), folder.events()
    path.write_bytes(content[:-1])
    assert folder.events() == [event]  # broken off between the line and its end
    for other in (b"\x0b", b"J", b" x", b"\x8a"):
        path.write_bytes(content[:-1] + other[-1:])
        with pytest.raises(RunError, match=r"events\.jsonl: damaged"):
            folder.events()


def test_a_column_whose_name_is_no_text_is_damage(folder):
    path = folder.path / "metrics.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:1000] + content[1000:].replace(b"signal", b"s\xe9gnal"))
    with pytest.raises(RunError, match=r"metrics\.parquet: damaged"):
        folder.metrics()


def test_data_of_earlier_versions_have_no_digest_and_are_read(folder):
    for name in ("status.json", "result.json", "environment.json"):
        path = folder.path / name
        data = json.loads(path.read_text())
        del data["digest"]
        path.write_text(json.dumps(data))
    assert folder.finished
    assert folder.environment()["device"] == "cpu"
