import pytest
from pydantic import BaseModel

from cotoolkit.core.errors import ConfigError
from cotoolkit.models import (
    ModelField,
    OwnModel,
    PreActResNet18,
    SmallCNN,
    Torchvision,
    parse_model,
)

CIFAR = (3, 32, 32)


class Run(BaseModel):
    model: ModelField


@pytest.mark.parametrize(
    ("value", "spec"),
    [
        ("small_cnn", SmallCNN()),
        ({"name": "small_cnn", "width": 8}, SmallCNN(width=8)),
        (SmallCNN(width=8), SmallCNN(width=8)),
        ("PreActResNet18", PreActResNet18()),
        ("torchvision:resnet18", Torchvision(architecture="resnet18")),
        ("my.nets:tiny", OwnModel(target="my.nets:tiny")),
    ],
)
def test_short_forms_and_the_way_through_json(value, spec):
    assert parse_model(value) == spec
    run = Run(model=value)
    assert run.model == spec
    assert Run.model_validate_json(run.model_dump_json()) == run


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("preact_resnet", "did you mean preact_resnet18"),
        ({"name": "small_cnn", "widht": 8}, "did you mean width"),
        ({"name": "small_cnn", "activation": "tanh"}, "activation"),
        (5, "not a model"),
    ],
)
def test_models_that_do_not_exist(value, message):
    with pytest.raises(ConfigError, match=message):
        parse_model(value)
