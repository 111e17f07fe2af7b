"""What a GPU slot checks and times before it trains: CUDA against the CPU, bfloat16 against float32, speed."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree

import torch
from gpu_slot_anchors import SEED, Numbers, Scale, Step
from step_bench import naive_fgsm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from cotoolkit.attacks.gradient import fgsm
from cotoolkit.config import RunConfig
from cotoolkit.core.seeding import Label, fork_global_rng, generator
from cotoolkit.runs.checkpoints import network
from cotoolkit.studies.overrides import apply
from cotoolkit.training.preparation import as_trained
from cotoolkit.training.trainer import Trainer

ROOT = Path(__file__).parents[1]

METHODS: dict[str, dict[str, Any]] = {
    "fgsm": {"name": "fgsm"},
    "n_fgsm": {"name": "n_fgsm"},
    "gradalign": {"name": "gradalign", "weight": 0.2},
    "pgd-2": {"name": "pgd", "steps": 2},
}
"""Whose steps are compared."""

TOLERANCE = 0.02
"""Of a parameter's update between devices, as a share of it. It is measured with softplus in place of ReLU, at whose
kink gradients jump, and with them the signs that FGSM steps along: noise of 1e-6 in the weights of a narrow network
changes FGSM's updates by up to 0.1 % with softplus, and by 9 % in all with ReLU; RS-FGSM in place of FGSM, by 24 %."""


def checks(scale: Scale) -> list[Step]:
    """All of them, in order; those that can find something wrong say whether it is `right`."""
    return [
        Step("correctness", "tests marked gpu", 60, partial(marked_tests, scale)),
        *(Step("correctness", f"one step of {name}", 20, partial(one_step, scale, name)) for name in METHODS),
        Step("correctness", "bf16 perturbations", 20, partial(bfloat16_perturbations, scale)),
        Step("speed", "step of fgsm", 30, partial(speed, scale)),
    ]


def marked_tests(scale: Scale) -> Numbers:
    """The tests marked `gpu`, in a process of their own; without a GPU all are skipped."""
    files = [
        str(path) for path in sorted((ROOT / "tests").rglob("test_*.py")) if "@pytest.mark.gpu" in path.read_text()
    ]
    with tempfile.TemporaryDirectory() as name:
        report = Path(name) / "report.xml"
        words = [
            "-m",
            "gpu",
            "-q",
            "-o",
            "addopts=",
            "-p",
            "no:cacheprovider",
            f"--junitxml={report}",
            *map(str, files),
        ]
        process = subprocess.run(
            [sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if not report.exists():
            raise RuntimeError((process.stdout + process.stderr).strip().splitlines()[-1])
        (suite,) = ElementTree.parse(report).getroot()
    count = {key: int(suite.attrib[key]) for key in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"]
    passed = count["tests"] - failed - count["skipped"]
    right = failed == 0 and (passed > 0 or scale.device == "cpu")
    return {"right": right, "passed": passed, "failed": failed, "skipped": count["skipped"]}


def one_step(scale: Scale, name: str) -> Numbers:
    """One step of the engine on the device against one on the CPU, from equal weights, batches and random starts.

    Differences are Euclidean, by parameter, and the greatest is told: of the parameters, and of their updates as a
    share of the CPU's, which is what has to agree.
    """
    config = _config(
        scale, METHODS[name], **{"precision": "32", "schedule": {"kind": "constant"}, "model.activation": "softplus"}
    )
    with _float32(), _starts_of_the_cpu(), fork_global_rng(SEED, "layers"):
        (start, ours), (_, theirs) = (_before_and_after(config, device) for device in ("cpu", scale.device))
    parameters = [float((theirs[key] - own).norm() / own.norm()) for key, own in ours.items()]
    updates = [
        float((theirs[key] - own).norm() / (own - start[key]).norm())
        for key, own in ours.items()
        if not torch.equal(own, start[key])
    ]
    greatest = {"difference": max(parameters), "difference_of_updates": max(updates), "tolerance": TOLERANCE}
    return {"right": greatest["difference_of_updates"] <= TOLERANCE, **greatest}


def bfloat16_perturbations(scale: Scale) -> Numbers:
    """FGSM perturbations of a batch under bfloat16 autocast: their type, whether they keep to the ball and the box, and
    the share of pixels at which their sign is that of float32."""
    trainer = Trainer(_config(scale, METHODS["fgsm"], precision="32"), device=scale.device)
    images, labels, *_ = trainer.batches.batch(0)
    threat = trainer.config.threat
    with _float32():
        expected = fgsm(trainer.module, images, labels, threat).delta
    found = fgsm(as_trained(trainer.module, "bf16-mixed"), images, labels, threat).delta
    moved = images + found
    inside = bool(found.abs().max() <= threat.epsilon * (1 + 1e-6))
    if threat.box != "none":
        inside = inside and bool(moved.min() >= -1e-6) and bool(moved.max() <= 1 + 1e-6)
    is_float32, agree = found.dtype == torch.float32, float((found.sign() == expected.sign()).float().mean())
    right = is_float32 and inside and agree > 0.5
    return {"right": right, "float32": is_float32, "inside": inside, "same_sign": agree}


def speed(scale: Scale) -> Numbers:
    """Images a second of the engine's FGSM step as `fit` takes it, in turn with two others: ratios of times, and the
    share of the speed of a product of two bfloat16 matrices.

    The naive step is that of `step_bench`, in float32 with torch's defaults; the clean one is the engine's standard
    training in bfloat16.
    """
    engine = Trainer(_config(scale, METHODS["fgsm"]), device=scale.device)
    clean = Trainer(_config(scale, {"name": "standard"}), device=scale.device)
    images, labels, *_ = engine.batches.batch(0)
    data, epsilon = engine.batches.data, engine.config.epsilon
    model = network(engine.config, data.shape, data.classes).to(scale.device)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    steps = {
        "engine": partial(_engine_step, engine),
        "clean": partial(_engine_step, clean),
        "naive": partial(naive_fgsm, model, optimizer, images, labels, epsilon),
    }
    with fork_global_rng(SEED, "layers"):
        for step in steps.values():  # kernels are chosen and memory is found in the first steps
            _seconds(step, scale.turn)
        turns = [{name: _seconds(step, scale.turn) for name, step in steps.items()} for _ in range(scale.repeats)]
        with Operations() as counted:
            _engine_step(engine)
    median = {name: statistics.median(turn[name] for turn in turns) for name in steps}
    left, right = (torch.rand(scale.side, scale.side, device=scale.device).bfloat16() for _ in range(2))
    peak = 2 * scale.side**3 / min(_seconds(lambda: left @ right, 10) for _ in range(5))
    operations = counted.total / median["engine"]
    return {
        "images_per_second": engine.config.batch_size / median["engine"],
        "over_naive_float32": statistics.median(turn["naive"] / turn["engine"] for turn in turns),
        "clean_steps": statistics.median(turn["engine"] / turn["clean"] for turn in turns),
        "tflops": operations / 1e12,
        "peak_tflops": peak / 1e12,
        "share_of_peak": operations / peak,
    }


class Operations(TorchDispatchMode):
    """Counts floating-point operations by torch's formulas. Its own counter, which also tells modules apart, cannot
    follow a gradient that is taken of the images alone.

    Attributes:
        total: so far.
    """

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        return result


def _config(scale: Scale, method: dict[str, Any], **settings: Any) -> RunConfig:
    chosen = {"method": method, "epsilon": scale.epsilon, "seed": SEED, **settings}
    return RunConfig.parse(apply(scale.setup.base, chosen))


@contextmanager
def _float32() -> Iterator[None]:
    """No TensorFloat-32, and deterministic kernels, as in `fit`."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(precision)


def _starts_of_the_cpu() -> Any:
    """Attacks draw on the CPU, wherever they run: a GPU's generator gives other numbers."""

    def on_the_cpu(seed: int, label: Label, position: int = 0, device: Any = None) -> torch.Generator:
        return generator(seed, label, position)

    return patch("cotoolkit.training.core.generator", on_the_cpu)


def _before_and_after(config: RunConfig, device: Any) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Parameters before and after the first step, in double precision on the CPU."""
    trainer = Trainer(config, device=device)

    def parameters() -> dict[str, torch.Tensor]:
        return {name: weight.detach().cpu().double() for name, weight in trainer.module.named_parameters()}

    before = parameters()
    trainer.step(trace=False)
    return before, parameters()


def _engine_step(trainer: Trainer) -> None:
    trainer.iteration = 0  # so that no turn runs over the end
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        trainer.step(trace=False)


def _seconds(work: Callable[[], object], times: int) -> float:
    """Of one of so many calls, with what they left to the device."""
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    wait()
    start = time.perf_counter()
    for _ in range(times):
        work()
    wait()
    return (time.perf_counter() - start) / times
