"""What the claims of this paper make of runs whose outcome is known."""

from __future__ import annotations

import pandas as pd
import pytest

from figures.catalogue import recipes
from figures.co_features import (
    box_modes,
    controls,
    data_sets,
    figure_1,
    l2,
    low_pass,
    methods,
    orthogonal,
    perturbations,
    shortcut,
    warm_start,
)
from tests._helpers.grid_runs import SEEDS, grid_runs, verdicts


def figure_1_runs(**at_the_radius):
    """By radius and strength; nothing breaks at the smallest radius."""
    cells = {(epsilon, beta): (0.5, 0) for epsilon in (0.15, 0.2, 0.25, 0.3) for beta in (0.0, 0.1, 0.15, 0.25)}
    cells[0.3, 0.1] = cells[0.3, 0.15] = (0.5, SEEDS)
    cells |= {(0.25, float(beta)): outcome for beta, outcome in at_the_radius.items()}
    return grid_runs(("epsilon", "beta"), cells, series="ours")


def test_figure_1_goes_by_the_seeds_that_broke():
    found = verdicts(figure_1.CLAIMS, figure_1_runs(**{"0.15": (0.5, SEEDS)}))
    assert found == dict.fromkeys(("P1", "P4", "smallest", "widens"), "holds") | {
        "dead": "fact", "jump": "undecided", "prevents": "untestable"
    }  # fmt: skip


def test_figure_1_says_nothing_where_runs_break_without_the_feature():
    found = verdicts(figure_1.CLAIMS, figure_1_runs(**{"0.0": (0.5, SEEDS), "0.15": (0.5, SEEDS)}))
    assert found["P1"] == found["dead"] == "untestable"


def test_figure_1_has_no_jump_where_the_weaker_feature_breaks_too():
    found = verdicts(figure_1.CLAIMS, figure_1_runs(**{"0.1": (0.5, SEEDS), "0.15": (0.5, SEEDS)}))
    assert found["jump"] == "untestable"


@pytest.mark.parametrize(("strong", "verdict"), [(0, "holds"), (SEEDS, "undecided")])
def test_figure_1_says_that_a_feature_prevents_a_break_only_where_there_is_one_without(strong, verdict):
    data = figure_1_runs()
    for beta, count in ((0.0, SEEDS), (0.25, strong)):
        rows = (data["epsilon"] == 0.3) & (data["beta"] == beta) & (data["seed"] < count)
        data.loc[rows, "breakpoint"] = 100.0
    found = verdicts(figure_1.CLAIMS, data.assign(iterations=500))
    assert (found["prevents"], found["later"]) == (verdict, verdict)
    assert "later" not in verdicts(figure_1.CLAIMS, data)  # older tables do not say how long the runs were


def test_figure_1_says_nothing_of_a_feature_that_alone_is_robust():
    cells = {(12 / 255, 0.0): (0.5, SEEDS), (12 / 255, 24 / 255): (0.8, 0)}
    data = grid_runs(("epsilon", "beta"), cells, scale="laptop", series="ours", iterations=500)
    found = verdicts(figure_1.CLAIMS, data)
    assert found["prevents"] == found["later"] == "untestable"


def test_figure_1_averages_over_the_seeds_that_broke():
    (dead,) = (one for one in figure_1.CLAIMS(figure_1_runs(**{"0.15": (0.5, 6)})) if one.claim.key == "dead")
    assert (dead.found.mean, dead.found.n) == (0.0, 6)


def control_runs(**outcomes):
    arms = dict.fromkeys(controls.LOOKS, (0.4, 0)) | {"sign": (0.4, SEEDS)} | outcomes
    return grid_runs(("arm",), {(arm,): outcome for arm, outcome in arms.items()})


def test_controls_go_by_the_seeds_that_broke_and_not_by_accuracy():
    # the label-independent feature costs robustness and breaks nothing; smooth waves cost less, and break all
    data = control_runs(independent=(0.2, 0), cosine=(0.4, SEEDS), half=(0.4, SEEDS))
    assert verdicts(controls.CLAIMS, data) == {
        "a": "holds", "b": "holds", "c": "holds", "d": "fails", "e": "fails", "f_high": "fails", "f_random": "fails"
    }  # fmt: skip


@pytest.mark.parametrize("outcomes", [{"sign": (0.4, 0)}, {"natural": (0.1, 0)}, {"natural": (0.4, SEEDS)}], ids=str)
def test_controls_are_not_testable_where_the_papers_feature_breaks_nothing(outcomes):
    assert set(verdicts(controls.CLAIMS, control_runs(**outcomes)).values()) == {"untestable"}


def test_a_control_that_never_was_robust_is_not_testable():
    assert verdicts(controls.CLAIMS, control_runs(independent=(0.1, 0)))["a"] == "untestable"


def low_pass_runs(unfiltered, pgd_narrow=0.4):
    cells = {(*line, width): (0.4, 0) for line in low_pass.LOOKS for width in (8, 6, 4)}
    for name in ("low_pass", "released_row_low_pass"):
        cells["fgsm", name, 8] = (0.4, unfiltered)
    cells["pgd", "low_pass", 4] = (pgd_narrow, 0)
    return grid_runs(("method", "filter", "bandwidth"), cells)


def test_filters_are_testable_only_where_fgsm_training_breaks_without():
    found = verdicts(low_pass.CLAIMS, low_pass_runs(unfiltered=0))
    assert {found[key] for key in ("square", "rows", "narrow", "agree")} == {"untestable"}
    found = verdicts(low_pass.CLAIMS, low_pass_runs(unfiltered=SEEDS))
    assert {found[key] for key in ("square", "rows", "narrow", "agree")} == {"holds"}


def test_filters_that_change_nothing_do_not_agree():
    data = low_pass_runs(unfiltered=SEEDS)
    data.loc[(data["method"] == "fgsm") & (data["bandwidth"] == 6), "breakpoint"] = 100.0
    assert verdicts(low_pass.CLAIMS, data)["agree"] == "untestable"


def test_a_narrow_band_behind_which_nothing_is_learned_says_nothing_of_its_cost():
    data = low_pass_runs(unfiltered=0, pgd_narrow=0.2)
    data["robust"] += 0.0003 * data["seed"] * (data["bandwidth"] == 8)
    assert verdicts(low_pass.CLAIMS, data)["cost"] == "holds"
    untrained = (data["method"] == "pgd") & (data["bandwidth"] == 4)
    data.loc[untrained, "clean"] = 0.1 + 0.001 * data["seed"]
    assert verdicts(low_pass.CLAIMS, data)["cost"] == "untestable"


def test_where_pgd_was_not_trained_its_cost_is_not_asked():
    data = low_pass_runs(unfiltered=SEEDS)
    narrow_rows = (data["filter"] == "released_row_low_pass") & (data["bandwidth"] == 4)
    fgsm = data[(data["method"] == "fgsm") & ~narrow_rows]
    asked = ("square", "rows", "narrow", "agree")
    assert verdicts(low_pass.CLAIMS, fgsm) == dict.fromkeys(asked, "holds")
    assert len(low_pass.draw(fgsm).axes[0].get_lines()) == 4  # a line and its seeds for each filter


def orthogonal_runs(**at_beta):
    cells = {("none", beta): (0.5, SEEDS if beta else 0) for beta in (0.0, 0.1, 0.15)}
    cells |= {(name, beta): (0.2 if beta else 0.1, 0) for name in ("correct", "released") for beta in (0.0, 0.1, 0.15)}
    return grid_runs(("projector", "beta"), cells | {("correct", 0.15): at_beta["correct"]}, removed=0.1)


def test_projectors_are_judged_by_breaks_though_the_projected_images_give_no_robustness_without_a_feature():
    found = verdicts(orthogonal.CLAIMS, orthogonal_runs(correct=(0.2, 2)))
    assert found == {"correct": "holds", "released": "holds", "window": "holds", "cost": "untestable"}
    assert verdicts(orthogonal.CLAIMS, orthogonal_runs(correct=(0.1, 2)))["correct"] == "untestable"


def data_set_runs(without):
    cells = {(place, feature): (0.4, 0) for place in data_sets.PLACES for feature in (False, True)}
    return grid_runs(("data", "feature"), cells | {("digits16", False): without, ("planted", True): (0.4, SEEDS)})


def test_other_data_are_not_testable_where_training_is_broken_without_the_feature():
    found = verdicts(data_sets.CLAIMS, data_set_runs(without=(0.02, 0)))
    assert found == {"P1_digits16": "untestable", "P1_planted": "holds"}
    assert verdicts(data_sets.CLAIMS, data_set_runs(without=(0.4, 0)))["P1_digits16"] == "fails"


@pytest.mark.parametrize(("broke", "expected"), [(0, ("fails", "untestable")), (SEEDS, ("holds", "holds"))])
def test_several_l2_steps_are_testable_where_one_step_breaks(broke, expected):
    cells = {(method, beta): (0.4, 0) for method in ("fgsm", "pgd") for beta in (0.0, 0.6, 1.0)}
    found = verdicts(l2.CLAIMS, grid_runs(("method", "beta"), cells | {("fgsm", 0.6): (0.4, broke)}))
    assert (found["P1"], found["P5"]) == expected


def box_runs(beyond=0, end=0.5):
    cells = {(mode, beta): (0.5, 0) for mode in box_modes.MODES for beta in (0.0, 0.1, 0.15, 0.4)}
    cells |= {("none", beta): (0.5, SEEDS) for beta in (0.1, 0.15)}
    cells |= {(mode, 0.1): (0.3, SEEDS - 1) for mode in ("box_then_eps", "eps_then_box")}
    cells |= {(mode, 0.4): (end, 0) for mode in ("box_then_eps", "eps_then_box")}
    return grid_runs(("mode", "beta"), cells | {("eps_then_box", 0.4): (end - 0.1, beyond)})


def test_orders_of_the_box_are_compared_only_beyond_the_radius_and_where_one_breaks():
    found = verdicts(box_modes.CLAIMS, box_runs())
    assert (found["start"], found["end"], found["width"]) == ("undecided", "fails", "untestable")
    assert verdicts(box_modes.CLAIMS, box_runs(beyond=SEEDS))["width"] == "holds"


def test_the_sound_ball_is_judged_at_the_strength_of_figure_1_whatever_the_others_do():
    data = box_runs()  # of the sound ball only the weaker feature breaks
    assert verdicts(box_modes.CLAIMS, data)["sound"] == "undecided"
    there = (data["mode"] == "box_then_eps") & (data["beta"] == 0.15)
    data.loc[there, "breakpoint"] = 100.0
    assert verdicts(box_modes.CLAIMS, data)["sound"] == "holds"


def test_the_released_order_costs_nothing_where_nothing_is_lost():
    data = box_runs(end=1.0)
    data.loc[(data["mode"] == "eps_then_box") & (data["beta"] == 0.4), "robust"] = 0.99
    assert verdicts(box_modes.CLAIMS, data)["order"] == "untestable"


def method_runs(**outcomes):
    cells = {(arm, beta): (0.5, 0) for arm in methods.LOOKS for beta in (0.0, 0.15)}
    cells |= {("fgsm", 0.15): (0.5, SEEDS)}
    return grid_runs(("arm", "beta"), cells | {(arm, 0.15): outcome for arm, outcome in outcomes.items()})


def test_methods_prevent_breaks_only_where_something_breaks():
    found = verdicts(methods.CLAIMS, method_runs(**{"gradalign 0.2": (0.5, SEEDS), "gradalign 1": (0.4, 1)}))
    assert found == dict.fromkeys(("P5", "P6_n_fgsm", "P6_gradalign", "P6_weight"), "holds") | {
        "pgd_keeps": "fact", "P6_k": "untestable"
    }  # fmt: skip
    assert verdicts(methods.CLAIMS, method_runs(fgsm=(0.5, 0)))["P5"] == "untestable"
    assert verdicts(methods.CLAIMS, method_runs(pgd=(0.1, 0)))["P5"] == "untestable"  # it never was robust


def warm_runs(cold, warm):
    ends = grid_runs(("arm",), {("cold",): (0.5, cold), ("warm",): (0.5, warm), ("pgd",): (0.6, 0)})
    ends.loc[ends["arm"] == "warm", "breakpoint"] += 100
    courses = [ends.assign(iteration=iteration, probe=0.5) for iteration in (0, 480)]
    return pd.concat(courses, ignore_index=True)


def test_a_warm_start_breaks_later_by_times_of_which_some_are_only_known_to_be_later():
    found = {result.claim.key: result for result in warm_start.CLAIMS(warm_runs(SEEDS, SEEDS - 1))}
    assert {key: result.verdict for key, result in found.items()} == {"P12": "undecided", "later": "holds"}
    late = sum(400 + seed for seed in range(SEEDS - 1)) + 480
    assert found["later"].found.mean == pytest.approx((late - sum(300 + seed for seed in range(SEEDS))) / SEEDS)
    assert verdicts(warm_start.CLAIMS, warm_runs(1, SEEDS)) == {"P12": "holds", "later": "untestable"}


def shortcut_runs(**clean):
    linear = grid_runs(("arm", "beta"), {("linear", beta): (0.0, 0) for beta in (0.0, 0.15)})
    arms = {(arm,): (0.6, 0) for arm in ("standard 0", "standard", "pgd")} | {("pgd unrelated",): (0.1, 0)}
    trained = grid_runs(("arm",), arms | {(arm,): (0.0, 0) for arm in clean})
    for arm, value in clean.items():
        trained.loc[trained["arm"] == arm, "clean"] = value
    return pd.concat([linear, trained], ignore_index=True).assign(epsilon=0.25)


def test_the_feature_alone_is_testable_where_plain_training_reads_it():
    assert "P3_network" not in verdicts(shortcut.CLAIMS, shortcut_runs())  # as tables of before have no such arm
    for clean, expected in ((0.99, "holds"), (0.1, "untestable")):
        data = shortcut_runs(**{"standard unrelated": clean})
        data.loc[data["arm"] == "pgd unrelated", "robust"] = 0.1
        assert verdicts(shortcut.CLAIMS, data)["P3_network"] == expected


def test_no_errors_leave_no_room_for_a_helping_feature():
    assert verdicts(shortcut.CLAIMS, shortcut_runs(**{"standard 0": 0.999}))["P2_network"] == "untestable"


def test_what_another_figure_judges_is_not_claimed_again():
    assert perturbations.CLAIMS(pd.DataFrame()) == []


@pytest.mark.parametrize("paper", ["co_features", "field"])
def test_claims_say_which_attack_and_are_written_to_be_quoted(paper):
    for recipe in (recipe for recipe in recipes().values() if recipe.paper == paper):
        rows = [row for claimed in recipe.claims.rows for row in (claimed, *claimed.premises)]
        for row in rows:
            said = f"{recipe.name}, {row.claim.key}"
            assert "robust accuracy" not in row.claim.measure, said
            assert " less " not in row.claim.measure, said  # but minus
            assert row.claim.statement[0].isupper() or row.claim.statement[0].isdigit(), said
        keys = [row.claim.key for row in recipe.claims.rows]
        assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("paper", ["co_features", "field"])
def test_claims_of_the_paper_come_first(paper):
    for recipe in (recipe for recipe in recipes().values() if recipe.paper == paper):
        ours = [row.claim.source.startswith("ours") for row in recipe.claims.rows]
        assert ours == sorted(ours), recipe.name
