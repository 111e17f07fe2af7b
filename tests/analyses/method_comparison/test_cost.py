"""Passes are counted, and time is a ratio of turns."""

import json

import pytest
import torch

from analyses.method_comparison import cost
from analyses.method_comparison.cost import TurnTimes, costs_of, take_turns
from analyses.method_comparison.plan import comparison_plan
from cotoolkit.methods.standard import Standard
from cotoolkit.training.trainer import Trainer


def test_the_interval_of_a_ratio_by_hand():
    found = TurnTimes([3.0, 1.0, 2.0, 9.0, 2.5, 0.1, 2.2, 2.4, 2.1], 1.0, 2.0, 2.0)
    assert found.interval == (2.2, 1.0, 3.0)  # of nine, without the least and the greatest


@pytest.mark.parametrize("name", ["standard", "fgsm", "gradalign", "local_ball", "pgd"])
def test_counted_passes_are_the_declared_ones(name, tiny):
    (run,) = comparison_plan("smoke", [name]).runs()
    config = cost._timed(run.config)
    found = take_turns(Trainer(config, device="cpu"), Trainer(cost._standard(config), device="cpu"))
    declared = config.method.cost_per_step()
    assert found.forward == pytest.approx(declared.forward)
    assert found.backward == pytest.approx(declared.backward)
    assert len(found.ratios) == 3
    assert min(found.ratios) > 0
    assert found.milliseconds > 0


def test_passes_that_depend_on_the_step_are_counted_in_the_mean(tiny, registered, tmp_path):
    class LooksTwice(Standard):
        """A quarter of the batch goes through the network once more in every other step."""

        def step(self, model, batch, update):
            if batch.iteration % 2:
                with torch.no_grad():
                    model(batch.images[: len(batch.images) // 4])
            return super().step(model, batch, update)

    registered(LooksTwice, "looks_twice")
    (row,) = costs_of(comparison_plan("smoke", ["looks_twice"]), tmp_path, "cpu").to_dict("records")
    assert row["counted_forward"] == pytest.approx(1 + 0.25 / 2)
    assert row["counted_backward"] == 1
    assert row["units"] == pytest.approx((2 + 0.125) / 2)


def test_each_method_takes_turns_with_clean_training_from_its_start(tiny, tmp_path, monkeypatch):
    # One clean training for all methods would go on beyond its schedule, to rates below zero.
    begun = []
    monkeypatch.setattr(cost, "take_turns", lambda *pair: begun.append([one.iteration for one in pair]) or measured)
    measured = TurnTimes([2.0] * 9, 1.0, 1.0, 1.0)
    costs_of(comparison_plan("smoke", ["fgsm", "pgd", "n_fgsm"]), tmp_path, "cpu")
    assert begun == [[0, 0]] * 3


def test_costs_are_those_of_an_update(tiny, tmp_path):
    (row,) = costs_of(comparison_plan("smoke", ["free"]), tmp_path, "cpu").to_dict("records")
    assert (row["forward"], row["counted_forward"]) == (8, pytest.approx(8))
    assert row["units"] == pytest.approx(1)
    assert 0 < row["time"] < 4  # eight updates in the time of about eight


def test_costs_are_kept_and_measured_once_for_all_radii(tiny, tmp_path):
    plan = comparison_plan("smoke", ["pgd", "fgsm"], radii=(0.05, 0.1))
    told = []
    table = costs_of(plan, tmp_path, "cpu", lambda *news: told.append(news))
    assert told == [("cost of pgd", 1, 2), ("cost of fgsm", 2, 2)]
    assert table["method"].tolist() == ["pgd", "fgsm"]
    assert table["units"].tolist() == [11, 2]
    assert (table["time"] > 0).all()
    assert (table["time_low"] <= table["time"]).all()
    assert (table["time"] <= table["time_high"]).all()
    again = costs_of(plan, tmp_path, "cpu", lambda *news: told.append(news))
    assert again.equals(table)
    assert len(told) == 2
    path = next((tmp_path / "costs").glob("*fgsm*"))
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "forward": 4.0}))
    assert costs_of(plan, tmp_path, "cpu").set_index("method").loc["fgsm", "units"] == 3
    fresh = costs_of(plan, tmp_path, "cpu", fresh=True).set_index("method")
    assert fresh.loc["fgsm", "units"] == 2
