"""The words that logs have for times, runs and accuracies, and how well a name of some words fits each."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

ACCURACIES = ("clean", "fgsm", "pgd")

TIMES = {"epoch": 5, "epochs": 5, "ep": 4, "iteration": 4, "iterations": 4, "iter": 4, "itr": 4, "step": 3, "steps": 3}
"""Words for the time of a row; of two columns that fit, the one with the greater number."""

RUNS = frozenset(
    {
        "run",
        "runs",
        "seed",
        "seeds",
        "method",
        "methods",
        "dataset",
        "data",
        "model",
        "arch",
        "architecture",
        "config",
        "trial",
        "experiment",
        "exp",
        "name",
        "variant",
        "version",
        "epsilon",
        "eps",
        "optimizer",
        "schedule",
        "id",
    }
)

ACCURACY_WORDS = frozenset(
    {
        "acc",
        "accs",
        "accuracy",
        "accuracies",
        "top1",
        "prec1",
        "precision",
        "err",
        "error",
        "errors",
        "correct",
        "rob",
        "ra",
    }
)
ERROR_WORDS = frozenset({"err", "error", "errors"})
OTHER_WORDS = frozenset(
    {
        "loss",
        "losses",
        "time",
        "seconds",
        "sec",
        "lr",
        "low",
        "high",
        "lower",
        "upper",
        "stderr",
        "norm",
        "hash",
        "best",
        "grad",
        "gradient",
        "cos",
        "steps",
        "memory",
        "gap",
        "drop",
        "interval",
    }
)
DEVIATION_WORDS = frozenset({"std", "sd", "stdev", "var", "sem"})
"""Words for the scatter of a mean that stands beside it."""

AVERAGED = frozenset({"wa", "ema", "swa", "avg", "averaged", "teacher"})
"""Words for the accuracies of averaged weights: they are taken only where there are no others, or when named."""

WORST_HELD_OUT = 10
"""What a name of held-out accuracy is better than any of training accuracy, at least."""

AT_THE_END = frozenset({"evaluation", "final"})
"""Words for measurements of the finished network, of which a log has no course."""

TRAIN = frozenset({"train", "training", "tr"})
HELD_OUT = frozenset({"test", "val", "valid", "validation", "eval", "held", "heldout"})


def words_of(name: str) -> list[str]:
    """The words of a column's name, in lower case; a number stays with the letters before it.

    >>> words_of("testRobustAcc/PGD-10 (%)")
    ['test', 'robust', 'acc', 'pgd', '10']
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word.lower() for word in re.findall(r"[A-Za-z]+[0-9]*|[0-9]+", apart)]


def words_by_name(names: Sequence[str]) -> dict[str, list[str]]:
    """The words of each name, without those with which all accuracies begin: the run, as in `fgsm_rs_pgd_acc`."""
    # wandb exports the least and the greatest of every column
    words = {name: [] if name.upper().endswith(("__MIN", "__MAX")) else words_of(name) for name in names}
    means = [[word for word in own if word != "mean"] for own in words.values() if "mean" in own]
    for name, own in words.items():
        rest = [word for word in own if word not in DEVIATION_WORDS]
        if own != rest and rest in means:
            words[name] = []
    accuracies = [name for name in names if any(fit(part, words[name]) for part in ACCURACIES)]
    together = zip(*(words[name] for name in accuracies), strict=False)
    common = sum(1 for _ in itertools.takewhile(lambda at: len(set(at)) == 1, together)) if len(accuracies) > 1 else 0
    shorter = {name: words[name][common:] for name in accuracies}
    if any(attack_in(one) > 0 for one in shorter.values()) and all(shorter.values()):
        words |= {name: one or words[name] for name, one in shorter.items()}
    return words


def fit(part: str, words: Sequence[str]) -> int:
    """How well a name of some words fits a part; 0 for not at all."""
    said = set(words)
    attack, accuracy = attack_in(words), bool(said & ACCURACY_WORDS)
    if part == "time":
        other = accuracy or attack or said & (OTHER_WORDS - {"steps"})
        return 0 if other else max((TIMES[word] for word in words if word in TIMES), default=0)
    if part == "loss":
        return (2 if said & TRAIN else 1) if "loss" in said and not said & HELD_OUT else 0
    if said & OTHER_WORDS or counts_successes(words) or (attack and "std" in said):
        return 0
    if part == "train":
        return (3 if attack else 2) if said & TRAIN and accuracy and not said & (AVERAGED | ERROR_WORDS) else 0
    return _fit_accuracy(part, said, attack, accuracy)


def _fit_accuracy(part: str, said: set[str], attack: int, accuracy: bool) -> int:
    """How well the words of a name fit an accuracy; training accuracy does only where there is nothing else."""
    found = {"pgd": 10 * attack if attack > 0 else 0, "fgsm": 30 * (attack == -1), "clean": 0}[part]
    if part == "clean" and not attack:
        found = 30 if said & {"clean", "nat", "natural", "benign"} else 20 if accuracy else 10 * ("sa" in said)
        found += 5 * bool(said & {"std", "standard"} and accuracy)
    if not found:
        return 0
    if said & TRAIN:
        return max(found // 10, 1)
    found -= 5 * bool(said & {"top5", "acc5", "prec5"})
    return found + WORST_HELD_OUT + 2 * bool(said & HELD_OUT) - 8 * bool(said & AVERAGED) - bool(said & AT_THE_END)


def counts_successes(words: Sequence[str]) -> bool:
    """Whether a name is of how often an attack succeeds: of all points, or of those right before, nobody can see."""
    said = set(words)
    rate = said & {"success", "fooling", "fooled"} and said & {"rate", "attack"} and not said & {"defense", "defence"}
    return "asr" in said or bool(rate)


def attack_in(words: Sequence[str]) -> int:
    """3 for PGD, 2 for other strong attacks, 1 for robustness without a name, -1 for FGSM, 0 for no attack."""
    said = set(words)
    if any(word.startswith("pgd") for word in words):
        return 3
    if any(word.startswith("fgsm") for word in words):
        return -1
    if any(re.fullmatch(r"(apgd|autoattack|aa|auto|cw|mifgsm|bim)\d*", word) for word in words):
        return 2
    return int(bool(said & {"robust", "robustness", "rob", "ra", "adv", "adversarial", "attack", "attacked"}))
