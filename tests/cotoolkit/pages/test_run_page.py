import numpy as np
import pandas as pd
import pytest

from cotoolkit.core.errors import RunError
from cotoolkit.pages.chart_style import PROBES
from cotoolkit.pages.run_page import run_report
from cotoolkit.pages.run_timeline import run_pictures
from cotoolkit.pages.signal_panels import panels_of
from cotoolkit.pages.study_page import KINDS, study_report
from cotoolkit.plotting.timeline import SHOWN
from cotoolkit.studies.overrides import Grid
from cotoolkit.studies.study import Study
from tests._helpers.made_pages import ITERATIONS, made_run, made_study
from tests._helpers.small import SMALL


def section(report, name):
    return next(section for section in report.sections if section.name == name)


def names(report):
    return [section.name for section in report.sections]


def test_a_run_that_broke(tmp_path):
    report = run_report(made_run(tmp_path, breaks_at=240))
    assert report.title == "Run: digits, small_cnn, fgsm, ε 0.1, seed 0"
    assert report.lead == (
        "Catastrophic overfitting.\n\n"
        "Robustness was lost at iteration 240, for good at 242 (interval of uncertainty 235 to 246); a probe found it "
        "at 252. The first free signal to move was abnormal examples (share), at iteration 232.\n\n"
        "Accuracy on the test set, with 95 % intervals: clean 90.0% (88.0% to 92.0%), PGD-3 5.0% (3.0% to 7.0%)."
    )
    assert names(report) == ["timeline", "evaluation", "moved_first", "events", "settings"]
    moved = section(report, "moved_first").table
    assert moved["moved at"].tolist() == [232, 242]
    assert moved["iterations ahead"].tolist() == [8, -2]
    cards = section(report, "evaluation").table
    assert cards["protocol"].tolist() == ["clean", "PGD-3"]
    assert cards["attack"].tolist() == ["none", "3 steps of 0.25 ε from 1 uniform start"]
    assert cards["card"].map(len).tolist() == [12, 12]
    timeline = section(report, "timeline")
    assert list(timeline.views.values())[1] == (210, 270)
    assert len(timeline.figure.axes) == 2 * 5
    assert {"python", "torch", "device", "threat model", "identity"} <= set(report.facts)
    detail = section(report, "events").table["detail"]
    assert detail[0] == "PGD 10.0%"
    assert detail[1].startswith("clean 80.0%, FGSM 95.0%, PGD 10.0%, sustained 242, earliest 235")
    settings = section(report, "settings").table.set_index("setting")["value"]
    assert settings["method"] == "fgsm"
    assert settings["monitor.trace_every"] == "1"


def test_what_a_remedy_did_is_said_first(tmp_path):
    folder = made_run(tmp_path, breaks_at=240)
    back = {"kind": "rolled back", "iteration": 220, "detail": {"detected": 252, "method": "n_fgsm"}}
    stop = {"kind": "stopped", "iteration": 380, "detail": {"detected": 400}}
    folder.keep_events([*folder.events(), back, stop])
    lead = run_report(folder).lead
    assert (
        "The remedy rolled training back from iteration 252 to the weights of 220, to go on by n_fgsm. "
        "The remedy stopped training, and went back from iteration 400 to the weights of 380."
    ) in lead.split("\n\n")


@pytest.mark.parametrize(
    ("state", "lead", "sections"),
    [
        ("done", "Robust.\n\nNo breakpoint in 400 iterations.\n\nAccuracy", ["timeline", "evaluation", "settings"]),
        ("diverged", "Diverged: a made run that diverged.", ["timeline", "settings"]),
        ("failed", "Failed at about iteration 400: a made run that failed", ["timeline", "settings"]),
        ("running", "Not finished: iteration 400 is the last one on disk.", ["timeline", "settings"]),
        ("new", "Not started.", ["settings"]),
    ],
)
def test_runs_in_other_states(tmp_path, state, lead, sections):
    report = run_report(made_run(tmp_path, state=state))
    assert report.lead.startswith(lead)
    assert names(report) == sections
    if "timeline" in sections:
        assert section(report, "timeline").views == {}
        assert not section(report, "timeline").chart.layout.shapes


def test_many_signals_make_pictures_that_fit_a_page():
    rows = [(i, f"signal_{n}", float(i)) for n in range(13) for i in (1, 2, 3)]
    panels = panels_of(pd.DataFrame(rows, columns=["iteration", "signal", "value"]))
    pictures = run_pictures(panels, [], 3)
    assert [len(picture.axes) for picture in pictures] == [5, 5, 3]
    titles = [axes.get_title("left") for picture in pictures for axes in picture.axes]
    assert titles == [panel.title for panel in panels]
    assert all(picture.get_size_inches()[1] < 16.5 / 2.54 for picture in pictures)


def test_panels_leave_out_what_is_not_finite_and_spread_wide_signals():
    values = {
        "probe_pgd": [0.1, 0.2, 0.3],
        "train_loss": [1.0, np.nan, np.inf],
        "gradient_norm": [1.0, 2.0, 1000.0],
        "linearity": [-1.0, 2.0, 1000.0],
        "new_signal": [1.0, 1.0, 1.0],
    }
    rows = [(i, name, value) for name, series in values.items() for i, value in enumerate(series)]
    panels = panels_of(pd.DataFrame(rows, columns=["iteration", "signal", "value"]))
    assert [panel.title for panel in panels] == [
        "accuracy on the probe's held-out points",
        "input gradient (l2 norm), log scale",
        "linearity λ",
        "training loss (nats)",
        "new signal",
    ]
    assert [panel.log for panel in panels] == [False, True, False, False, False]
    assert panels[3].series["train_loss"]["iteration"].tolist() == [0]


def test_the_chart_has_every_value_at_its_iteration(tmp_path):
    folder = made_run(tmp_path, breaks_at=240)
    metrics = folder.metrics()
    chart = section(run_report(folder), "timeline").chart
    assert len(chart.data) == metrics["signal"].nunique()
    loss = next(trace for trace in chart.data if trace.name == "training loss (nats)")
    expected = metrics[metrics["signal"] == "train_loss"]
    assert list(loss.x) == expected["iteration"].tolist() == list(range(1, ITERATIONS + 1))
    assert list(loss.y) == expected["value"].tolist()


def test_a_study(tmp_path):
    study = made_study(tmp_path)
    report = study_report(study, tmp_path)
    assert report.lead == (
        "Does a larger radius break FGSM?\n\n"
        "12 runs, scale custom: 8 robust, 3 catastrophic overfitting. Without a result: 1 failed.\n\n"
        "fgsm, ε 0.1: breakpoint in 0 of 3\nfgsm, ε 0.2: breakpoint in 3 of 3\n"
        "pgd, ε 0.1: breakpoint in 0 of 3\npgd, ε 0.2: breakpoint in 0 of 2"
    )
    assert names(report) == ["runs", "timeline", "phase"]
    table = section(report, "runs").table
    columns = ["method", "epsilon", "seed", "breakpoint", "interval", "verdict", "state", "clean", "PGD-3", "identity"]
    assert list(table.columns) == columns
    assert table.loc[table["breakpoint"].notna(), "interval"].tolist() == ["195 to 206", "205 to 216", "215 to 226"]
    heat, collapsed = section(report, "phase").chart.data
    assert (list(heat.x), list(heat.y)) == (["0.1", "0.2"], ["fgsm", "pgd"])
    assert np.allclose(heat.z, [[0.6, 0.05], [0.6, 0.6]])
    assert np.allclose(collapsed.z, [[0, 1], [0, 0]])
    assert np.array_equal(heat.customdata, [[3, 3], [3, 2]])
    scale = section(report, "phase").chart.layout.coloraxis
    assert heat.coloraxis == collapsed.coloraxis == "coloraxis"
    assert (scale.cmin, scale.cmax, scale.colorbar.tickformat) == (0, 1, ".0%")
    traces = section(report, "timeline").chart.data
    drawn = [trace for trace in traces if trace.x[0] is not None]
    assert {trace.legendgroup for trace in drawn} == {"seed 0", "seed 1", "seed 2"}
    assert [trace.x[0] for trace in drawn if len(trace.x) == 2] == [200, 210, 220]
    # A colour and a dash say which accuracy it is, a symbol which seed; the legend has each of them once.
    curves = [trace for trace in drawn if len(trace.x) > 2]
    looks = {(trace.hovertemplate.split()[0], trace.line.color, trace.line.dash) for trace in curves}
    assert looks == {(PROBES[name].label, PROBES[name].colour, PROBES[name].dash) for name in SHOWN}
    assert len({(trace.name, trace.marker.symbol) for trace in curves}) == 3
    key = [trace.name for trace in traces if trace.showlegend is not False]
    assert key == ["FGSM", "PGD", "breakpoint", "seed 0", "seed 1", "seed 2"]


def test_many_kinds_of_runs_make_several_pictures(tmp_path):
    grid: Grid = {"epsilon": tuple(0.01 * n for n in range(1, KINDS + 3))}
    study = Study(name="many", base=SMALL, grids=(grid,))
    for config in study.runs()[:-1]:
        made_run(tmp_path, epsilon=config.epsilon)
    report = study_report(study, tmp_path)
    assert names(report) == ["runs", "timeline-1", "timeline-2", "phase"]
    assert len(section(report, "timeline-2").figure.axes) == 1
    assert "Without a result: 1 not started." in report.lead


def test_a_study_without_runs_is_one_line(tmp_path):
    with pytest.raises(RunError, match="no run of this study has been trained yet"):
        study_report(Study(name="none", base=SMALL), tmp_path)
