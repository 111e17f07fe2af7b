"""Carriers made of single DCT frequencies: the paper's set, its control over more classes, and the released builder."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor
from typing_extensions import override

from cotoolkit.core.registry import STRICT
from interventions.carriers.base import CARRIERS, Carrier
from interventions.carriers.patterns import patterns, released_row_patterns, zigzag


@dataclass(frozen=True, config=STRICT)
class FrequencyCarrier(Carrier):
    """Base of the carriers made of one DCT frequency per vector, the same for every colour channel.

    Args:
        wave: `sign` gives the binary patterns +1 / -1 of the paper; `cosine` the smooth DCT basis vectors themselves,
            of the same L-inf norm: the control for the sharp edges.
        band: `low` takes the frequencies from the lowest on, as the paper does; `high` from the highest down: the
            control for where in the spectrum the feature lies.
    """

    wave: Literal["sign", "cosine"] = field(default="sign", kw_only=True)
    band: Literal["low", "high"] = field(default="low", kw_only=True)

    def _patterns(self, order: list[tuple[int, int]], count: int, shape: tuple[int, int, int]) -> Tensor:
        frequencies = (order if self.band == "low" else order[::-1])[:count]
        planes = patterns(frequencies, *shape[1:], binary=self.wave == "sign")
        return planes[:, None].expand(-1, shape[0], -1, -1)


@CARRIERS.register("paired", "sign_dct")
@dataclass(frozen=True, config=STRICT)
class Paired(FrequencyCarrier):
    """The paper's features: each frequency serves two classes, with opposite signs.

    With n classes, the first ceil(n / 2) get v = sign(IDCT2(e_pq)) for the frequencies (0,1), (1,0), (1,1), (2,1),
    (1,2), p vertical; the others get -v in the same order. For 10 classes that is the set of the paper's Figure 1
    (known): v_{c+5} = -v_c, rank 5, the five orthogonal where the image sides are multiples of 4. For more classes the
    zig-zag order continues (ours); up to 2 (H W - 1) classes.

    >>> Paired().vectors(4, (1, 2, 2)).flatten(1)
    tensor([[ 1., -1.,  1., -1.],
            [ 1.,  1., -1., -1.],
            [-1.,  1., -1.,  1.],
            [-1., -1.,  1.,  1.]])
    """

    @override
    def build(self, classes: int, shape: tuple[int, int, int]) -> Tensor:
        first = [(0, 1), (1, 0), (1, 1), (2, 1), (1, 2)]
        all_frequencies = zigzag(*shape[1:])
        order = [pq for pq in first if pq in all_frequencies] + [pq for pq in all_frequencies if pq not in first]
        self._refuse_beyond(2 * len(order), classes, shape)
        half = self._patterns(order, (classes + 1) // 2, shape)
        return torch.cat([half, -half])[:classes]


@CARRIERS.register("zigzag")
@dataclass(frozen=True, config=STRICT)
class ZigZag(FrequencyCarrier):
    """One frequency per class, in zig-zag order without (0, 0); up to H W - 1 classes, all different.

    What the released code's builder for any number of classes means to do (known from that code; see `ReleasedRows`
    for what it does). The patterns are not orthogonal: on 32 x 32 the largest |cosine| is 0.375 for 10 classes and 0.5
    for 100. Not the set of `Paired`, even for 10 classes.
    """

    @override
    def build(self, classes: int, shape: tuple[int, int, int]) -> Tensor:
        order = zigzag(*shape[1:])
        self._refuse_beyond(len(order), classes, shape)
        return self._patterns(order, classes, shape)


@CARRIERS.register("released_rows")
@dataclass(frozen=True, config=STRICT)
class ReleasedRows(Carrier):
    """The released code's builder for any number of classes: a fault, kept for comparison.

    The frequency (p, q) is used as a list of two row indices and fills rows p and q of the spectrum completely (known
    from the released code, which never calls it). Classes share vectors: of 10 only 6 differ, of 100 only 55.
    """

    @override
    def build(self, classes: int, shape: tuple[int, int, int]) -> Tensor:
        channels, height, width = shape
        order = [pq for pq in zigzag(height, width) if max(pq) < height]  # q is used as a row, too
        self._refuse_beyond(len(order), classes, shape)
        planes = released_row_patterns(order[:classes], height, width)
        return planes[:, None].expand(-1, channels, -1, -1)
