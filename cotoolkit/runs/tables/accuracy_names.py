"""Names of a run's accuracies: PROTOCOL of the trained network, LABEL:PROTOCOL of the networks besides it."""

from __future__ import annotations

OWN = "attack="
"""How protocols begin whose attack is from outside: `attack=module:function`."""


def split_accuracy(name: str) -> tuple[str, str]:
    """The label of the network, empty for the trained one, and the protocol.

    >>> split_accuracy("pgd-50"), split_accuracy("averaged:pgd-50")
    (('', 'pgd-50'), ('averaged', 'pgd-50'))
    >>> split_accuracy("averaged:attack=torchattacks:PGD")
    ('averaged', 'attack=torchattacks:PGD')
    """
    before, own, target = name.partition(OWN)
    if own:
        return before.removesuffix(":"), own + target
    label, _, protocol = name.rpartition(":")
    return label, protocol


def accuracy_title(name: str) -> str:
    """An accuracy of a run's evaluation as people write it.

    >>> accuracy_title("clean"), accuracy_title("pgd-50"), accuracy_title("averaged:pgd-50")
    ('clean', 'PGD-50', 'averaged: PGD-50')
    >>> accuracy_title("attack=torchattacks:PGD")
    'torchattacks:PGD'
    """
    label, protocol = split_accuracy(name)
    own = protocol.startswith(OWN)
    title = protocol.removeprefix(OWN) if own or protocol == "clean" else protocol.upper()
    return f"{label}: {title}" if label else title
