from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from figures.co_features import box_modes, controls, methods, orthogonal, shortcut
from figures.co_features.setups.grid_points import boxed, few_betas, window
from figures.co_features.setups.setup import SETUPS

DIGITS = SETUPS["digits"]


def test_strengths_are_those_of_figure_1() -> None:
    assert few_betas(DIGITS, 0, 2 / 3, 1, 5 / 3) == (0.0, 0.1, 0.15, 0.25)
    assert set(few_betas(SETUPS["paper"], 0, 2 / 3, 1, 5 / 3)) <= set(SETUPS["paper"].betas)


@pytest.mark.parametrize("module", [orthogonal, box_modes, methods, controls, shortcut])
def test_plain_cells_share_the_runs_of_figure_1(module) -> None:  # type: ignore[no-untyped-def]
    ours = {run.identity for study in module.RECIPE.studies["smoke"] for run in study.runs()}
    plain = DIGITS.arm(method=DIGITS.pgd) if module is shortcut else DIGITS.arm(0.0)
    assert DIGITS.config(plain, 0).identity in ours


def test_the_worlds_own_box_is_not_set_again() -> None:
    assert boxed(DIGITS, "none") == {}
    assert boxed(DIGITS, "box_then_eps") == {"box": "box_then_eps"}


def test_window_edges() -> None:
    found = pd.DataFrame([[False, True, True], [False, False, False]], index=[3, 4], columns=[0.1, 0.2, 0.4])
    edges = window(found)
    assert edges.loc[[3]].to_numpy().tolist() == [[0.2, 0.4]]
    assert np.isnan(edges.loc[[4]].to_numpy()).all()
