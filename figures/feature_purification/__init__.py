"""Feature purification (spec: feature_purification.md).

Nothing of the paper's body could be read: claims are the paper's only where its abstract or talks state them [S], all
others are recollected [R-*], derived [D] or chosen [M], and count as ours.
"""

from figures.catalogue import NotReproduced

NOT_REPRODUCED: tuple[NotReproduced, ...] = (
    NotReproduced(
        "across_break at scale digits",
        "two rounds of six arms and the measures of all their checkpoints take far more than the other figures there; "
        "`cotoolkit analyse across-break` makes it",
    ),
    NotReproduced(
        "Cartoon of a pure feature and its dense mixture",
        "a drawing without data; the recipe coefficients shows measured units instead",
    ),
    NotReproduced(
        "Clean weights rewritten with robust ones",
        "recollected with low confidence [R-low], its construction and numbers not found; dictionary statistics of "
        "units are in `analyses.mixtures`",
    ),
    NotReproduced(
        "Feature images under other trainers, norms and radii",
        "recollected with low confidence [R-low]; the trainers (smoothed adversarial training, named l2(1, 0.5)) are "
        "no methods of this toolkit",
    ),
    NotReproduced(
        "Deep networks against their finite-width neural tangent kernel",
        "no training of a linearised network in this toolkit; low_complexity has the tangent kernels of the theory's "
        "network",
    ),
    NotReproduced(
        "Adversarial training of low-rank factors U V alone",
        "no training of factors in this toolkit; low_rank_update truncates a full update after training",
    ),
    NotReproduced(
        "AlexNet, ResNet-16 and ResNet-34 on CIFAR-10",
        "layers, radii, schedules and all numbers of the paper's tables were not found; the recipes have the plan of "
        "co_features for CIFAR-10 with PreActResNet-18",
    ),
    NotReproduced(
        "Deep networks with a first layer of 7 x 7 pixels on CIFAR-10, and more than three seeds",
        "at scale laptop one convolution has such filters, and five trainings a seed are twenty minutes of a core",
    ),
    NotReproduced(
        "Purification of a thin PreActResNet-18 on CIFAR-10, and images that maximise its units",
        "not trained yet: five trainings a seed are hours of two cores each; deep features need depth, so "
        "maximising_images stays on digits",
    ),
    NotReproduced(
        "4.5 and 4.6, dictionaries from layer inputs and of DCT or Gabor atoms; subspaces of several classes",
        "dictionaries here are the true one in the theory's world, and those learned from the start's weights",
    ),
    NotReproduced(
        "4.9, SmoothGrad and Grad-CAM; CKA between layers",
        "attributions are five others; units are compared one by one, since all networks go on from the same weights",
    ),
    NotReproduced(
        "4.10 on deep networks: transfer, perturbations of a class, their share in principal components",
        "not built; perturbations shows the pictures and their share of what the filters hold",
    ),
    NotReproduced(
        "4.11, interpolation in 11 points, another layer and the second singular direction as controls",
        "the controls are random directions of the same norms and spectrum, and training for as long on clean images",
    ),
)
