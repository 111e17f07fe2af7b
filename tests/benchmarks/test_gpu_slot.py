"""A GPU slot at toy size on the CPU: it is cut off, carried home in small files, and goes on."""

import json
import multiprocessing
import shutil
import time

import gpu_slot
import gpu_slot_files
import pytest
import torch
from gpu_slot_anchors import SCALES, SEED, Step, anchors, first_arms
from gpu_slot_checks import Operations, checks, one_step
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

import cotoolkit.training.recorder
from cotoolkit.attacks.gradient import rs_fgsm
from cotoolkit.methods import FGSM
from cotoolkit.models import PreActResNet18, build_model
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.run import run
from tests._helpers.small import small

TOY = SCALES["toy"]

NAMES = [step.what for step in [*checks(TOY), *anchors(TOY)]]


def records(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def sizes(out):
    return [path.stat().st_size for path in out.iterdir()]


@pytest.mark.parametrize("length", [0, 3, 4, 4001])
def test_bytes_come_back_from_their_planes(length):
    content = torch.randint(256, (length,), dtype=torch.uint8).numpy().tobytes()
    assert gpu_slot_files.from_planes(gpu_slot_files.to_planes(content)) == content


def test_weights_shrink_by_a_seventh():
    content = (0.02 * torch.randn(100_000)).numpy().tobytes()
    packed = gpu_slot_files.to_planes(content)
    assert gpu_slot_files.from_planes(packed) == content
    assert len(packed) < 6 / 7 * len(content)


# ------------------------------------------------------------------------------------------------- what is carried home

CONFIG = small(model={"name": "preact_resnet18", "width": 2}, monitor__interval=3)


class CutError(Exception):
    pass


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with a run that was cut off in its last epoch, after the good probe of iteration 9."""
    root = tmp_path_factory.mktemp("begun")

    def cut(progress):
        if progress.iteration == 13:
            raise CutError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cotoolkit.training.recorder, "SAVE_EVERY", 0.0)
        with pytest.raises(CutError):
            run(CONFIG, root, device="cpu", report=cut)
    return root


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The same run in one go."""
    return run(CONFIG, tmp_path_factory.mktemp("whole"), device="cpu")


def test_a_run_goes_on_from_the_files_as_if_nothing_had_been(begun, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_slot_files, "LIMIT", 2**20)
    out, runs = tmp_path / "out", tmp_path / "runs"
    out.mkdir()
    assert gpu_slot_files.pack(begun, out, []) == []
    assert len(sizes(out)) < gpu_slot_files.FILES
    assert max(sizes(out)) <= 2**20
    gpu_slot_files.unpack(out, runs)
    assert_same_state(RunFolder.of(begun, CONFIG), RunFolder.of(runs, CONFIG))
    assert_same_end(run(CONFIG, runs, device="cpu"), whole)


def test_where_room_is_scarce_the_good_snapshot_stays_behind_and_training_is_the_same(
    begun, whole, tmp_path, monkeypatch
):
    out, runs = tmp_path / "out", tmp_path / "runs"
    out.mkdir()
    gpu_slot_files.pack(begun, out, [])
    monkeypatch.setattr(gpu_slot_files, "LIMIT", sum(sizes(out)) // 10)
    (line,) = gpu_slot_files.pack(begun, out, [])
    assert "goes without the monitor's good snapshot" in line
    assert len(sizes(out)) < gpu_slot_files.FILES
    assert max(sizes(out)) <= gpu_slot_files.LIMIT
    gpu_slot_files.unpack(out, runs)
    tensors, state = RunFolder.of(runs, CONFIG).resume()
    assert state["monitor"]["good_iteration"] == state["iteration"] == 10
    good = {name.removeprefix("good/"): tensor for name, tensor in tensors.items() if name.startswith("good/")}
    assert len(tensors) == 2 * len(good)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in good.items())
    assert_same_end(run(CONFIG, runs, device="cpu"), whole)


def assert_same_state(first, second):
    (tensors, state), (others, other_state) = first.resume(), second.resume()
    assert state == other_state
    assert state["monitor"]["good_iteration"] is not None
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())


def assert_same_end(found, expected):
    assert found.result() | {"seconds": 0} == expected.result() | {"seconds": 0}
    weights = found.checkpoint("last")
    assert all(torch.equal(tensor, weights[name]) for name, tensor in expected.checkpoint("last").items())


def test_weights_come_back_where_they_are_needed_and_nothing_else_of_finished_runs(whole, tmp_path, monkeypatch):
    runs, name = tmp_path / "runs", whole.path.name
    shutil.copytree(whole.path, runs / name)
    for needed, back in (([name], True), ([], False)):
        out, again = tmp_path / f"out {back}", tmp_path / f"again {back}"
        out.mkdir()
        assert gpu_slot_files.pack(runs, out, needed) == []
        gpu_slot_files.unpack(out, again)
        assert (again / name).exists() == back
    assert_same_end(RunFolder(tmp_path / "again True" / name), whole)
    assert not (tmp_path / "again True" / name / "checkpoints" / "best.safetensors").exists()

    small_files = sum(path.stat().st_size + gpu_slot_files.FRAME for path in runs.rglob("*") if path.suffix != "")
    weights = RunFolder(runs / name).checkpoint_path("last").stat().st_size
    scarce = tmp_path / "scarce"
    scarce.mkdir()
    monkeypatch.setattr(gpu_slot_files, "LIMIT", (small_files - weights) // 7)
    (line,) = gpu_slot_files.pack(runs, scarce, [name])
    assert line == f"{name}/checkpoints/last.safetensors is left behind: no room for more"
    assert max(sizes(scarce)) <= gpu_slot_files.LIMIT


# --------------------------------------------------------------------------------------------------------- a whole slot


@pytest.mark.slow
def test_a_slot_that_was_cut_off_goes_on_and_repeats_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(gpu_slot_files, "LIMIT", 2**16)
    write = gpu_slot.write_record

    def write_and_kill(results, record):
        write(results, record)
        if record["what"] == "purification: clean":
            (process,) = multiprocessing.active_children()
            process.kill()

    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    with monkeypatch.context() as patch:
        patch.setattr(gpu_slot, "write_record", write_and_kill)
        assert gpu_slot.main([str(first), "--toy"]) == 1  # its process died
    done = records(first)
    assert [record["what"] for record in done] == NAMES[: len(done)]
    assert NAMES.index("purification: clean") < len(done) < len(NAMES)
    assert any(line.endswith(("cut off", "not begun")) for line in capsys.readouterr().out.splitlines())

    assert gpu_slot.main([str(second), "--toy", "--from", str(first), "--minutes", "0.02"]) == 0  # no time for anything
    assert records(second) == done

    assert gpu_slot.main([str(third), "--toy", "--from", str(second)]) == 0
    table = capsys.readouterr().out.splitlines()
    found = records(third)
    assert found[: len(done)] == done
    assert [record["what"] for record in found] == NAMES
    assert {record["stage"] for record in found} == {"correctness", "speed", "anchors"}
    assert all(record["device"] == "cpu" and record["versions"]["torch"] for record in found)
    assert [name for line, name in zip(table[-len(NAMES) :], NAMES, strict=True) if name in line] == NAMES
    for out in (first, second, third):
        assert len(sizes(out)) <= gpu_slot_files.FILES
        assert max(sizes(out)) <= gpu_slot_files.LIMIT


def test_no_time_or_a_missing_start_is_a_reason_against_a_step(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    step = Step("anchors", "later", 60, lambda folder: {}, ("run",))
    soon, late = time.time() + 10, time.time() + 100
    assert gpu_slot.reason_against(step, {}, 60, late) == "run comes first"
    done = {"run": {"run": "digits-1"}}
    assert "were left behind" in gpu_slot.reason_against(step, done, 60, late)
    path = RunFolder("digits-1").checkpoint_path("last")
    path.parent.mkdir(parents=True)
    path.touch()
    assert gpu_slot.reason_against(step, done, 60, late) is None
    assert gpu_slot.reason_against(step, done, 60, soon).startswith("it may take 60 s")


@pytest.mark.parametrize(
    ("found", "code"),
    [({"numbers": {"right": False}}, 1), ({"numbers": {"right": True}}, 0), ({"error": "no memory"}, 0)],
)
def test_a_wrong_result_makes_the_exit_code_1_and_a_failed_step_is_tried_again(found, code, tmp_path):
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    (earlier / "results.jsonl").write_text(json.dumps({"what": "one step of fgsm", **found}) + "\n")
    assert gpu_slot.main([str(tmp_path / "out"), "--toy", "--from", str(earlier), "--minutes", "0.017"]) == code
    assert len(records(tmp_path / "out")) == ("error" not in found)
    with pytest.raises(SystemExit):
        gpu_slot.main([str(earlier), "--toy"])  # it is not empty


# ----------------------------------------------------------------------------------------------- checks and the anchors


def test_a_step_with_another_attack_on_one_device_is_found_out(monkeypatch):
    assert one_step(TOY, "fgsm")["right"]
    attack, calls = FGSM.attack, []

    def wrong_the_second_time(self, model, batch):
        calls.append(batch)
        if len(calls) == 1:
            return attack(self, model, batch)
        return rs_fgsm(model, batch.images, batch.labels, batch.threat, generator=batch.generator)

    monkeypatch.setattr(FGSM, "attack", wrong_the_second_time)
    assert not one_step(TOY, "fgsm")["right"]
    assert len(calls) == 2


def test_operations_are_counted_as_torch_counts_them():
    model = build_model(PreActResNet18(width=2), (3, 8, 8), 10, seed=0)

    def work():
        cross_entropy(model(torch.zeros(2, 3, 8, 8)), torch.zeros(2, dtype=torch.int64)).backward()

    with FlopCounterMode(display=False) as expected:
        work()
    with Operations() as found:
        work()
    assert found.total == expected.get_total_flops() > 0


def test_anchors_are_the_papers_runs_in_bfloat16():
    scale = SCALES["paper"]
    configs = {name: scale.setup.config(arm, SEED) for name, arm in first_arms(scale).items()}
    assert {(config.precision, config.model.name, config.epochs, config.seed) for config in configs.values()} == {
        ("bf16-mixed", "preact_resnet18", 30, 0)
    }
    assert len({config.identity for config in configs.values()}) == len(configs)
    induced = [(config.epsilon, config.intervention.beta) for config in list(configs.values())[:4]]
    expected = [(6, 0), (6, 10), (4, 7), (4, 12)]
    for (epsilon, beta), levels in zip(induced, expected, strict=True):
        assert (255 * epsilon, 255 * beta) == pytest.approx(levels)
    assert configs["low_pass: wide filter"].input_layer.bandwidth == 24
    assert configs["orthogonal: feature's span removed"].intervention.name == "project_then_inject"
