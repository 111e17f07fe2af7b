"""What the recipes of this paper train on: the plan of `analyses.holistic_robust`, at smoke a smaller one.

Robust overfitting, at the smallest share of the data, and the break are parts of the analysis, so that runs are shared.
With a fifth of its updates networks do not overfit yet (tried). Poison takes a quarter of its updates: runs of its own.
"""

from __future__ import annotations

from analyses.holistic_robust.settings import PLANS as WHOLE
from analyses.holistic_robust.settings import Plan
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study


def _smoke() -> Plan:
    whole = WHOLE["smoke"]
    assert whole.poisoned is not None
    schedule = {"kind": "multistep", "milestones": (0.5,), "epsilon_warmup": 2}
    return whole.model_copy(
        update={
            "points": 100,
            "overfitting": whole.overfitting.model_copy(update={"shares": (0.25,), "radii": (0.0, 0.2)}),
            "poisoned": whole.poisoned.model_copy(
                update={
                    "settings": {**whole.poisoned.settings, "epochs": 10, "schedule": schedule},
                    "alphas": (0.0, 0.25),
                }
            ),
            "onset": whole.onset.model_copy(
                update={"seeds": (0, 1, 2), "laws": ((0, 0), (0.2, 0)), "controls": ("permuted", "norm_matched")}
            ),
        }
    )


PLANS: dict[Scale, Plan] = {"smoke": _smoke(), "laptop": WHOLE["laptop"]}
"""By scale; at laptop no poison."""


def studies(part: str) -> dict[Scale, tuple[Study, ...]]:
    """What a part trains, at the scales that have it."""
    return {scale: (plan.study(part),) for scale, plan in PLANS.items() if part in plan.parts()}
