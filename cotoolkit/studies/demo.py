"""The demonstration: does an injected non-robust feature induce catastrophic overfitting?"""

from __future__ import annotations

from cotoolkit.studies.study import Study


def demo_study() -> Study:
    """FGSM-AT on digits with and without the injected feature, and PGD-AT on the injected data, at scale smoke.

    The injected images leave [0, 1], so the box is "none" for all runs alike: the perturbation set is the same
    epsilon ball with and without the feature.
    """
    base = {
        "data": {"name": "digits"},
        "model": {"name": "small_cnn"},
        "epsilon": 0.25,
        "box": "none",
        "epochs": 24,
        "batch_size": 64,
        "learning_rate": 0.1,
        "schedule": {"kind": "cyclic", "peak": 0.3, "epsilon_warmup": 6},
        "monitor": {"interval": 40, "trace_every": 1},
        "intervention": {"name": "inject", "carrier": "paired", "beta": 0.0},
    }
    seeds = (0, 1, 2)
    return Study(
        name="demo",
        question="Does an injected non-robust feature induce catastrophic overfitting?",
        scale="smoke",
        base=base,
        grids=(
            # The slowest first, so that no process waits for it at the end.
            {"method": ({"name": "pgd", "steps": 5},), "intervention.beta": (0.15,), "seed": seeds},
            {"method": ("fgsm",), "intervention.beta": (0.0, 0.15), "seed": seeds},
        ),
    )
