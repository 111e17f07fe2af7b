"""What the recipes of this paper train on: parts of the plans of `analyses.local_ball`, so that runs are shared."""

from __future__ import annotations

from analyses.core.runner import StudyRunner
from analyses.local_ball.settings import PLANS as WHOLE
from analyses.local_ball.settings import Plan
from analyses.local_ball.study import Findings, run_plan
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study

_SMOKE = WHOLE["smoke"].model_copy(
    update={
        "only": ("fgsm", "lbt rho=0.25", "lbt", "lbt m=0", "centre clean", "n_fgsm x1", "n_fgsm x2", "pgd-2"),
        "rhos": (0.25, 0.5),
        "points": 96,
    }
)

PLANS: dict[Scale, Plan] = {"smoke": _SMOKE, "laptop": WHOLE["laptop"]}
"""By scale. The rivals at smoke cost about what local-ball training does."""

STUDIES: dict[Scale, tuple[Study, ...]] = {scale: (plan.first_round(),) for scale, plan in PLANS.items()}
"""The first round; FGSM is trained again around its break once that is known."""


def found(scale: Scale, runner: StudyRunner) -> Findings:
    """All that the recipes read."""
    return run_plan(PLANS[scale], runner)
