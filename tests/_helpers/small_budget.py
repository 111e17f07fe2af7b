"""A budget with which a small network is diagnosed in a second or two, by all attacks."""

from cotoolkit.diagnosis.budget import BUDGETS

SMALL_BUDGET = BUDGETS["quick"].model_copy(
    update={
        "name": "test", "points": 180, "few": 40, "strong_steps": 10, "restarts": 1, "margin_steps": 5,
        "smoothed_steps": 3, "smoothed_draws": 2, "queries": 30, "targets": 2, "target_steps": 8, "most_steps": 40,
        "most_queries": 60, "evidence_points": 4, "label_classes": 2, "hessian_points": 2, "surface_points": 2,
        "surface": 4,
    }
)  # fmt: skip
