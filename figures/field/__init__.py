"""The field around the five systems (spec: field.md)."""

from figures.catalogue import NotReproduced

NOT_REPRODUCED: tuple[NotReproduced, ...] = (
    NotReproduced(
        "PGI poster and NuAT table: AutoAttack of trained ResNet-18, 110 epochs",
        "needs days on a GPU, and of their methods only FGSM-RS, GradAlign, PGD and TRADES exist here",
    ),
    NotReproduced(
        "SORA: PertAlign under SORA's own training",
        "SORA's training method is not part of this toolkit (its code may not be reused); its two signals and its rule "
        "are, and stand in pertalign_timeline on FGSM runs",
    ),
    NotReproduced(
        "Loss cross-sections of Kim et al.", "a picture of the diagnosis: `cotoolkit diagnose` draws it for any network"
    ),
)
