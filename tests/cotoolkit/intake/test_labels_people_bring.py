"""Labels of every kind, and one output for two classes."""

import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from cotoolkit import attacks
from cotoolkit.core.errors import DataError
from cotoolkit.evaluation import evaluate
from cotoolkit.evaluation.protocol import run_protocol
from tests._helpers.brought import PROTOCOL, Output, call, refused
from tests._helpers.brought_networks import After

LABELS = {
    "int64": lambda y: y,
    "a column": lambda y: y[:, None],
    "a row": lambda y: y[None],
    "a list": lambda y: y.tolist(),
    "a tuple": lambda y: tuple(y.tolist()),
    "a list of tensors": list,
    "numpy": lambda y: y.numpy(),
    "numpy column": lambda y: y.numpy()[:, None],
    "int32": lambda y: y.int(),
    "int16": lambda y: y.short(),
    "int8": lambda y: y.char(),
    "uint8": lambda y: y.byte(),
    "uint16": lambda y: y.to(torch.uint16),
    "float32": lambda y: y.float(),
    "float16": lambda y: y.half(),
    "numpy float64": lambda y: y.numpy().astype(float),
    "a pandas column": lambda y: pd.Series(y.numpy(), index=range(7, 7 + len(y))),
    "big-endian": lambda y: y.numpy().astype(">i4"),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_every_kind_give_the_same_number(kind, plain):
    model, images, labels, threat = plain
    right = run_protocol(*plain, "fgsm")
    assert torch.equal(evaluate(model, images, LABELS[kind](labels), threat, "fgsm").correct, right.correct)
    delta = attacks.fgsm(model, images, LABELS[kind](labels), threat).delta
    assert torch.equal(delta, attacks.fgsm(model, images, labels, threat).delta)


REFUSED_LABELS = {
    "one-hot": (lambda y: F.one_hot(y, 10), r"one-hot.*labels\.argmax\(1\)"),
    "one-hot floats": (lambda y: F.one_hot(y, 10).float(), r"one-hot.*labels\.argmax\(1\)"),
    "soft": (lambda y: 0.9 * F.one_hot(y, 10) + 0.01, r"soft.*labels\.argmax\(1\)"),
    "one for all": (lambda y: y[:1], "one label for 100 images"),
    "a number for all": (lambda y: 3, "one label for 100 images"),
    "too few": (lambda y: y[:-1], "99 labels for 100 images"),
    "beyond the outputs": (lambda y: y + 1, "labels go up to 10, and the model has 10 outputs, 0 to 9"),
    "-1": (lambda y: y - 1, "labels go down to -1"),
    "ignored": (lambda y: torch.where(y == 0, -100, y), "where -100 marks images to ignore, leave those out"),
    "fractions": (lambda y: y + 0.5, "whole numbers"),
    "nan": (lambda y: torch.where(y == 0, torch.nan, y), "missing, nan or infinite"),
    "words": (lambda y: [str(one) for one in y.tolist()], "whole numbers"),
    "None": (lambda y: None, "whole numbers"),
    "maps": (lambda y: y.view(-1, 1, 1).expand(-1, 2, 2), "labels have shape"),
}


@pytest.mark.parametrize("entrance", ["evaluate", "pgd", "square_attack"])
@pytest.mark.parametrize("kind", REFUSED_LABELS)
def test_labels_that_mean_nothing_are_one_line(kind, entrance, plain):
    model, images, labels, threat = plain
    change, message = REFUSED_LABELS[kind]
    refused(DataError, message, lambda: call(entrance, model, images, change(labels), threat))


# --- two classes, one output ------------------------------------------------------------------------------------------

ONE_OUTPUT = {
    "(N, 1)": (lambda z: z[:, None], {}),
    "(N,)": (lambda z: z, {}),
    "said so": (lambda z: z[:, None], {"binary": True}),
    "a sigmoid": (lambda z: z.sigmoid()[:, None], {}),
    "an object": (lambda z: Output(z[:, None], None), {}),
    "a squeeze": (lambda z: z[:, None].squeeze(), {}),
}


def zero_or_not(logits):
    """The log-odds that a digit is not 0."""
    return logits[:, 1:].logsumexp(1) - logits[:, 0]


@pytest.mark.parametrize("kind", ONE_OUTPUT)
def test_one_output_is_two_classes(kind, plain):
    model, images, labels, threat = plain
    binary = (labels != 0).long()
    two = After(model, lambda z: torch.stack([torch.zeros(len(z)), zero_or_not(z)], 1))
    right = run_protocol(two, images, binary, threat, PROTOCOL)
    function, options = ONE_OUTPUT[kind]
    one = After(model, lambda z: function(zero_or_not(z)))
    for labels_given in (binary, binary.float()[:, None], binary.bool()):
        found = evaluate(one, images, labels_given, threat, PROTOCOL, **options)
        assert abs(found.accuracy.value - right.accuracy.value) <= 0.02
    delta = attacks.fgsm(one, images, binary, threat, **options).delta
    agreed = (delta == attacks.fgsm(two, images, binary, threat).delta).float().mean()
    assert agreed > 0.99


def test_one_output_cannot_have_three_classes(plain):
    model, images, labels, threat = plain
    one = After(model, lambda z: zero_or_not(z)[:, None])
    refused(
        DataError,
        "labels go up to 9, and the model has 2 outputs",
        lambda: evaluate(one, images, labels, threat, "clean"),
    )
