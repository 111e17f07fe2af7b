"""Networks by name and a user's own: frozen specifications that build a module for a data set's shape and classes."""

from cotoolkit.models.build import build_model
from cotoolkit.models.external import External, Torchvision
from cotoolkit.models.mlp import MLP, TwoLayer
from cotoolkit.models.normalise import STATISTICS, Normalised
from cotoolkit.models.preact_resnet import PreActResNet18
from cotoolkit.models.registry import MODELS, ModelField, ModelSpec, parse_model
from cotoolkit.models.single_layer_cnn import SingleLayerCNN
from cotoolkit.models.small_cnn import SmallCNN
from cotoolkit.models.wide_resnet import WideResNet

__all__ = [
    "MLP",
    "MODELS",
    "STATISTICS",
    "External",
    "ModelField",
    "ModelSpec",
    "Normalised",
    "PreActResNet18",
    "SingleLayerCNN",
    "SmallCNN",
    "Torchvision",
    "TwoLayer",
    "WideResNet",
    "build_model",
    "parse_model",
]
