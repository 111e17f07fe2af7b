"""Networks by name and a user's own: frozen specifications that build a module for a data set's shape and classes."""

from cotoolkit.models.architectures.mlp import MLP
from cotoolkit.models.architectures.own import OwnModel
from cotoolkit.models.architectures.preact_resnet import PreActResNet18
from cotoolkit.models.architectures.single_layer_cnn import SingleLayerCNN
from cotoolkit.models.architectures.small_cnn import SmallCNN
from cotoolkit.models.architectures.torchvision import Torchvision
from cotoolkit.models.architectures.two_layer import TwoLayer
from cotoolkit.models.architectures.wide_resnet import WideResNet
from cotoolkit.models.build import build_model
from cotoolkit.models.normalise import STATISTICS, Normalised
from cotoolkit.models.registry import MODELS, ModelField, ModelSpec, parse_model

__all__ = [
    "MLP",
    "MODELS",
    "STATISTICS",
    "ModelField",
    "ModelSpec",
    "Normalised",
    "OwnModel",
    "PreActResNet18",
    "SingleLayerCNN",
    "SmallCNN",
    "Torchvision",
    "TwoLayer",
    "WideResNet",
    "build_model",
    "parse_model",
]
