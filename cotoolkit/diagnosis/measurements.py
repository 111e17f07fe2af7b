"""What is measured: the part of `diagnosis.json` below `measurements`, which docs/diagnosis.md explains field by field.

Values that could not be measured are null; no number is nan or infinite. Shares and accuracies are in [0, 1], radii in
[0, 1] pixel units unless a name says otherwise.
"""

from __future__ import annotations

from typing import Literal

from cotoolkit.diagnosis.evidence.records import Convergence, Optimality
from cotoolkit.diagnosis.shares import Mean, Rate, SchemaPart
from cotoolkit.signals.registry import Direction

Family = Literal["clean", "single-step", "multi-step", "margin", "smoothed", "black-box", "targeted"]
"""How an attack finds its perturbations.

`single-step`: one sign step from the image. `multi-step`: PGD on the cross-entropy. `margin`: PGD on the logit margin,
which rescaled logits cannot silence. `smoothed`: PGD along gradients averaged over noise. `black-box`: from the logits
alone. `targeted`: PGD on the margin to one other class after the other, from long steps to short ones.
"""


class AttackAccuracy(SchemaPart):
    """An accuracy under one attack.

    Attributes:
        name: of the attack, as in tables.
        family: how it works.
        epsilon: its radius.
        steps: gradient steps, or queries of a black-box attack.
        restarts: independent random starts.
        accuracy: share of points it does not fool.
        card: hash of its protocol card, a key of `DiagnosisProtocol.cards`.
    """

    name: str
    family: Family
    epsilon: float
    steps: int
    restarts: int
    accuracy: Rate
    card: str


class Signal(SchemaPart):
    """A per-sample signal on the few points; `mean` is null where no sample says anything."""

    name: str
    mean: Mean | None
    source: str
    at_break: Direction | None


class Segment(SchemaPart):
    """What lies between an image and its FGSM example, and as far again beyond it, all points.

    Attributes:
        fractions: of the FGSM perturbation, from 0 to 2.
        accuracy: share of points classified correctly there.
        median_loss: cross-entropy there, median over points.
        lower_loss: cross-entropy there, lower quartile over points.
        upper_loss: cross-entropy there, upper quartile over points.
        boundary_distortion: of the points correct at 0 and at 1, the share that is wrong between; null if none is.
        distorted: the same number of points, as a share of all.
        abnormal: share of points whose loss is lower at 1 than at 0: the step that should raise it lowers it.
        smallest_fooling_fraction: mean over the points correct at 0; null if none is.
    """

    fractions: tuple[float, ...]
    accuracy: tuple[float, ...]
    median_loss: tuple[float | None, ...]
    lower_loss: tuple[float | None, ...]
    upper_loss: tuple[float | None, ...]
    boundary_distortion: Rate | None
    distorted: Rate
    abnormal: Rate
    smallest_fooling_fraction: Mean | None


class Surface(SchemaPart):
    """The loss on a plane through the images: along the FGSM perturbation, and along random signs of equal size.

    Attributes:
        along: fractions of the FGSM perturbation.
        across: fractions of the random perturbation.
        loss: median cross-entropy over points, a row per `across`, a column per `along`.
        accuracy: share of points classified correctly, a row per `across`, a column per `along`.
        points: images behind each value.
    """

    along: tuple[float, ...]
    across: tuple[float, ...]
    loss: tuple[tuple[float | None, ...], ...]
    accuracy: tuple[tuple[float, ...], ...]
    points: int


class PerturbationSpectrum(SchemaPart):
    """Shares of energy by frequency shell of the DCT, of perturbations at epsilon; null where all are zero.

    Attributes:
        fgsm: of the FGSM perturbation, by shell, from the lowest frequency.
        pgd: of the PGD perturbation, by shell.
        noise: what random signs would have, by shell.
    """

    fgsm: tuple[float, ...] | None
    pgd: tuple[float, ...] | None
    noise: tuple[float, ...]


class AccuracyRegain(SchemaPart):
    """The largest rise of accuracy from a weaker to a stronger attack of one sweep; both 0 where it only falls.

    Attributes:
        weak: strength (multiples of epsilon, or steps) at which accuracy is lowest.
        strong: the greater strength at which it is higher again.
        accuracy: at `strong`.
        rise: difference of the two accuracies, in [0, 1].
        low: lower end of the interval of `rise`, from the 95 % intervals of the shares that only one of the two fools.
        high: upper end of that interval.
        p_value: of a sign test on the points that only one of the two fools, one-sided.
    """

    weak: float
    strong: float
    accuracy: float
    rise: float
    low: float
    high: float
    p_value: float


class AttackComparison(SchemaPart):
    """Two attacks on the same points.

    Attributes:
        challenger: an attack that needs no exact gradient of the cross-entropy.
        champion: the white-box attack.
        only_challenger: points that the challenger alone fools.
        only_champion: points that the champion alone fools.
        unfooled: points that the champion does not fool.
        p_value: of a sign test that the challenger is the stronger, one-sided.
    """

    challenger: str
    champion: str
    only_challenger: int
    only_champion: int
    unfooled: int
    p_value: float


class Masking(SchemaPart):
    """Checks of the outputs and the gradients themselves.

    Attributes:
        logit_spread: largest distance between repeated outputs, each scaled to length 1.
        zero_gradients: of the correctly classified points, the share whose gradient is zero, but for entries that are
            nan; null if none is correct.
        broken_outputs: share of outputs with a value that is not finite.
        median_gradient: median l2 length of the input gradient, its entries that are nan taken for zero.
        nan_gradients: of the correctly classified points, the share whose gradient has entries that are nan; null if
            none is correct, or where an earlier version did not look.
    """

    logit_spread: float
    zero_gradients: Rate | None
    broken_outputs: float
    median_gradient: float | None
    nan_gradients: Rate | None = None


class ClassRow(SchemaPart):
    """Accuracies of the points of one class."""

    label: int
    points: int
    clean: Rate
    fgsm: Rate
    pgd: Rate


class AutoAttackResult(SchemaPart):
    """A second opinion: AutoAttack, from the package pyautoattack, on the points that all our attacks left.

    Attributes:
        version: of the attack: standard, rand for randomised outputs, or custom where there are under 4 classes.
        package: version of pyautoattack.
        attacks: in their order.
        tried: points that it was given.
        accuracy: share of the few points that neither it nor any attack of ours fools.
        seconds: it took.
    """

    version: str
    package: str
    attacks: tuple[str, ...]
    tried: int
    accuracy: Rate
    seconds: float


class Measurements(SchemaPart):
    """Everything measured; the verdict is a function of it.

    Attributes:
        classes: number of classes.
        clean: accuracy on all points.
        renamed: the same if each output stood for the class that fits best: the renaming is found on every second
            point and scored on the others; null for one point.
        fgsm: FGSM at growing radii, all points.
        pgd: PGD at epsilon, all points.
        few_clean: clean accuracy on the few points.
        pgd_steps: PGD with growing numbers of steps at epsilon, last iterate alone, few points.
        pgd_radii: PGD at growing radii, few points.
        strong: the strongest PGD and the attacks that check it, each on all few points.
        convergence: PGD at epsilon until it has converged, few points.
        last: attacks on the points that all before them left, in their order; `accuracy` is the share of the few points
            that withstands each and all before it.
        late: share of the few points that fell in the later half of the targeted attack.
        worst: share of the few points that no attack of ours fools.
        unbounded: PGD that may change every pixel to any value, few points.
        radius_rise: of `fgsm`.
        step_rise: of `pgd_steps`.
        duels: every attack of `strong` against the first.
        optimality: of FGSM and of PGD over the radii, few points.
        signals: per-sample signals on the few points, the dear ones on some of them.
        segment: between the images and their FGSM examples, all points.
        surface: the loss around the images.
        spectrum: of the perturbations.
        masking: checks of outputs and gradients.
        per_class: a row per class that has points.
        autoattack: null where it did not run.
    """

    classes: int
    clean: AttackAccuracy
    renamed: Rate | None
    fgsm: tuple[AttackAccuracy, ...]
    pgd: AttackAccuracy
    few_clean: AttackAccuracy
    pgd_steps: tuple[AttackAccuracy, ...]
    pgd_radii: tuple[AttackAccuracy, ...]
    strong: tuple[AttackAccuracy, ...]
    convergence: Convergence
    last: tuple[AttackAccuracy, ...]
    late: Rate
    worst: Rate
    unbounded: AttackAccuracy
    radius_rise: AccuracyRegain
    step_rise: AccuracyRegain
    duels: tuple[AttackComparison, ...]
    optimality: Optimality
    signals: tuple[Signal, ...]
    segment: Segment
    surface: Surface
    spectrum: PerturbationSpectrum
    masking: Masking
    per_class: tuple[ClassRow, ...]
    autoattack: AutoAttackResult | None

    @property
    def hardest(self) -> Rate:
        """Share of the few points that nothing fools, AutoAttack included where it ran."""
        return self.worst if self.autoattack is None else self.autoattack.accuracy

    def fgsm_at(self, multiple: float, epsilon: float) -> AttackAccuracy:
        """FGSM at the radius of the sweep nearest to a multiple of epsilon.

        Args:
            multiple: of epsilon.
            epsilon: in [0, 1] pixel units.

        Returns:
            The attack with its accuracy.
        """
        return min(self.fgsm, key=lambda attack: abs(attack.epsilon - multiple * epsilon))

    def signal(self, name: str) -> Signal:
        """The signal of that name."""
        return next(signal for signal in self.signals if signal.name == name)
