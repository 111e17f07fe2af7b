"""Networks as people build them, from 1 x 6 x 6 images to 4 logits: tied, shared, jitted, recurrent, parametrised."""

from types import SimpleNamespace

import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint


def mlp(outputs=4):
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.Tanh(), nn.Linear(16, outputs))


class Hidden(nn.Module):
    """Two layers of one shape, whose weights are tied or equal."""

    def __init__(self, *, tied):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(36, 36), nn.Linear(36, 36), nn.Linear(36, 4)
        if tied:
            self.second.weight = self.first.weight

    def forward(self, images):
        return self.head(torch.tanh(self.second(torch.tanh(self.first(images.flatten(1))))))


class Encoded(nn.Module):
    """An encoder under one name, or under two."""

    def __init__(self, *, twice):
        super().__init__()
        self.encoder, self.head = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)), nn.Linear(64, 4)
        if twice:
            self.alias = self.encoder

    def forward(self, images):
        return self.head(torch.tanh(self.encoder(images)).flatten(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.head = nn.LSTM(6, 8, batch_first=True, bidirectional=True), nn.Linear(16, 4)

    def forward(self, images):
        return self.head(self.cells(images[:, 0])[0][:, -1])


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Linear(6, 16), nn.Linear(16, 4)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.1)

    def forward(self, images):
        return self.head(self.layer(self.embed(images[:, 0])).mean(1))


class Around(nn.Module):
    """A network with a change around it."""

    def __init__(self, call, outputs=4):
        super().__init__()
        self.network, self.call = mlp(outputs), call

    def forward(self, images):
        return self.call(self.network, images)


class Buffered(Around):
    """With a buffer that no state dict holds, and one whose entries are one number in memory."""

    def __init__(self):
        super().__init__(lambda network, images: network(images) + self.shift)
        self.register_buffer("shift", torch.zeros(4), persistent=False)
        self.register_buffer("constant", torch.zeros(1).expand(5))


def parametrised(how):
    network = mlp()
    network[1] = how(network[1])
    return network


NETWORKS = {
    "tied": lambda: Hidden(tied=True),
    "shared-encoder": lambda: Encoded(twice=True),
    "recurrent": Recurrent,
    "attending": Attending,
    "buffered": Buffered,
    "weight-norm": lambda: parametrised(parametrizations.weight_norm),
    "spectral-norm": lambda: parametrised(parametrizations.spectral_norm),
    "old-spectral-norm": lambda: parametrised(nn.utils.spectral_norm),
    "orthogonal": lambda: parametrised(parametrizations.orthogonal),
    "tracked-instance-norm": lambda: nn.Sequential(nn.InstanceNorm2d(1, affine=True, track_running_stats=True), *mlp()),
    "scripted": lambda: torch.jit.script(mlp()),
    "traced": lambda: torch.jit.trace(mlp(), torch.rand(5, 1, 6, 6)),
    "compiled": lambda: torch.compile(mlp(), backend="eager"),
    "checkpointed": lambda: Around(lambda network, images: checkpoint(network, images, use_reentrant=True)),
    "in-place": lambda: Around(lambda network, images: network(images.sub_(0.5).div_(0.5))),
    "object": lambda: Around(lambda network, images: SimpleNamespace(logits=network(images))),
    "dictionary": lambda: Around(lambda network, images: {"logits": network(images)}),
    "half": lambda: mlp().half(),
    "bfloat16": lambda: mlp().bfloat16(),
    "float64": lambda: mlp().double(),
}
