"""What the tables say of the paper's findings and of our hypotheses, as claims that a machine checks.

Sources: [P] said by the paper's abstract, [D] standard, [R] a choice or construction of the specification, [H] a
hypothesis of it. Accuracies are shares; differences are within seeds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analyses.core.claims import ClaimResult
from analyses.memorisation.claim_list import ClaimList
from analyses.memorisation.effects import Accuracies
from analyses.memorisation.settings import MARGIN, T_MEM, World
from analyses.memorisation.world import WorldTables

FLOOR = 0.05
"""Robust accuracy below which it has no room to fall [R]."""


def world_answers(world: World, tables: WorldTables, suffix: str = "") -> list[ClaimResult]:
    """The claims about a world.

    Args:
        world: the world.
        tables: what was found in it.
        suffix: of the keys.
    """
    claims = ClaimList(suffix)
    claims.above(
        "rare_found",
        "memorisation from 16 halves finds the planted rare images",
        "area under the curve, by disjoint groups of models",
        tables.rare_area,
        "[R] construction",
        0.9,
    )
    if tables.influence:
        clean, robust = tables.influence["clean"], tables.influence["robust"]
        claims.above(
            "influence_clean",
            "seeing an atypical image makes an adversarially trained network right on more test images",
            "test images gained per image seen, pairs of halves",
            clean,
            "[P] finding (a)",
        )
        claims.above(
            "influence_less_robust",
            "it gains more clean than robust ones",
            "test images gained: clean less robust, pairs of halves",
            clean - robust,
            "[P] finding (a)",
        )
    if world.seeds:
        read = Accuracies(tables.accuracies)
        finding_a(claims, read)
        finding_b(claims, read, world)
        controls(claims, read)
        flags_mean(claims, tables.flags, tables.noise)
    return claims.results


def finding_a(claims: ClaimList, read: Accuracies) -> None:
    """Claims about what memorising atypical images buys; `read` holds accuracies of the arms that leave images out."""
    source = "[P] finding (a); margin [R]"

    def lost(event: str, group: str = "linked", arm: str = "without atypical") -> np.ndarray:
        return read.less("adversarial", "all", arm, group, event)

    claims.above(
        "a_clean",
        "without atypical training images, clean accuracy on the test images they stand for falls",
        "clean accuracy lost on linked test images",
        lost("clean"),
        source,
    )
    claims.above(
        "a_clean_specific",
        "it falls more than without as many typical ones",
        "clean accuracy lost on linked test images, less that without typical images",
        lost("clean") - lost("clean", arm="without typical"),
        "[R] control",
    )
    for event, where in (("robust", "the radius"), ("robust_small", "half the radius")):
        claims.below(
            f"a_{event}_not_lost",
            f"at {where} robust accuracy on them falls by less than a point (one of two one-sided tests)",
            "robust accuracy lost on linked test images",
            lost(event),
            source,
            MARGIN,
        )
        claims.above(
            f"a_{event}_not_gained",
            f"at {where} it rises by less than a point (the other)",
            "robust accuracy lost on linked test images",
            lost(event),
            source,
            -MARGIN,
        )
        claims.above(
            f"a_{event}_has_room",
            f"at {where} robust accuracy on them has room to fall; else the two tests say nothing",
            "robust accuracy on linked test images, trained on all",
            read.of("adversarial", "all", "linked", event),
            "[R] floor guard",
            FLOOR,
        )


def finding_b(claims: ClaimList, read: Accuracies, world: World) -> None:
    """Claims about atypical images that hurt typical ones; on planted data also of those known to."""
    source = "[P] finding (b)"

    def gain(
        arm: str, other: str, group: str = "typical", event: str = "robust", kind: str = "adversarial"
    ) -> ArrayLike:
        return read.less(kind, arm, other, group, event)

    for event in ("robust", "clean"):
        claims.above(
            f"b_{event}",
            f"without flagged images, {event} accuracy on typical test images is higher than without as many atypical",
            f"{event} accuracy on typical test images: without flagged less without atypical",
            gain("without flagged", "without atypical", event=event),
            source,
        )
    claims.above(
        "b_flags_beat_memorisation",
        "and higher than without as many of the most memorised",
        "robust accuracy on typical test images: without flagged less without most memorised",
        gain("without flagged", "without most memorised"),
        "[R] control",
    )
    robust = read.less("adversarial", "without flagged", "without atypical", "typical", "robust")
    clean = read.less("standard", "without flagged", "without atypical", "typical", "clean")
    count = min(len(robust), len(clean))
    claims.above(
        "b_specific",
        "the gain is larger than that of clean accuracy in standard training",
        "gain on typical test images: robust, adversarially trained, less clean, standard",
        robust[:count] - clean[:count],
        "[R] specificity",
    )
    if world.planted:
        claims.above(
            "b_planted_harm",
            "planted harm is there: without harmful images the threatened sub-clusters are more robust than without "
            "benign",
            "robust accuracy on threatened sub-clusters: without harmful less without benign",
            gain("without harmful", "without benign", "threatened"),
            "[R] construction",
        )
        claims.above(
            "b_threatened",
            "leaving out flagged images helps the threatened sub-clusters",
            "robust accuracy on threatened sub-clusters: without flagged less without atypical",
            gain("without flagged", "without atypical", "threatened"),
            source,
        )


def controls(claims: ClaimList, read: Accuracies) -> None:
    """Claims about BAT-style training against plain training and its controls."""

    def gain(other: str, event: str = "robust", arm: str = "weights", group: str = "all") -> ArrayLike:
        return read.less("adversarial", arm, other, group, event)

    claims.above(
        "c_robust",
        "BAT-style weights give more robust accuracy than plain adversarial training",
        "robust accuracy, all test images: weights less plain",
        gain("all"),
        "[P] better trade-off",
    )
    claims.above(
        "c_clean",
        "and do not cost a point of clean accuracy",
        "clean accuracy, all test images: weights less plain",
        gain("all", "clean"),
        "[P] better trade-off; margin [R]",
        -MARGIN,
    )
    claims.above(
        "c_both_clean",
        "weights and discrimination loss do not cost a point of clean accuracy",
        "clean accuracy, all test images: weights + discrimination less plain",
        gain("all", "clean", "weights + discrimination"),
        "[P] better trade-off; margin [R]",
        -MARGIN,
    )
    claims.above(
        "c_both_robust",
        "and give more robust accuracy than plain adversarial training",
        "robust accuracy, all test images: weights + discrimination less plain",
        gain("all", arm="weights + discrimination"),
        "[P] better trade-off",
    )
    for other, what in (
        ("permuted", "the same weights at random"),
        ("scaled", "the same effect on the learning rate"),
        ("opposite", "weighing down the unflagged"),
        ("dom", "dropping the well fitted (DOM-RE)"),
    ):
        claims.above(
            f"c_{other}",
            f"BAT-style weights give more robust accuracy than {what}",
            f"robust accuracy, all test images: weights less {other}",
            gain(other),
            "[R] control",
        )


def flags_mean(claims: ClaimList, flags: pd.DataFrame, noise: pd.DataFrame) -> None:
    """Claims about what is flagged: the tables `flags` and `noise`."""
    flags = flags[flags["threshold"] == T_MEM]
    claims.above(
        "flags_enriched",
        "flagged images are more often atypical",
        "P(memorisation > 0.25 | flagged) / P(memorisation > 0.25)",
        flags["enrichment"],
        "[R] 4.4",
        1,
    )
    claims.above(
        "flags_rank",
        "the confidence of the wrong class halfway through training ranks memorisation",
        "area under the curve",
        flags["area"],
        "[R] 4.4",
        0.5,
    )
    claims.above(
        "flags_stable",
        "two seeds flag the same images more often than by chance",
        "Jaccard overlap less that of random sets",
        flags["jaccard"] - flags["jaccard_random"],
        "[R] 4.4",
    )
    if "harmful" in flags:
        claims.above(
            "flags_harm",
            "harmful images are flagged more often than benign ones",
            "share flagged: harmful less benign",
            flags["harmful"] - flags["benign"],
            "[P] the aim; [U] the criterion",
        )
    last = noise[noise["iteration"] == noise["iteration"].max()]
    claims.above(
        "noise_recall",
        "flags find more than half of planted label noise: part of what is called harmful is mislabelled",
        "recall of wrong labels at the end",
        last["recall"],
        "[R] 4.4; threshold ours",
        0.5,
    )
    claims.above(
        "noise_precision",
        "flags are wrong labels more often than by chance",
        "precision less the share of wrong labels",
        last["precision"] - last["by_chance"],
        "[R] 4.4",
    )
