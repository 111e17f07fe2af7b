import multiprocessing
import subprocess
import sys
import time

import pytest
import torch

from cotoolkit.core.errors import RunError, RunInUse
from cotoolkit.core.files import write_atomically
from cotoolkit.runs.folder import RunFolder
from cotoolkit.runs.metrics import Metrics
from tests._helpers.small import small


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder.of(tmp_path, small())
    folder.create(small())
    return folder


def metrics(rows):
    metrics = Metrics()
    for iteration, values in rows:
        metrics.add(iteration, values)
    return metrics


def test_configuration_comes_back(folder):
    assert folder.config() == small()
    folder.create(small())  # once more is no error


def test_an_edited_configuration_is_noticed(folder):
    path = folder.path / "config.yaml"
    path.write_text(path.read_text().replace("seed: 0", "seed: 1"))
    with pytest.raises(RunError, match="was changed after the run"):
        folder.config()
    with pytest.raises(RunError, match="was changed"):
        folder.create(small())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00", "damaged"),
        (b"a: [", "damaged"),
        (b"metod: fgsm\n", "unknown setting 'metod'"),
        (b"format: 7\n", "another version of cotoolkit"),
    ],
)
def test_damaged_or_foreign_configurations_are_one_line(folder, content, message):
    (folder.path / "config.yaml").write_bytes(content)
    with pytest.raises(RunError, match=message) as caught:
        folder.config()
    assert "config.yaml" in str(caught.value)


def test_no_run_here(tmp_path):
    with pytest.raises(RunError, match=r"config\.yaml is missing"):
        RunFolder(tmp_path).config()


def test_states(folder):
    assert (folder.state, folder.reason) == ("new", "")
    folder.set_state("failed", "why")
    assert (folder.state, folder.reason) == ("failed", "why")
    (folder.path / "status.json").write_text("{")
    with pytest.raises(RunError, match=r"status\.json: damaged"):
        _ = folder.state


def test_metrics_and_events_come_back_in_order(folder):
    rows = metrics([(1, {"a": 1.0}), (2, {"a": 2.0, "b": 5.0}), (1, {"b": 4.0}), (2, {"a": 3.0})])
    events = [{"kind": "breakpoint", "iteration": 2, "detail": {"x": 1}}]
    folder.write_progress(rows, events)
    expected = [(1, "a", 1.0), (1, "b", 4.0), (2, "b", 5.0), (2, "a", 3.0)]  # the last value of a signal counts
    assert list(folder.metrics().itertuples(index=False, name=None)) == expected
    assert folder.events() == events


def test_missing_and_damaged_files_say_so(folder):
    with pytest.raises(RunError, match="no metrics yet"):
        folder.metrics()
    assert folder.events() == []
    with pytest.raises(RunError, match=r"not finished \(state: new\)"):
        folder.result()
    with pytest.raises(RunError, match="no such checkpoint"):
        folder.checkpoint("best")
    assert folder.resume() is None
    for name in (
        "metrics.parquet",
        "events.jsonl",
        "result.json",
        "resume.safetensors",
        "checkpoints/last.safetensors",
    ):
        path = folder.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"{not what it should be\n")
    for read in (folder.metrics, folder.events, folder.result, folder.resume, lambda: folder.checkpoint("last")):
        with pytest.raises(RunError, match="damaged"):
            read()


def test_checkpoints_come_back_with_shared_and_strided_tensors(folder):
    weight = torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last)
    state = {"a": weight, "tied": weight, "count": torch.tensor(3)}
    folder.write_checkpoint("last", state, 7)
    again = folder.checkpoint("last")
    assert all(torch.equal(again[name], state[name]) for name in state)
    folder.write_resume({"x": torch.ones(2)}, {"iteration": 7})
    tensors, data = folder.resume()
    assert torch.equal(tensors["x"], torch.ones(2))
    assert data == {"iteration": 7}


def test_clearing_keeps_the_configuration_alone(folder):
    folder.write_progress(metrics([(1, {"a": 1.0})]), [])
    folder.set_state("done")
    folder.write_checkpoint("last", {"a": torch.ones(1)}, 1)
    (folder.path / ".x.tmp").write_text("left by a killed process")
    folder.clear()
    assert [path.name for path in folder.path.rglob("*") if path.is_file()] == ["config.yaml"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text is no bytes")
    assert path.read_bytes() == b"old"


def hold(path, ready):
    with RunFolder(path).lock():
        ready.set()
        time.sleep(300)


def test_one_process_at_a_time(folder):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(folder.path, ready), daemon=True)
    process.start()
    assert ready.wait(120)
    with pytest.raises(RunInUse, match="another process is training"), folder.lock():
        pass
    process.kill()
    process.join()
    with folder.lock():  # the lock died with its process
        pass


def test_help_needs_no_torch():
    code = "import sys; import cotoolkit.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
