"""What actions do about events of a scripted loop."""

import logging

import torch
from safetensors.torch import load_file

from cotoolkit.evaluation.probe import ProbeResult
from cotoolkit.methods import FGSM, NFGSM
from cotoolkit.monitor.actions import Rescue, Save, stop
from cotoolkit.monitor.core import Event
from tests._helpers.loops import Clock, Scripted, abnormal_from, breaks_at, kinds, train


def test_events_are_logged_and_reach_their_actions_in_order(caplog):
    seen = []
    on = {
        "warning": lambda monitor, event: seen.append(event.kind),
        "breakpoint": [lambda monitor, event: seen.append((event.kind, monitor.broken)), stop],
    }
    monitor = Scripted(Clock(), breaks_at(70), on=on)
    assert "after iteration 0; no event yet" in repr(monitor)
    with caplog.at_level(logging.INFO):
        train(monitor, 80, abnormal_from(70))
    assert "catastrophic overfitting at iteration 65 to 74" in repr(monitor)
    assert seen == ["warning", ("breakpoint", True)]
    assert monitor.should_stop
    assert "warning, abnormal_example moves as" in caplog.text
    assert "catastrophic overfitting at iteration 65 to 74, seen at 74" in caplog.text


def test_one_warning_after_another_is_told_without_its_advice(caplog):
    monitor = Scripted(Clock(), breaks_at(70))
    probe = ProbeResult(0.9, 0.6, 0.1, 0.5, 10, (False,) * 10)
    for iteration, kind in ((8, "warning"), (16, "warning"), (24, "recovered"), (32, "warning")):
        monitor.tell(Event(kind, iteration, iteration, probe, signal="pert_align"))
    told = [record.message for record in caplog.records if "warning" in record.message]
    assert [monitor.events[0].advice in text for text in told] == [True, False, True]
    assert all(text.startswith(f"iteration {at}: warning") for text, at in zip(told, (8, 16, 32), strict=True))


def test_weights_are_saved_before_and_after(tmp_path):
    on = {"warning": Save(tmp_path), "breakpoint": Save(tmp_path / "broken")}
    monitor = Scripted(Clock(), breaks_at(70), on=on)
    train(monitor, 80, abnormal_from(70))
    warning, broken = monitor.events
    assert load_file(tmp_path / f"warning-{warning.iteration}.safetensors")["time"] == warning.iteration
    names = {path.name for path in (tmp_path / "broken").iterdir()}
    assert names == {f"before-{broken.earliest - 1}.safetensors", f"after-{broken.iteration}.safetensors"}
    assert load_file(tmp_path / "broken" / f"before-{broken.earliest - 1}.safetensors")["time"] < 70


def test_rescue_goes_back_and_escalates_until_no_method_is_left():
    model = Clock()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    methods = (NFGSM(), NFGSM(k=3.0))
    monitor = Scripted(model, breaks_at(70), on={"breakpoint": Rescue(methods)}, optimizer=optimizer, method=FGSM())
    train(monitor, 100)
    assert model.time.item() == 50  # the last good probe
    assert (monitor.iteration, monitor.rescues, monitor.broken) == (100, 1, False)
    assert monitor.method == NFGSM()
    train(monitor, 50)
    assert model.time.item() == 50
    assert monitor.method == NFGSM(k=3.0)
    assert not monitor.should_stop
    assert monitor.breakpoint.earliest > 100  # dated in iterations of the loop, though the weights went back
    train(monitor, 50)
    assert monitor.should_stop
    assert model.time.item() == 100
    assert kinds(monitor) == ["breakpoint"] * 3


def test_a_rescue_on_a_warning_prevents_the_break():
    monitor = Scripted(Clock(), breaks_at(70), on={"warning": Rescue()})
    train(monitor, 99, abnormal_from(70))
    assert kinds(monitor) == ["warning"]
    assert monitor.rescues == 1
    assert monitor.method == NFGSM()
