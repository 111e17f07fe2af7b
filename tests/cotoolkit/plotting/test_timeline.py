import pandas as pd
import pytest
import torch

from cotoolkit.core.errors import ConfigError
from cotoolkit.plotting.preview import preview
from cotoolkit.plotting.style import save
from cotoolkit.plotting.timeline import phase_diagram, timeline


def tables():
    rows, metrics = [], []
    for method in ("fgsm", "pgd"):
        for beta in (0.0, 0.1):
            for seed in range(2):
                name = f"{method}-{beta}-{seed}"
                broken = method == "fgsm" and beta > 0
                rows.append(
                    {
                        "run": name,
                        "method": method,
                        "epsilon": 8 / 255,
                        "beta": beta,
                        "seed": seed,
                        "verdict": "catastrophic overfitting" if broken else "robust",
                        "collapsed": broken and seed == 0,
                        "breakpoint": 50 + seed if broken else None,
                        "earliest": 45 if broken else None,
                        "latest": 55 + seed if broken else None,
                        "pgd-50": 0.1 if broken else 0.5 + 0.1 * seed,
                    }
                )
                metrics += [
                    {"run": name, "iteration": iteration, "signal": signal, "value": 0.5}
                    for iteration in (0, 50, 100)
                    for signal in ("probe_fgsm", "probe_pgd", "train_loss")
                ]
    return pd.DataFrame(rows), pd.DataFrame(metrics)


def test_timeline_has_a_panel_per_setting_a_line_per_seed_and_marks_breaks():
    figure, axes = timeline(*tables())
    assert len(axes) == 4
    titles = [axis.get_title() for axis in axes]
    assert titles[1] == "fgsm, ε 8/255, β 0.1\n2 of 2 break"
    assert titles[0].endswith("0 of 2 break")
    broken, whole = axes[1], axes[2]
    drawn = [line for line in whole.lines if len(line.get_xdata()) == 3]
    assert len(drawn) == 4  # two seeds, two signals
    verticals = [line.get_xdata()[0] for line in broken.lines if len(line.get_xdata()) == 2]
    assert verticals == [50, 51]
    assert len(broken.patches) == 2  # the intervals of uncertainty
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["FGSM", "PGD", "breakpoint"]


def test_timeline_of_runs_that_hold_has_no_breakpoint_in_its_legend():
    table, metrics = tables()
    figure, axes = timeline(table[table["method"] == "pgd"], metrics, by=["beta"], signals=["probe_pgd"])
    assert len(axes) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["PGD"]


def annotations(axis):
    return [text.get_text() for text in axis.texts]


def test_phase_diagram_shows_means_and_shares_growing_upwards():
    table, _ = tables()
    table.loc[table["method"] == "pgd", "epsilon"] = 16 / 255
    _, axes = phase_diagram(table, by=None)
    assert [axis.get_title() for axis in axes] == ["PGD-50 accuracy, mean", "seeds collapsed"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["16/255", "8/255"]
    assert annotations(axes[0]) == ["55%", "55%", "55%", "10%"]
    assert annotations(axes[1]) == ["0%", "0%", "0%", "50%"]


def test_phase_diagram_by_method_leaves_cells_without_runs_empty():
    table, _ = tables()
    table = table[(table["method"] == "fgsm") | (table["beta"] > 0)]
    _, axes = phase_diagram(table)
    assert [axis.get_title() for axis in axes[::2]] == ["fgsm: PGD-50 accuracy, mean", "pgd: PGD-50 accuracy, mean"]
    assert len([text for text in annotations(axes[2]) if text]) == 1


def test_tables_that_cannot_be_drawn_say_why():
    table, metrics = tables()
    with pytest.raises(ConfigError, match="no run to draw"):
        timeline(table[:0], metrics)
    with pytest.raises(ConfigError, match="no column gamma; it has: run, method"):
        phase_diagram(table, x="gamma")
    with pytest.raises(ConfigError, match="no finished run"):
        phase_diagram(table.assign(verdict=""))


@pytest.mark.parametrize("channels", [1, 3])
def test_preview_has_a_row_per_image(channels, tmp_path):
    images = torch.rand(2, channels, 9, 7)
    figure, axes = preview(images, images + 0.1, ["a", "b"])
    assert len(axes) == 10
    assert axes[2].get_title() == "difference\n±0.1"
    assert axes[5].get_ylabel() == "b"
    assert save(figure, tmp_path / "deep" / "a.png").stat().st_size > 1000
