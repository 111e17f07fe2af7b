"""Local-ball training (LBT), reconstructed: robustness around the adversary, from "Improving Local Effectiveness".

The paper's abstract says that robustness is improved in a local ball centred at an adversary, and that a global term
joins the balls. Its formulas, radius and coefficients were not found. What is here is a family of losses that does what
the abstract says, with every choice a field; it can support or weaken the idea, never reproduce or refute a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

import torch
from annotated_types import Ge
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.gradient import input_gradient
from cotoolkit.core.numbers import NonNegative, Share, Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._settings.linf_only import require_linf
from cotoolkit.methods._terms.ball import local_ball
from cotoolkit.methods._terms.divergence import kl_divergence
from cotoolkit.methods._terms.local_terms import SECOND_ORDER, Integrand, LocalSample, local_term, loss_gradients
from cotoolkit.methods.around_method import AroundMethod
from cotoolkit.methods.base import METHODS, Cost, Family, InnerField, RunSettings
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.fgsm import FGSM
from cotoolkit.methods.lp_fgsm import LpFGSM
from cotoolkit.methods.n_fgsm import NFGSM
from cotoolkit.methods.passes import AdversarialPass, StepRecord, Update
from cotoolkit.models.modes import BatchNormMode, attack_mode

Centre = Literal["adversary", "clean", "random_corner"]
"""What the ball is centred at; the last two are the controls of the idea."""


@METHODS.register("local_ball", "LBT")
@dataclass(frozen=True, config=STRICT)
class LocalBall(AroundMethod):
    """Training on adversaries x' and, around each, on a ball of radius rho * epsilon (reconstructed, see the module).

        preset M:  l(f(x'), y) + w R(c)
        preset T:  l(f(x), y) + lambda_global KL(p(x) || p(x')) + w R(c)
        w = lambda_local * min(1, progress / ramp);  R(c) = mean over the batch of the integrand at u in the ball of c

    u starts uniformly in the ball and takes `steps` sign steps up the integrand, of rho epsilon if there is one and of
    half as much if there are more; then it is a constant. With `kl` and `squared` a start at the centre would have no
    gradient at all, so the start is random for every integrand. With lambda_local = 0 preset M is its inner attack's
    own training, bit for bit.

    The record's losses and logits are at x'. `update_gradient` is the input gradient of the whole training loss at x',
    divided by 1/B in preset M and by lambda_global/B in preset T (nan where that is 0). The measures say what the loss
    is made of, before any weight; nan where there is no such part: `base`; `global_term`, the KL of preset T;
    `local_start`, R at the random start (0 there: the regulariser is silently absent); `local`, R at u; `local_reach`,
    the mean of |u - c| / (rho epsilon) in max norm. With inner steps `local_start` is taken as the attack sees the
    network.

    Left out of the spec's family: several adversaries per sample (J > 1) and the term between them (G3), and the local
    term on a part of the batch.

    >>> LocalBall(lambda_local=0).cost_per_step() == FGSM().cost_per_step(), LocalBall().cost_per_step()
    (True, Cost(forward=5, backward=4, double_backward=0))

    Args:
        inner: the attack that makes x'.
        preset: "M" or "T", see above.
        integrand: see `Integrand`; "alignment" takes no steps.
        rho: radius of the ball in units of epsilon. At 2, clipped, a corner's ball is the whole threat set.
        clipped: keep the ball inside the threat set. N-FGSM leaves that set, and so does lp-FGSM from its
            released start: over them take `clipped=False`.
        steps: inner sign steps m; 0 leaves u at its random start.
        lambda_local: weight of R; 0 spends no pass on it.
        lambda_global: weight of preset T's KL; preset M has no such term.
        ramp: share of training over which the weight of R grows from 0; 0 gives it its full weight at once.
        centre: c, see `Centre`.
        detach_reference: no gradient through the first argument of KL and its likes.
        batch_norm: all points of the update in one forward pass ("together"), or one after the other ("apart"), in the
            order x', x, c, u.
        bn_mode: BatchNorm in the inner steps, see `models.modes.BatchNormMode`; the inner attack has its own.
    """

    inner: InnerField = FGSM()
    preset: Literal["M", "T"] = "M"
    integrand: Integrand = "kl"
    rho: NonNegative = 0.5
    clipped: bool = True
    steps: Annotated[Whole, Ge(0)] = 1
    lambda_local: NonNegative = 1.0
    lambda_global: NonNegative = 6.0
    ramp: Share = 0.2
    centre: Centre = "adversary"
    detach_reference: bool = False
    batch_norm: Literal["together", "apart"] = "together"
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=5, backward=4)
    source: ClassVar[str] = "reconstructed from the abstract of Lu & Kumar, arXiv 2110.14030"
    family: ClassVar[Family] = "regulariser"
    formula: ClassVar[str] = (
        "δ of the inner attack;  CE(x + δ) + λ R, R the worst of an integrand in a ball of ρ ε around x + δ"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "inner": "ours: reconstructed from the abstract",
        "preset": "ours: reconstructed from the abstract",
        "integrand": "ours: reconstructed from the abstract",
        "rho": "ours: reconstructed from the abstract",
        "clipped": "ours: reconstructed from the abstract",
        "steps": "ours: reconstructed from the abstract",
        "lambda_local": "ours: reconstructed from the abstract",
        "ramp": "ours: reconstructed from the abstract",
        "centre": "ours: reconstructed from the abstract",
        "detach_reference": "ours: reconstructed from the abstract",
        "batch_norm": "ours: reconstructed from the abstract",
        "lambda_global": "TRADES' 6",
        "bn_mode": "ours: attack and update see the same function; released code differs by method",
    }

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.integrand == "alignment" and self.steps > 0:
            raise ValueError("the integrand alignment takes a random point; set steps=0")
        leaves = isinstance(self.inner, NFGSM) or (isinstance(self.inner, LpFGSM) and self.inner.start == "released")
        if self.clipped and self.lambda_local > 0 and leaves:
            raise ValueError(
                f"{self.inner.name} leaves the threat set, so its ball cannot be clipped to it; set clipped=False"
            )
        return self

    @override
    def check_config(self, config: RunSettings) -> None:
        if self._local:  # without the local term there is no ball
            require_linf(config.threat, self.name, "its balls are bounds of each pixel")
        super().check_config(config)

    @override
    def cost_per_step(self) -> Cost:
        inner, points = self.inner.cost_per_step(), self._points_in_update
        together = self.batch_norm == "together"
        forward, backward, doubly = inner.forward - 1 + points, inner.backward - 1 + points, 0
        if self._centre_alone and self.detach_reference and not together:
            backward -= 1
        if self._local and self.integrand in SECOND_ORDER:
            taken = 1 if self.integrand == "linearity" else 2
            backward += points if together else taken
            doubly = taken - self.detach_reference
            doubly = points if together and doubly else doubly
        if self._local and self.steps:
            again = self._uses_centre and not self._shares
            forward += self.steps + again
            backward += self.steps + (again and self.integrand in SECOND_ORDER)
        return Cost(forward, backward, doubly)

    @property
    def _local(self) -> bool:
        return self.lambda_local > 0

    @property
    def _uses_centre(self) -> bool:
        """Whether the regulariser needs what the network says at the centre."""
        return self._local and self.integrand != "ce"

    @property
    def _centre_alone(self) -> bool:
        """Whether the centre goes through the network for the regulariser's sake only."""
        return self._uses_centre and self.centre not in ("adversary", "clean" if self.preset == "T" else "")

    @property
    def _points_in_update(self) -> int:
        return 1 + (self.preset == "T") + self._centre_alone + self._local

    @property
    def _shares(self) -> bool:
        """Whether the update's pass at the centre serves the inner steps too: where it is the same function."""
        return self.batch_norm == "apart" and self.bn_mode == "train"

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        labels = batch.labels
        attacked = self.inner.attack(model, batch)
        adversary = (batch.images + attacked.delta).detach()
        if batch.trace:
            adversary.requires_grad_()
        points = {"adversary": adversary}
        if self.preset == "T":
            points["clean"] = batch.images
        around = self._centres(batch, adversary)
        if self._uses_centre:
            points[self.centre] = around
        logits, start, centre = {}, None, None
        if self._shares:
            logits = {name: model(images) for name, images in points.items()}
            if self._uses_centre and self.steps:
                centre = self._at_centre(around, logits[self.centre], labels)
        if self._local:
            points["inner"], start = self._search(model, batch, around, centre)
        if self.batch_norm == "together":
            logits = dict(zip(points, model(torch.cat(list(points.values()))).split(len(labels)), strict=True))
        else:
            logits |= {name: model(images) for name, images in points.items() if name not in logits}

        found = AdversarialPass.at(batch, attacked, adversary, logits["adversary"])
        loss, weights, measures = self._joined(logits, found.losses, batch)
        if self._local:
            local = self._local_term(centre, around, points["inner"], logits, labels)
            loss = loss + self.lambda_local * self._ramp(batch.progress) * local
            reach = (points["inner"] - around).detach().flatten(1).abs().amax(1).mean()
            measures["local"] = local.detach()
            measures["local_start"] = local.detach() if start is None else start
            measures["local_reach"] = reach / reach.new_tensor(self.rho * batch.threat.epsilon)  # 0 / 0 is nan
        update(loss)
        if not batch.trace:
            adversary.grad = None  # a term of second order asked for it
        return found.record(weights, measures)

    def _joined(
        self, logits: dict[str, Tensor], losses: Tensor, batch: Batch
    ) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
        """The loss without the local term, each sample's weight in it, and the measures."""
        unknown = losses.detach().new_full((), torch.nan)
        measures = dict.fromkeys(("base", "global_term", "local_start", "local", "local_reach"), unknown)
        if self.preset == "M":
            base = losses.mean()
            return base, None, {**measures, "base": base.detach()}
        base = batch.cross_entropy(logits["clean"]).mean()
        reference = logits["clean"].detach() if self.detach_reference else logits["clean"]
        divergence = kl_divergence(reference, logits["adversary"]).mean()
        weights = losses.detach().new_full((len(losses),), self.lambda_global / len(losses))
        measures |= {"base": base.detach(), "global_term": divergence.detach()}
        return base + self.lambda_global * divergence, weights, measures

    def _ramp(self, progress: float) -> float:
        return 1.0 if progress >= self.ramp else progress / self.ramp

    def _centres(self, batch: Batch, adversary: Tensor) -> Tensor:
        if self.centre == "adversary":
            centres = adversary
        elif self.centre == "clean":
            centres = batch.images.detach()
        else:
            draws = torch.rand(
                batch.images.shape, generator=batch.generator, device=batch.generator.device, dtype=torch.float32
            )
            signs = (draws < 0.5).to(batch.images).mul_(2).sub_(1)
            centres = batch.images + batch.threat.project(batch.images, batch.threat.epsilon * signs)
        return centres.requires_grad_() if self._local and self.integrand in SECOND_ORDER else centres

    def _search(
        self, model: nn.Module, batch: Batch, around: Tensor, centre: LocalSample | None
    ) -> tuple[Tensor, Tensor | None]:
        """The inner point u and the integrand at its random start, the latter None if no steps were taken."""
        threat, radius, labels = batch.threat, self.rho * batch.threat.epsilon, batch.labels
        ball = local_ball(batch.images, around.detach(), radius, threat, clipped=self.clipped)
        point = ball.uniform(batch.generator)
        step, start = radius if self.steps == 1 else radius / 2, None
        with attack_mode(model, self.bn_mode):
            if self._uses_centre and self.steps and centre is None:
                centre = self._reference(model, around, labels)
            for _ in range(self.steps):
                with torch.enable_grad():
                    point.requires_grad_()
                    reference = None if centre is None else centre.detached()
                    value = local_term(self.integrand, reference, LocalSample(point, model(point)), labels)
                    (gradient,) = torch.autograd.grad(value, point)
                start = value.detach() if start is None else start
                point = ball.project(point.detach() + step * gradient.sign())
        return (point.requires_grad_() if self.integrand == "alignment" else point), start

    def _reference(self, model: nn.Module, around: Tensor, labels: Tensor) -> LocalSample:
        """What the network says at the centre, as the inner steps see it."""
        if self.integrand in SECOND_ORDER:
            gradient, logits, _ = input_gradient(model, around, labels)
            return LocalSample(around, logits, gradient)
        with torch.no_grad():
            return LocalSample(around, model(around))

    def _at_centre(self, around: Tensor, logits: Tensor, labels: Tensor) -> LocalSample:
        """What the network says at the centre in the update, with its graph."""
        if self.integrand not in SECOND_ORDER:
            return LocalSample(around, logits)
        create = not self.detach_reference
        return LocalSample(around, logits, *loss_gradients([logits], [around], labels, create_graph=create))

    def _local_term(
        self, centre: LocalSample | None, around: Tensor, inner: Tensor, logits: dict[str, Tensor], labels: Tensor
    ) -> Tensor:
        here = LocalSample(inner, logits["inner"])
        if not self._uses_centre:
            return local_term(self.integrand, None, here, labels)
        if self.integrand == "alignment":
            both = [logits[self.centre], logits["inner"]]
            gradients = loss_gradients(both, [around, inner], labels, create_graph=True)
            centre = LocalSample(around, both[0], gradients[0])
            here = LocalSample(inner, both[1], gradients[1])
        elif centre is None:
            centre = self._at_centre(around, logits[self.centre], labels)
        return local_term(self.integrand, centre.detached() if self.detach_reference else centre, here, labels)
