import gc
import math
import shutil

import pytest
import torch

from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.data.image_set import ImageSet
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training import recorder
from cotoolkit.training.run import run
from cotoolkit.training.trainer import Trainer
from tests._helpers.breaking import BREAKING
from tests._helpers.small import small


def weights(folder):
    return folder.checkpoint("last")


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_leaves_what_it_promises(tmp_path):
    seen = []
    folder = run(small(), tmp_path, device="cpu", report=seen.append)
    assert folder.state == "done"
    result = folder.result()
    assert result["verdict"] in ("robust", "not robust")
    assert result["iterations"] == 15
    assert set(result["evaluation"]) == {"clean", "pgd-3"}
    assert result["evaluation"]["pgd-3"]["points"] == 60
    assert len(result["evaluation"]["pgd-3"]["card"]["hash"]) == 12
    metrics = folder.metrics()
    free = {"train_loss", "train_accuracy", "perturbation_norm", "gradient_norm", "abnormal_example", "pert_align"}
    for signal in free | {"linearity"}:
        assert metrics[metrics["signal"] == signal]["iteration"].tolist() == list(range(1, 16))
    assert metrics[metrics["signal"] == "probe_pgd"]["iteration"].tolist() == [5, 10, 15]
    assert [progress.iteration for progress in seen][:15] == list(range(1, 16))
    assert seen[-1].note == "evaluating"
    assert not (folder.path / "resume.safetensors").exists()
    assert (folder.path / "environment.json").exists()


@pytest.mark.parametrize("settings", [{}, {"method": "n_fgsm", "monitor__interval": 0}], ids=["probed", "unprobed"])
def test_a_run_leaves_no_data_in_memory(tmp_path, settings):
    """Without the garbage collector: a worker trains one run after the other, each with data of its own."""
    known = {id(one) for one in gc.get_objects() if isinstance(one, ImageSet)}
    gc.disable()
    try:
        run(small(**settings), tmp_path, device="cpu")
        assert not [one for one in gc.get_objects() if isinstance(one, ImageSet) and id(one) not in known]
    finally:
        gc.enable()


def test_alignment_is_traced_at_the_chosen_interval(tmp_path):
    metrics = run(small(monitor__trace_every=4), tmp_path, device="cpu").metrics()
    for signal, iterations in (("pert_align", [4, 8, 12]), ("gradient_norm", list(range(1, 16)))):
        assert metrics[metrics["signal"] == signal]["iteration"].tolist() == iterations


def test_same_configuration_same_bits(tmp_path):
    first, second = (run(small(), tmp_path / name, device="cpu") for name in "ab")
    assert same(weights(first), weights(second))
    assert first.metrics().equals(second.metrics())
    assert not same(weights(first), weights(run(small(seed=1), tmp_path, device="cpu")))


def test_global_randomness_is_left_alone_and_has_no_say(tmp_path):
    torch.manual_seed(0)
    first = run(small(method="n_fgsm"), tmp_path / "a", device="cpu")
    after = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(3))
    torch.manual_seed(1)
    assert same(weights(first), weights(run(small(method="n_fgsm"), tmp_path / "b", device="cpu")))


def test_a_finished_run_is_not_trained_again_unless_fresh(tmp_path, monkeypatch):
    run(small(), tmp_path, device="cpu")
    fits = []
    monkeypatch.setattr(Trainer, "fit", lambda self, folder, *_: fits.append(folder))
    run(small(), tmp_path, device="cpu")
    assert not fits
    run(small(), tmp_path, device="cpu", fresh=True)
    assert len(fits) == 1


def test_schedules_reach_the_optimiser():
    config = small(schedule={"kind": "cyclic", "cycle_momentum": True, "epsilon_warmup": 1}, learning_rate=0.5)
    trainer = Trainer(config, device="cpu")
    given, step = [], trainer.updates.step
    trainer.updates.step = lambda loss, rate, momentum: given.append((rate, momentum)) or step(loss, rate, momentum)
    rates, momenta, radii = [], [], []
    for _ in range(15):
        record, _ = trainer.step()
        rates.append(given[-1][0])
        momenta.append(given[-1][1])
        radii.append(record.delta.abs().max().item())
    assert rates == pytest.approx([0.5 * min(i, 16 - i) / 8 for i in range(1, 16)])
    assert min(momenta) == pytest.approx(0.8)
    assert radii[:6] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1, 0.1], abs=1e-6)


def test_divergence_ends_a_run_by_name_and_keeps_its_data(tmp_path):
    folder = run(small(learning_rate=1e6), tmp_path, device="cpu")
    assert folder.state == "diverged"
    assert "not finite" in folder.reason
    result = folder.result()
    assert result["verdict"] == "diverged"
    assert result["evaluation"] == {}
    losses = folder.metrics().query("signal == 'train_loss'")["value"].tolist()
    assert len(losses) == result["iterations"] < 15
    assert not math.isfinite(losses[-1])
    assert run(small(learning_rate=1e6), tmp_path, device="cpu").state == "diverged"  # and is not tried again


class Interrupted(Exception):
    pass


@pytest.mark.parametrize(
    ("stops", "optimizer"),
    [((1, 5, 7, 10, 14, 15, "evaluating"), "sgd"), ((7,), "adam"), ((10,), "adamw")],
)
def test_an_interrupted_run_ends_as_if_it_had_not_been(tmp_path, monkeypatch, stops, optimizer):
    monkeypatch.setattr(recorder, "SAVE_EVERY", 0.0)
    config = small(method="n_fgsm", data__augment="crop_flip", keep=[0, 6, 10, 13], optimizer=optimizer)
    whole = run(config, tmp_path / "whole", device="cpu")

    for stop in stops:

        def report(progress, stop=stop):
            if stop in (progress.iteration, progress.note):
                raise Interrupted

        with pytest.raises(Interrupted):
            run(config, tmp_path / "parts", device="cpu", report=report)
    folder = run(config, tmp_path / "parts", device="cpu")
    assert same(weights(folder), weights(whole))
    assert folder.metrics().equals(whole.metrics())
    first, second = folder.result(), whole.result()
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    assert folder.kept() == [0, 6, 10, 13]
    assert all(same(folder.checkpoint(kept), whole.checkpoint(kept)) for kept in folder.kept())


@pytest.mark.slow
def test_a_break_is_dated_saved_and_survives_resuming(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "SAVE_EVERY", 0.0)
    config = RunConfig.parse({**BREAKING, "evaluation": ["fgsm", "pgd-50"]})

    def copy_once_it_is_dated(progress):  # as if it were killed then
        folder = RunFolder.of(tmp_path / "whole", config)
        dated = any(event["kind"] == "breakpoint" for event in folder.events())
        if dated and not (tmp_path / "parts").exists():
            shutil.copytree(tmp_path / "whole", tmp_path / "parts", ignore=shutil.ignore_patterns(".lease"))

    whole = run(config, tmp_path / "whole", device="cpu", report=copy_once_it_is_dated)
    result = whole.result()
    assert result["verdict"] == "catastrophic overfitting"
    broken = result["breakpoint"]
    detail = broken["detail"]
    assert detail["earliest"] <= broken["iteration"] <= (detail["sustained"] or detail["latest"]) <= detail["latest"]
    assert detail["detected"] - broken["iteration"] <= 40
    assert result["evaluation"]["fgsm"]["value"] > 0.9
    assert result["evaluation"]["pgd-50"]["value"] < 0.15
    metrics = whole.metrics()
    pgd = metrics[metrics["signal"] == "probe_pgd"].set_index("iteration")["value"]
    best = pgd[: broken["iteration"] - 1].max()
    # Before the first crossing the probes of all points found it intact.
    assert (pgd.loc[broken["iteration"] - 16 : broken["iteration"] - 1] >= best / 2).all()
    assert pgd.index.max() == result["iterations"]
    for name in ("before_break", "after_break", "best"):
        assert whole.checkpoint_path(name).exists()
    assert not same(whole.checkpoint("before_break"), whole.checkpoint("after_break"))

    walker = Trainer(config, device="cpu")  # a run that is never probed and never dated
    with fork_global_rng(config.seed, "layers"):
        walker.advance(walker.total)
    assert same(walker.snapshot().model, weights(whole))

    assert RunFolder.of(tmp_path / "parts", config).state == "running"
    parts = run(config, tmp_path / "parts", device="cpu")
    assert {**parts.result(), "seconds": 0} == {**result, "seconds": 0}
    assert parts.events() == whole.events()
    assert parts.metrics().equals(whole.metrics())
    assert same(weights(parts), weights(whole))


def test_a_resume_file_of_another_network_is_one_line(tmp_path):
    config = small()
    folder = RunFolder.of(tmp_path, config)
    folder.create(config)
    monitor = Trainer(config, device="cpu").monitor.state()
    folder.write_resume({"model/x": torch.ones(1)}, {"iteration": 1, "seconds": 0, "monitor": monitor})
    with pytest.raises(RunError, match="does not fit its config; run with --fresh"):
        run(config, tmp_path, device="cpu")


def test_mixed_precision_trains_and_attacks_in_float32(tmp_path):
    trainer = Trainer(small(precision="bf16-mixed"), device="cpu")
    record, _ = trainer.step()
    assert record.delta.dtype == record.attack.gradient.dtype == torch.float32
    assert all(parameter.dtype == torch.float32 for parameter in trainer.module.parameters())
    assert run(small(precision="bf16-mixed"), tmp_path, device="cpu").state == "done"


def test_a_filter_inside_the_model_hides_what_it_removes():
    trainer = Trainer(small(input_layer={"name": "low_pass", "bandwidth": 2}), device="cpu")
    images = trainer.test[0][:4]
    checker = torch.ones(8, 8)
    checker[::2, ::2] = checker[1::2, 1::2] = -1  # mostly high frequencies
    from interventions import HighPass

    hidden, _ = HighPass(2)(checker.expand(4, 1, 8, 8))
    torch.testing.assert_close(trainer.module(images), trainer.module(images + hidden), atol=1e-5, rtol=1e-4)


def test_all_training_images_can_be_used(tmp_path):
    folder = run(small(data__holdout=0, epochs=1), tmp_path, device="cpu")
    assert folder.state == "done"


def test_own_models_may_view_and_freeze(tmp_path):
    config = small(model="tests._helpers.small:frozen_views")
    trainer = Trainer(config, device="cpu")
    with fork_global_rng(0, "layers"):
        trainer.advance(2)
        middle = trainer.snapshot()
        trainer.advance(2)
        end = trainer.snapshot()
        trainer.restore(middle)
        trainer.advance(2)
    assert same(trainer.snapshot().model, end.model)
    assert len(end.optimizer) == 2  # of the trained layer alone


def test_what_cannot_be_is_said_in_one_line(tmp_path):
    inject = {"name": "inject", "carrier": "paired", "beta": 0.1}
    with pytest.raises(ConfigError, match="input_layer: inject needs labels"):
        run(small(input_layer=inject), tmp_path, device="cpu")
    assert RunFolder.of(tmp_path, small(input_layer=inject)).state == "failed"
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="no GPU found"):
            run(small(), tmp_path, device="cuda")
    with pytest.raises(ConfigError, match=r"set method\.weight"):
        small(method="gradalign", epsilon=0.25)


def test_batches_larger_than_the_data_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="does not fit"):
        run(small(batch_size=512), tmp_path, device="cpu")


def test_a_network_with_dropout_repeats_itself():
    config = small(
        model="torchvision:mobilenet_v3_small", data={"name": "tests._helpers.small:colours", "holdout": 0.2}
    )
    trainers = [Trainer(config, device="cpu") for _ in range(2)]
    for trainer in trainers:
        torch.manual_seed(torch.seed() % 2**31)
        with fork_global_rng(0, "layers"):
            trainer.advance(1)
    assert same(trainers[0].snapshot().model, trainers[1].snapshot().model)


def test_kept_iterations_are_the_weights_a_shorter_walk_reaches(tmp_path):
    config = small(keep=[0, 4, 15])
    folder = run(config, tmp_path, device="cpu")
    assert folder.kept() == [0, 4, 15]
    walker = Trainer(config, device="cpu")
    assert same(folder.checkpoint(0), walker.snapshot().model)
    with fork_global_rng(0, "layers"):
        walker.advance(4)
    assert same(folder.checkpoint(4), walker.snapshot().model)
    assert same(folder.checkpoint(15), folder.checkpoint("last"))


def test_keeping_an_iteration_beyond_the_end_is_refused():
    with pytest.raises(ConfigError, match="iteration 16 is beyond the last one, 15"):
        Trainer(small(keep=[16]), device="cpu")
