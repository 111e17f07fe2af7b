"""The field around the five systems (spec: field.md)."""

from figures.catalogue import NotReproduced

NOT_REPRODUCED: tuple[NotReproduced, ...] = (
    NotReproduced(
        "PGI poster and NuAT table: AutoAttack of trained ResNet-18, 110 epochs",
        "needs days on a GPU; their methods are those of this toolkit (`cotoolkit methods`)",
    ),
    NotReproduced(
        "SORA: PertAlign under SORA's own training",
        "not trained for a figure of its own: the method `sora` stands in method_comparison, its two signals and its "
        "rule in pertalign_timeline, on FGSM runs",
    ),
    NotReproduced(
        "Loss cross-sections of Kim et al.", "a picture of the diagnosis: `cotoolkit diagnose` draws it for any network"
    ),
)
