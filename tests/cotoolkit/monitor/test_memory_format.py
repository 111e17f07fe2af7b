"""A monitor warns of a network whose memory format spoils its training on a CPU, and watches it all the same."""

import pytest
import torch
from torch import nn

from cotoolkit import BreakpointMonitor
from tests._helpers.formats import narrow

POINTS = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 4


@pytest.mark.parametrize("wrap", [lambda network: network, nn.DataParallel])
def test_channels_last_with_an_unsafe_layer(wrap, caplog):
    network = narrow((1, 6, 6), 4)
    BreakpointMonitor(wrap(network), POINTS, epsilon=0.1)
    assert caplog.records == []
    monitor = BreakpointMonitor(wrap(network.to(memory_format=torch.channels_last)), POINTS, epsilon=0.1)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "its layer 'shortcut' is a 1 x 1 convolution with stride 2 and 4 input channels" in record.getMessage()
    assert 0 <= monitor.probe().clean <= 1
