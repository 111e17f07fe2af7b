"""Networks whose parts are known, because they were put together from them."""

import torch

from analyses.purification.synthetic_world.synthetic_data import SparseCoding, SyntheticWorld


def planted(alpha, epsilon, d=24, copies=2, seeds=2, noise=0.0):
    """w_i = s_j alpha (M_j + s_j eps sum_{j' != j} w*_j' M_j') for every atom, `copies` times, and maybe some noise.

    Returns the world, the weights (S, copies * d, d), and the coefficients they were made of.
    """
    world = SyntheticWorld.draw(SparseCoding(d, 4), range(seeds))
    atoms = torch.arange(d).repeat(copies)
    own = torch.nn.functional.one_hot(atoms, d).float()
    signs = world.signs[:, None, :]
    coefficients = alpha * (own * signs + epsilon * (1 - own) * signs)
    if noise:
        coefficients = coefficients + noise * torch.randn(
            coefficients.shape, generator=torch.Generator().manual_seed(5)
        )
    return world, coefficients @ world.dictionary.mT, coefficients
