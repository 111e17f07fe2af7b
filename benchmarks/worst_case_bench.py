"""What the worst-case weights of HR training cost: their time over that of an FGSM step, beside a cone solver's.

    uv run python benchmarks/worst_case_bench.py [--repeats 3] [--width 64]

The step is FGSM's on PreActResNet-18 at batch 128, on the CPU. Both orders of the closed form, and the same problem as
a cone programme for Clarabel (cvxpy, parametrised, so that it is canonicalised once). In turn, so that a machine whose
speed drifts changes all alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import cvxpy as cp
import numpy as np
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.methods import FGSM, Batch
from cotoolkit.methods._weighting.worst_case import worst_case
from cotoolkit.models import PreActResNet18, build_model
from cotoolkit.models.memory_format import safe_memory_format

R, ALPHA = 0.1, 0.05


def seconds(work: Callable[[], object], times: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - start) / times


def fgsm_step(width: int, batch_size: int) -> Callable[[], object]:
    model = build_model(PreActResNet18(width=width), (3, 32, 32), 10, seed=0)
    memory_format = safe_memory_format(model)
    model.to(memory_format=memory_format)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    images = torch.rand(batch_size, 3, 32, 32).contiguous(memory_format=memory_format)
    labels = torch.randint(10, (batch_size,))
    batch = Batch(images, labels, ThreatModel(8 / 255), torch.Generator(), trace=False)

    def update(loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return lambda: FGSM().step(model, batch, update)


def cone_solve(losses: np.ndarray) -> Callable[[], float]:
    """The lp_then_kl problem, as the released code poses it to its solvers."""
    n = len(losses)
    p, q, s = cp.Variable(n + 1, nonneg=True), cp.Variable(n + 1), cp.Variable(n, nonneg=True)
    given = cp.Parameter(n + 1)
    constraints = [cp.sum(p) == 1, q[:n] + s == 1 / n, q[n] == cp.sum(s), cp.sum(s) <= ALPHA]
    problem = cp.Problem(cp.Maximize(given @ p), [*constraints, cp.sum(cp.rel_entr(q, p)) <= R])

    def solve() -> float:
        given.value = np.append(losses, losses.max())
        problem.solve(solver=cp.CLARABEL)
        return float(problem.value)

    return solve


def main(repeats: int, width: int, batch_size: int = 128) -> None:
    losses = torch.tensor(np.random.default_rng(0).lognormal(0, 0.6, batch_size))
    step, cone = fgsm_step(width, batch_size), cone_solve(losses.numpy())
    solvers: dict[str, tuple[Callable[[], object], int]] = {
        "closed form, lp_then_kl": (lambda: worst_case(losses, R, ALPHA), 20),
        "closed form, kl_then_lp": (lambda: worst_case(losses, R, ALPHA, order="kl_then_lp"), 20),
        "cone programme, Clarabel": (cone, 5),
    }
    difference = abs(cone() - worst_case(losses, R, ALPHA).value.item())
    step()
    turns = [(seconds(step), {name: seconds(*solver) for name, solver in solvers.items()}) for _ in range(repeats)]
    print(
        f"FGSM step, PreActResNet-18 width {width}, batch {batch_size}: {statistics.median(t for t, _ in turns):.2f} s "
        f"({torch.get_num_threads()} threads, {repeats} turns)"
    )
    for name in solvers:
        own = [found[name] for _, found in turns]
        shares = sorted(found[name] / whole for whole, found in turns)
        print(
            f"{name}: {1e3 * statistics.median(own):.1f} ms, {statistics.median(shares):.2%} of the step "
            f"({shares[0]:.2%} to {shares[-1]:.2%})"
        )
    print(f"their values differ by {difference:.1e}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--width", type=int, default=64, help="channels of the first stage of PreActResNet-18")
    arguments = parser.parse_args()
    main(arguments.repeats, arguments.width)
