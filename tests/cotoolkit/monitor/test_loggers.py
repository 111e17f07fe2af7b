import logging
import types

import pytest

from cotoolkit.core.errors import ConfigError
from cotoolkit.evaluation.probe import NO_PROBE
from cotoolkit.monitor.core import Event
from cotoolkit.monitor.loggers import MonitorLog
from cotoolkit.monitor.loops.failures import Failures


def log_to(loggers):
    log = MonitorLog(loggers, 2, Failures(pytest.fail))
    for iteration in (1, 2):
        log.signals({"train_loss": float(iteration)}, iteration)
    log.write({"breakpoint": 7.0}, 9)


ROWS = [({"cotoolkit/train_loss": 1.5}, 2), ({"cotoolkit/breakpoint": 7.0}, 9)]


class Fabrics:
    def __init__(self):
        self.rows = []

    def log_metrics(self, metrics, step=None):
        self.rows.append((metrics, step))


class Run:
    """What `wandb.init` returns, as far as it matters here."""

    __module__ = "wandb.sdk.wandb_run"

    def __init__(self):
        self.rows = []

    def log(self, data, step=None):
        self.rows.append((data, step))


class LikeRun(Run):
    """Of another module, with the same interface."""

    __module__ = "mine"


@pytest.mark.parametrize("kind", [Fabrics, Run, LikeRun])
@pytest.mark.parametrize("several", [False, True])
def test_loggers_get_all_values(kind, several):
    logger = kind()
    log_to([logger, kind()] if several else logger)
    assert logger.rows == ROWS


def test_the_module_of_wandb_is_a_logger_too(monkeypatch):
    run, module = Run(), types.ModuleType("wandb")
    module.log = run.log
    log_to(module)
    assert run.rows == ROWS


@pytest.mark.parametrize("package", ["lightning_fabric", "lightning.fabric", "pytorch_lightning", "lightning.pytorch"])
def test_loggers_of_either_lightning(package, tmp_path):
    loggers = pytest.importorskip(f"{package}.loggers")
    logger = loggers.CSVLogger(tmp_path)
    log_to(logger)
    logger.save()
    (path,) = tmp_path.rglob("metrics.csv")
    assert "cotoolkit/train_loss" in path.read_text()


def test_a_summary_writer_is_a_logger(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        log_to(writer)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    (event,) = events.Scalars("cotoolkit/train_loss")
    assert (event.value, event.step) == (1.5, 2)


@pytest.mark.parametrize("none", [None, (), []])
def test_no_logger_is_fine(none):
    log_to(none)


@pytest.mark.parametrize(
    "wrong", ["wandb", True, print, logging.getLogger("mine"), Fabrics, {"a": 1}, [Fabrics(), 3], object()]
)
def test_anything_else_is_refused_with_what_is_accepted(wrong):
    with pytest.raises(ConfigError, match=r"accepted are loggers of Fabric .*SummaryWriter.*wandb"):
        log_to(wrong)


class Writer:
    """A SummaryWriter, as far as it matters here."""

    def __init__(self):
        self.rows, self.texts = [], []

    def add_scalar(self, name, value, step):
        self.rows.append((name, value, step))

    def add_text(self, name, text, step):
        self.texts.append((name, text, step))


class Around:
    """A logger of Fabric's around one."""

    def __init__(self):
        self.experiment = Writer()

    def log_metrics(self, metrics, step=None):
        for name, value in metrics.items():
            self.experiment.add_scalar(name, value, step)


@pytest.mark.parametrize("kind", [Writer, Around])
def test_an_event_is_a_value_and_a_line(kind):
    logger = kind()
    event = Event("breakpoint", 7, 9, NO_PROBE, earliest=6, latest=8)
    MonitorLog(logger, 2, Failures(pytest.fail)).mark(event, 9)
    writer = getattr(logger, "experiment", logger)
    assert writer.rows == [("cotoolkit/breakpoint", 7.0, 9)]
    assert writer.texts == [("cotoolkit/events", str(event), 9)]
