"""The campaign of faults at toy size: it tells what survived from what did not."""

import json
import random

import campaign
import campaign_inputs
from campaign_faults import _difference


def test_wrong_inputs_are_refused_in_one_line(tmp_path):
    found = list(campaign_inputs.attempts(tmp_path, random.Random(1), 40))
    assert len(found) == 40
    assert [case for case in found if case[1]] == []


def test_what_is_accepted_or_raises_did_not_survive(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert campaign_inputs.refused(["train", "data=digits"]) == "accepted"
    monkeypatch.setattr("cotoolkit.cli.training._config", lambda *_: 1 // 0)
    assert campaign_inputs.refused(["train", "data=digits"]).startswith("ZeroDivisionError")


def test_the_result_names_every_case_and_decides_the_exit_code(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        campaign.campaign_faults, "attempts", lambda *_: [("train, SIGKILL", ""), ("study, flip", "a trace")]
    )
    monkeypatch.setattr(campaign.campaign_inputs, "attempts", lambda *_: [("train epsilon=", "")])
    assert campaign.main([str(tmp_path / "out.json"), "--runs", "0"]) == 1
    assert "faults: 1 of 2 survived" in capsys.readouterr().out
    cases = json.loads((tmp_path / "out.json").read_text())["cases"]
    assert [case["problem"] for case in cases] == ["", "a trace", ""]


def test_the_first_difference_is_named():
    assert _difference({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}) == "/a/c: 2 became 3"
