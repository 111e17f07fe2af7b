"""Networks as people have them: with something around them, and of the less usual layers."""

from torch import nn


class After(nn.Module):
    """A network and a function of what it returns."""

    def __init__(self, network, function):
        super().__init__()
        self.network, self.function = network, function

    def forward(self, images):
        return self.function(self.network(images))


class Taking(nn.Sequential):
    """The layers of a network, which takes its images in another way."""

    def __init__(self, network, function):
        super().__init__(*network)
        self.function = function

    def forward(self, images):
        return super().forward(self.function(images))


class Returning(nn.Sequential):
    """The layers of a network, which returns its logits in another way."""

    def __init__(self, network, function):
        super().__init__(*network)
        self.function = function

    def forward(self, images):
        return self.function(super().forward(images))


class Heard(nn.Module):
    """A recurrent layer over the rows of an image, attention over them, and a head."""

    def __init__(self):
        super().__init__()
        self.rows = nn.LSTM(5, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, images):
        rows, _ = self.rows(images[:, 0])
        mixed, _ = self.attention(rows, rows, rows)
        return self.head(mixed.mean(1))
