"""Sparse-coding data with a known dictionary: the world in which feature purification is a theorem.

After Allen-Zhu & Li, arXiv 2005.10190. The form of the model is recalled [R-high]; every finite-size number here is a
choice [M]. Everything carries a leading dimension of seeds: S independent worlds are drawn, and sampled, side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.seeding import Label, generator

SMALL_SPREAD = 0.5
"""Small hidden values are uniform in [1, 1 + SMALL_SPREAD] / sqrt(k) [M]: equal ones would tie at <w*, z> = 0."""


@dataclass(frozen=True)
class SparseCoding:
    """x = M z + xi and y = sign(<w*, z>), with M orthonormal, w* a vector of signs and z sparse and symmetric.

    Each hidden z_j is independent: of size 1 with probability c1 / d, of size about 1 / sqrt(k) with probability
    c2 k / d, else 0 [form R-high, numbers M]. So about c2 k + c1 are active, and E ||z||^2 is about 2.

    Attributes:
        d: dimension of the input and number of atoms; the dictionary is square [R-high].
        k: sparsity. The mixture matters, and stays harmless, for d^(1/3) << k << d^(1/2) [D].
        c1: expected number of large values.
        c2: expected number of small values, in units of k.
        sigma_x: the Gaussian noise xi ~ N(0, sigma_x^2 / d I) has this expected norm; the theory allows O(1) [R-med].
        margin: samples with |<w*, z>| <= margin / sqrt(k) are drawn again [M]. Near-ties would cap the accuracy.
        spikes: norm of an added noise M xi'' of rare entries of size k^-0.501 [R-med]; 0 is none.

    Raises:
        ConfigError: numbers that make no distribution.
    """

    d: int
    k: int
    c1: float = 0.5
    c2: float = 1.0
    sigma_x: float = 0.3
    margin: float = 0.5
    spikes: float = 0.0

    def __post_init__(self) -> None:
        if self.d < 2 or self.k < 1 or min(self.c1, self.c2, self.sigma_x, self.margin, self.spikes) < 0:
            raise ConfigError(f"not a sparse-coding model: {self}; sizes are positive, the other numbers not below 0")
        if not 0 < self.large_probability + self.small_probability < 1 or self.spike_probability > 1:
            raise ConfigError(f"no probabilities between 0 and 1 in {self}; choose other c1, c2, k or spikes")

    @property
    def large_probability(self) -> float:
        """Of |z_j| = 1."""
        return self.c1 / self.d

    @property
    def small_probability(self) -> float:
        """Of |z_j| about 1 / sqrt(k)."""
        return self.c2 * self.k / self.d

    @property
    def spike_size(self) -> float:
        """Of a spike: just below that of a small value, so that a spike cannot pass for one as k grows."""
        return float(self.k**-0.501)

    @property
    def spike_probability(self) -> float:
        """Such that E[xi''_j^2] = spikes^2 / d."""
        return self.spikes**2 / (self.d * self.spike_size**2)

    def hidden(self, n: int, random: torch.Generator) -> Tensor:
        """Draw z, before any margin.

        Args:
            n: samples.
            random: generator; its device is that of the samples.

        Returns:
            (n, d), float32.
        """
        # Few entries are active, so the gaps between them are drawn, not every entry: exact, and several times as fast.
        # Eight standard deviations more gaps than expected leave no end of the table unreached.
        probability = self.large_probability + self.small_probability
        expected = n * self.d * probability
        gaps = torch.empty(int(expected + 8 * expected**0.5 + 16), device=random.device, dtype=torch.float64)
        places = gaps.geometric_(probability, generator=random).cumsum(0).long() - 1
        places = places[places < n * self.d]
        kind, size, sign = torch.rand(3, len(places), device=random.device, generator=random, dtype=torch.float32)
        magnitude = torch.where(
            kind * probability < self.large_probability, 1.0, (1 + SMALL_SPREAD * size) / self.k**0.5
        )
        z = torch.zeros(n * self.d, device=random.device, dtype=torch.float32)
        z[places] = torch.where(sign < 0.5, magnitude, -magnitude)
        return z.view(n, self.d)


@dataclass(frozen=True)
class SyntheticBatch:
    """Samples of S worlds.

    Attributes:
        x: inputs, (S, n, d).
        z: what they were made of, (S, n, d).
        y: labels -1 and +1, (S, n), float.
    """

    x: Tensor
    z: Tensor
    y: Tensor


@dataclass(frozen=True)
class SyntheticWorld:
    """S drawn worlds of one model.

    Attributes:
        coding: the model.
        dictionary: M, (S, d, d); its columns are the atoms.
        signs: w*, (S, d), of -1 and +1.
    """

    coding: SparseCoding
    dictionary: Tensor
    signs: Tensor

    @classmethod
    def draw(cls, coding: SparseCoding, seeds: Sequence[int], device: torch.device | str = "cpu") -> SyntheticWorld:
        """One world per seed: M is the Q factor of a Gaussian matrix, w* random signs [M].

        Args:
            coding: the model.
            seeds: one per world.
            device: where the worlds lie; they are the same on each.

        Returns:
            The worlds.
        """
        dictionaries, signs = [], []
        for random in generators(seeds, "init"):  # on the CPU, so that a seed's world is the same on every device
            q, r = torch.linalg.qr(torch.randn(coding.d, coding.d, generator=random, dtype=torch.float64))
            dictionaries.append(q * r.diagonal().sign())  # the sign makes Q uniform over the orthogonal group
            signs.append(torch.randint(0, 2, (coding.d,), generator=random) * 2 - 1)
        return cls(coding, torch.stack(dictionaries).float().to(device), torch.stack(signs).float().to(device))

    @property
    def dense_direction(self) -> Tensor:
        """The unit vector D_w = M w* / ||w*||, a little of every atom, on the label's side: (S, d)."""
        direction: Tensor = (self.dictionary @ self.signs[..., None]).squeeze(-1) / self.coding.d**0.5
        return direction

    def sample(self, n: int, randoms: Sequence[torch.Generator]) -> SyntheticBatch:
        """Draw fresh samples of each world.

        Args:
            n: samples of each world.
            randoms: one generator per world.

        Returns:
            The samples.
        """
        coding = self.coding
        z = torch.stack([self._hidden(n, signs, random) for signs, random in zip(self.signs, randoms, strict=True)])
        y = (z @ self.signs[..., None]).squeeze(-1).sign()
        code = z
        if coding.spikes:
            draws = torch.stack([torch.empty_like(z[0]).uniform_(-1, 1, generator=random) for random in randoms])
            code = z + coding.spike_size * draws.sign() * (draws.abs() < coding.spike_probability)
        noise = torch.stack([torch.empty_like(z[0]).normal_(generator=random) for random in randoms])
        x = torch.baddbmm(noise, code, self.dictionary.mT, beta=coding.sigma_x / coding.d**0.5)
        return SyntheticBatch(x, z, y)

    def _hidden(self, n: int, signs: Tensor, random: torch.Generator) -> Tensor:
        least = self.coding.margin / self.coding.k**0.5
        kept: list[Tensor] = []
        while (missing := n - sum(map(len, kept))) > 0:
            z = self.coding.hidden(missing + missing // 6 + 8, random)
            kept.append(z[((z @ signs).abs() > least).nonzero().squeeze(1)[:missing]])
        return torch.cat(kept)


def generators(
    seeds: Sequence[int], label: Label, position: int = 0, device: torch.device | str = "cpu"
) -> list[torch.Generator]:
    """One generator per seed, so that what a seed draws does not depend on which seeds run beside it.

    Args:
        seeds: one per world.
        label: what the numbers are for.
        position: stream of the label.
        device: of the generators.

    Returns:
        As many as seeds.
    """
    return [generator(seed, label, position, device) for seed in seeds]
