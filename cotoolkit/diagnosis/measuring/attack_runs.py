"""The attacks of a diagnosis: which one runs on which points, and the record that each leaves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cotoolkit.attacks.margin import margin_attack, margin_card
from cotoolkit.attacks.square import square_attack
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.seeding import generator
from cotoolkit.data.points import Points
from cotoolkit.diagnosis.budget import Budget
from cotoolkit.diagnosis.evidence.convergence import pgd_until_converged
from cotoolkit.diagnosis.evidence.records import Convergence
from cotoolkit.diagnosis.measurements import AttackAccuracy, Family
from cotoolkit.diagnosis.measuring.fgsm_segment import FgsmSweep
from cotoolkit.diagnosis.measuring.statistics import rate_of
from cotoolkit.evaluation.protocol import Protocol, named_protocol, run_protocol

Progress = Callable[[str, int, int], None]
"""Called with what is measured now, how many parts are done, and how many there are."""


class AttackRun(NamedTuple):
    """An attack that has run.

    Attributes:
        record: what the diagnosis writes down.
        held: (N,) bool, which points it did not fool.
    """

    record: AttackAccuracy
    held: Tensor


class AttackRuns(NamedTuple):
    """All attacks on one network but the last ones, by the fields of `Measurements` that their records fill."""

    clean: AttackRun
    fgsm: list[AttackRun]
    pgd: AttackRun
    few_clean: AttackRun
    pgd_steps: list[AttackRun]
    pgd_radii: list[AttackRun]
    unbounded: AttackRun
    strong: list[AttackRun]
    convergence: Convergence
    converged: Tensor

    @property
    def held(self) -> Tensor:
        """(N,) bool, which of the few points none of `strong` and no step of `convergence` fooled."""
        return torch.stack([self.converged, *(run.held for run in self.strong)]).all(0)


class Session:
    """What all measurements of one network share.

    Attributes:
        model: logits out, on the device of the points.
        strong_model: what the strong attacks are run on: the same, or the average of a random one.
        threat: linf.
        seed: of every random number.
        batch_size: points that go through the network together.
        cards: protocol cards of the attacks so far, by their hash.
    """

    def __init__(
        self,
        model: nn.Module,
        threat: ThreatModel,
        seed: int,
        batch_size: int,
        stages: int,
        progress: Progress | None,
    ) -> None:
        self.model, self.threat, self.seed, self.batch_size = model, threat, seed, batch_size
        self.strong_model = model
        self.cards: dict[str, dict[str, Any]] = {}
        self._stages, self._done, self._progress = stages, 0, progress

    def begin(self, what: str) -> None:
        """Tell progress what is measured from now on."""
        if self._progress is not None:
            self._progress(what, self._done, self._stages)
        self._done += 1

    def end(self) -> None:
        """Tell progress that all is done."""
        if self._progress is not None:
            self._progress("done", self._stages, self._stages)

    def pgd(
        self,
        points: Points,
        protocol: Protocol,
        *,
        threat: ThreatModel | None = None,
        name: str | None = None,
        model: nn.Module | None = None,
    ) -> AttackRun:
        """Run PGD and write it down.

        Args:
            points: to attack.
            protocol: steps, restarts and their size.
            threat: other than the session's.
            name: other than `pgd-STEPS`.
            model: other than the session's.

        Returns:
            Its record, and the points it did not fool.
        """
        ball = self.threat if threat is None else threat
        images, labels, _ = points
        found = run_protocol(
            model or self.model, images, labels, ball, protocol, seed=self.seed, batch_size=self.batch_size
        )
        return self.by_protocol(name or f"pgd-{protocol.steps}", "multi-step", protocol, ball, found.correct)

    def by_protocol(
        self, name: str, family: Family, protocol: Protocol, threat: ThreatModel, held: Tensor
    ) -> AttackRun:
        """Write down an attack that an evaluation protocol defines.

        Args:
            name: of the attack, as in tables.
            family: how it works.
            protocol: that defined it.
            threat: ball and box.
            held: (N,) bool, which points it did not fool.

        Returns:
            The record, with these points.
        """
        epsilon = threat.epsilon if protocol.steps else 0.0
        return self._run(name, family, epsilon, protocol.steps, protocol.restarts, protocol.card(threat), held)

    def by_card(
        self, name: str, family: Family, steps: int, card: dict[str, Any], held: Tensor, *, restarts: int = 1
    ) -> AttackRun:
        """Write down an attack within the session's threat that has a card of its own.

        Args:
            name: of the attack, as in tables.
            family: how it works.
            steps: gradient steps, or queries.
            card: what defines it, without the threat and the hash.
            held: (N,) bool, which points it did not fool.
            restarts: independent runs.

        Returns:
            The record, with these points.
        """
        card = {**card, "threat": str(self.threat), "robust_if": "no step of no restart fooled it"}
        card["hash"] = hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()[:12]
        return self._run(name, family, self.threat.epsilon, steps, restarts, card, held)

    def _run(
        self, name: str, family: Family, epsilon: float, steps: int, restarts: int, card: dict[str, Any], held: Tensor
    ) -> AttackRun:
        self.cards[card["hash"]] = card
        record = AttackAccuracy(
            name=name, family=family, epsilon=epsilon, steps=steps, restarts=restarts, accuracy=rate_of(held),
            card=card["hash"],
        )  # fmt: skip
        return AttackRun(record, held)


def run_attacks(
    session: Session, points: Points, few: Points, sweeps: tuple[FgsmSweep, FgsmSweep], budget: Budget
) -> AttackRuns:
    """Run every attack, the cheap ones on all points and the dear ones on the few.

    Args:
        session: of the network.
        points: all of them.
        few: those for the strong attacks.
        sweeps: FGSM at the budget's radii, on all points and on the few.
        budget: how much to spend.

    Returns:
        The records, and which points withstood each attack.
    """
    threat, (on_all, on_few) = session.threat, sweeps
    no_attack, one_step = named_protocol("clean"), named_protocol("fgsm")
    clean = session.by_protocol("clean", "clean", no_attack, threat, on_all.clean)
    fgsm = [
        session.by_protocol("fgsm", "single-step", one_step, threat.scaled(multiple), correct)
        for multiple, correct in zip(budget.fgsm_radii, on_all.correct, strict=True)
    ]

    session.begin("PGD on all points")
    pgd = session.pgd(points, Protocol(steps=budget.steps))

    session.begin("PGD with growing numbers of steps")
    pgd_steps = [
        session.pgd(few, Protocol(steps=steps, step_size=max(0.25, min(1.25, 2.5 / steps)), last_only=True))
        for steps in budget.step_grid
    ]

    session.begin("PGD at growing radii")
    pgd_radii = [
        session.pgd(few, Protocol(steps=budget.radius_steps), threat=threat.scaled(multiple))
        for multiple in budget.pgd_radii
    ]

    session.begin("PGD without a radius")
    unbounded = session.pgd(few, Protocol(steps=20, step_size=0.1, random_start=False), threat=threat.resized(1))

    return AttackRuns(
        clean=clean,
        fgsm=fgsm,
        pgd=pgd,
        few_clean=session.by_protocol("clean", "clean", no_attack, threat, on_few.clean),
        pgd_steps=pgd_steps,
        pgd_radii=pgd_radii,
        unbounded=unbounded,
        strong=_strong_attacks(session, few, budget),
        **_until_converged(session, few, budget),
    )


def _until_converged(session: Session, few: Points, budget: Budget) -> dict[str, Any]:
    session.begin("PGD until it has converged")
    images, labels, _ = few
    found, held = pgd_until_converged(
        session.strong_model, images, labels, session.threat,
        first=max(budget.steps, 2), most=budget.most_steps, seed=session.seed, batch_size=session.batch_size,
    )  # fmt: skip
    return {"convergence": found, "converged": held}


def _strong_attacks(session: Session, few: Points, budget: Budget) -> list[AttackRun]:
    """The strongest PGD and three attacks that check it."""
    model, threat, (images, labels, _) = session.strong_model, session.threat, few
    session.begin("PGD with restarts")
    protocol = Protocol(steps=budget.strong_steps, restarts=budget.restarts)
    runs = [session.pgd(few, protocol, name=f"pgd-{budget.strong_steps}-{budget.restarts}", model=model)]

    margin_attacks: tuple[tuple[str, Family, int, int], ...] = (
        ("PGD on the margin", "margin", budget.margin_steps, 0),
        ("PGD on the margin, smoothed", "smoothed", budget.smoothed_steps, budget.smoothed_draws),
    )
    for position, (title, family, steps, draws) in enumerate(margin_attacks):
        session.begin(title)
        source = generator(session.seed, "diagnosis", 10 + position)
        held = margin_attack(
            model, images, labels, threat,
            steps=steps, draws=draws, generator=source, batch_size=session.batch_size,
        )  # fmt: skip
        runs.append(session.by_card(f"{family}-{steps}", family, steps, margin_card(steps, draws), held))

    session.begin("the Square attack")
    source = generator(session.seed, "diagnosis", 12)
    held = square_attack(model, images, labels, threat, queries=budget.queries, generator=source)
    card = {"attack": "square", "queries": budget.queries, "restarts": 1}
    runs.append(session.by_card(f"square-{budget.queries}", "black-box", budget.queries, card, held))
    return runs
