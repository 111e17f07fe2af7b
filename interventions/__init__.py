"""Interventions on image data: filters, injected features, label noise. Tensors in, tensors out.

A new intervention is one new file here, a new carrier one in `carriers`; both are found by themselves.

>>> import torch
>>> from interventions import Compose, Inject, LowPass
>>> images, labels = torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 2, 3])
>>> injected, _ = Inject("paired", beta="8/255")(images, labels, classes=10)
>>> round(255 * (injected - images).abs().max().item())
8
>>> Compose([LowPass(16), Inject("zigzag", beta="8/255")])(images, labels, classes=100)[0].shape
torch.Size([4, 3, 32, 32])
"""

from cotoolkit.core.registry import load_entries
from interventions.base import (
    INTERVENTIONS,
    Intervention,
    InterventionError,
    InterventionField,
    fingerprint,
    from_json,
    parse_intervention,
    to_json,
)
from interventions.carriers import (
    CARRIERS,
    Carrier,
    CarrierField,
    Given,
    Paired,
    RandomOrthonormal,
    ReleasedRows,
    ZigZag,
)
from interventions.compose import Clip, Compose
from interventions.filters import BandPass, BandStop, HighPass, LowPass, ReleasedRowLowPass
from interventions.frequency import dct2, frequency_radius, idct2, keep_frequencies
from interventions.hybrid import SwapFrequencies, split_bands, swap_high
from interventions.injection import (
    Inject,
    InjectCorrelated,
    InjectIndependent,
    InjectPermuted,
    InjectReversed,
    ProjectThenInject,
)
from interventions.labels import LabelNoise
from interventions.own import OwnIntervention
from interventions.poison import Poison
from interventions.projection import (
    Project,
    ReleasedProject,
    feature_coefficients,
    feature_share,
    remove_span,
    span_basis,
)
from interventions.wrappers import InterventionDataset, InterventionLayer, InterventionTransform

load_entries(__name__)

__all__ = [
    "CARRIERS",
    "INTERVENTIONS",
    "BandPass",
    "BandStop",
    "Carrier",
    "CarrierField",
    "Clip",
    "Compose",
    "Given",
    "HighPass",
    "Inject",
    "InjectCorrelated",
    "InjectIndependent",
    "InjectPermuted",
    "InjectReversed",
    "Intervention",
    "InterventionDataset",
    "InterventionError",
    "InterventionField",
    "InterventionLayer",
    "InterventionTransform",
    "LabelNoise",
    "LowPass",
    "OwnIntervention",
    "Paired",
    "Poison",
    "Project",
    "ProjectThenInject",
    "RandomOrthonormal",
    "ReleasedProject",
    "ReleasedRowLowPass",
    "ReleasedRows",
    "SwapFrequencies",
    "ZigZag",
    "dct2",
    "feature_coefficients",
    "feature_share",
    "fingerprint",
    "frequency_radius",
    "from_json",
    "idct2",
    "keep_frequencies",
    "parse_intervention",
    "remove_span",
    "span_basis",
    "split_bands",
    "swap_high",
    "to_json",
]
