"""Tables of mixtures and purification of networks that people bring: the right values, or one clear line."""

import copy
import inspect

import numpy as np
import pytest
import torch
from torch import nn

from analyses import mixtures
from analyses.mixtures import purification, table
from cotoolkit.core.errors import ConfigError, DataError, ModelError
from tests._helpers.brought_mixtures import small
from tests._helpers.brought_networks import Taking
from tests._helpers.toys import conv_net

PAIR = {"start": None, "clean": "clean", "robust": "robust"}


@pytest.fixture(scope="module")
def pair():
    return {"clean": conv_net(seed=1), "robust": conv_net(seed=2)}


POINTS = torch.rand(40, 1, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def expected_table(pair):
    return table.mixture_table(pair, **PAIR, images=POINTS)


TABLES = {
    "wrapped": (nn.DataParallel, lambda x: x, {}),
    "one precision each": (lambda m: copy.deepcopy(m).double(), lambda x: x.numpy(), {}),
    "levels": (lambda m: Taking(m, lambda x: x / 255), lambda x: 255 * x, {"bounds": (0, 255)}),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_any_networks(kind, pair, expected_table):
    change, scaled, options = TABLES[kind]
    other = change if options else (lambda m: m)
    models = {"clean": change(pair["clean"]), "robust": other(pair["robust"])}
    found = mixtures.mixture_table(models, **PAIR, images=scaled(POINTS), **options)
    words = ["model", "layer", "kind", "live", "statistic"]
    assert found[words].equals(expected_table[words])
    np.testing.assert_allclose(found["value"], expected_table["value"], rtol=1e-3, atol=1e-3)


LIES = {
    "a list": (lambda m: list(m.values()), ConfigError, "models are a list; give the networks by name"),
    "one network": (lambda m: m["clean"], ConfigError, "models are a Sequential"),
    "no networks": (lambda m: {}, ConfigError, "there are none"),
    "no network": (lambda m: {**m, "x": "net"}, ModelError, "model 'x': .*Module is needed, not a str"),
    "another architecture": (lambda m: {**m, "x": small(0)}, ModelError, "layer 0: 4 units x 9 weights in x"),
    "scripted": (lambda m: {**m, "x": torch.jit.script(m["clean"])}, ModelError, "scripted or traced"),
}


@pytest.mark.parametrize("kind", LIES)
def test_what_no_table_can_be_made_of_is_one_line(kind, pair):
    change, error, message = LIES[kind]
    with pytest.raises(error, match=message):
        mixtures.mixture_table(change(pair), **PAIR, images=POINTS)
    with pytest.raises(DataError, match="outside the bounds 0 to 1"):
        mixtures.mixture_table(pair, **PAIR, images=(POINTS - 0.5) / 0.2)


def test_purification_of_wrapped_networks_gives_bare_ones_to_accuracy(images):
    networks, seen = [small(seed) for seed in range(3)], []

    def accuracy(network):
        seen.append(network)
        return network(images).softmax(1)[:, 0].mean().item()

    right = purification.purification_items(*networks, accuracy=accuracy, images=images)
    bare = [type(network) for network in seen]
    seen.clear()
    wrapped = [nn.DataParallel(network) for network in networks]
    found = mixtures.purification_items(*wrapped, accuracy=accuracy, images=images.numpy())
    assert [type(network) for network in seen] == bare
    assert found["holds"].tolist() == right["holds"].tolist()
    np.testing.assert_allclose(found["value"].astype(float), right["value"].astype(float), rtol=1e-3, atol=1e-3)
    atoms = {"0": np.ones((2, 5))}
    with pytest.raises(ConfigError, match=r"atoms of layer 0: shape \(2, 5\); units have 9 weights"):
        mixtures.purification_items(*wrapped, atoms=atoms, images=images)


@pytest.mark.parametrize("name", mixtures.__all__)
def test_what_is_offered_is_explained(name):
    assert inspect.getdoc(getattr(mixtures, name))
