"""A signal is registered once, and shows everywhere."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from analyses.early_warning.scoring.rules import candidates
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.monitor import BreakpointMonitor
from cotoolkit.pages.run_page import run_report
from cotoolkit.signals import SHARE, SIGNALS, signal
from cotoolkit.training.run import run
from tests._helpers.small import small


@pytest.fixture
def largest_logit():
    @signal(title="largest logit", unit="logits", at_break="rises", source="a test")
    def largest_logit(logits):
        return logits.amax(1)

    yield largest_logit
    del SIGNALS["largest_logit"]


class Logger:
    def __init__(self):
        self.seen = {}

    def log_metrics(self, metrics, step=None):
        self.seen |= metrics


@pytest.mark.usefixtures("largest_logit")
def test_a_new_signal_shows_in_a_run_and_on_its_page_and_in_the_benchmark(tmp_path):
    folder = run(small(epochs=1), tmp_path, device="cpu")
    metrics = folder.metrics()
    recorded = metrics[metrics["signal"] == "largest_logit"]
    assert recorded["iteration"].tolist() == [1, 2, 3, 4, 5]
    timeline = next(section for section in run_report(folder).sections if section.name == "timeline")
    assert "largest logit (logits)" in [trace.name for trace in timeline.chart.data]
    assert "largest logit (logits)" in [axes.get_title("left") for axes in timeline.figure.axes] + [
        axes.get_title("left") for picture in timeline.more_figures for axes in picture.axes
    ]
    assert candidates(metrics["signal"])["largest_logit"] == "rises"


@pytest.mark.usefixtures("largest_logit")
def test_a_new_signal_shows_in_a_foreign_loop():
    model, logger = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), Logger()
    images, labels = torch.rand(6, 1, 2, 2), torch.arange(6) % 3
    monitor = BreakpointMonitor(
        model, (images, labels), epsilon=0.1, config=MonitorConfig(points=6), loggers=[logger], log_every=1
    )
    logits = model(images)
    F.cross_entropy(logits, labels).backward()
    for _ in range(8):
        monitor.step(logits=logits, labels=labels)
    assert logger.seen["cotoolkit/largest_logit"] == pytest.approx(logits.amax(1).mean().item())


def test_candidates_are_the_recorded_signals_with_a_direction():
    assert candidates(["zero_gradient", "pert_align", "probe_pgd"]) == {"pert_align": "falls"}


def test_every_signal_has_its_facts():
    assert len(SIGNALS) >= 22
    for name, info in SIGNALS.items():
        assert info.name == name == info.function.__name__
        assert info.at_break in ("falls", "rises", None)
        assert info.title
        assert info.source
        assert not (info.log and info.unit == SHARE)
    assert len({info.title for info in SIGNALS.values()}) == len(SIGNALS)


@pytest.mark.usefixtures("largest_logit")
def test_a_name_belongs_to_one_signal():
    with pytest.raises(ValueError, match="'largest_logit' is registered twice"):

        @signal(title="another", at_break=None, source="a test")
        def largest_logit(logits):
            return logits
