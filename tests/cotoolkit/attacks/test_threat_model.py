import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.studies.study import Study

TOLERANCE = 1e-6

threats = st.builds(
    ThreatModel,
    st.floats(0, 1),
    st.sampled_from(["linf", "l2"]),
    st.sampled_from(["box_then_eps", "eps_then_box", "none"]),
)


def length(delta: torch.Tensor, norm: str) -> torch.Tensor:
    flat = delta.flatten(1)
    return flat.abs().amax(1) if norm == "linf" else flat.norm(dim=1)


@settings(max_examples=150, deadline=None)
@given(threats, st.integers(0, 10**6), st.booleans())
def test_projection_stays_in_ball_and_box_and_is_idempotent(threat, seed, inside):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(5, 2, 3, 4, generator=generator)
    if not inside:
        images = images * 3 - 1
    delta = threat.project(images, 3 * torch.randn(images.shape, generator=generator))
    sound = inside or threat.box != "eps_then_box"
    if sound:
        assert (length(delta, threat.norm) <= threat.epsilon * (1 + TOLERANCE) + TOLERANCE).all()
    if inside and threat.box != "none":
        assert (images + delta).min() >= -TOLERANCE
        assert (images + delta).max() <= 1 + TOLERANCE
    if inside or threat.norm == "linf" or threat.box == "none":
        torch.testing.assert_close(threat.project(images, delta), delta, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        # A pixel at 1 + 8/255, epsilon 2/255: the box clamp pulls it in by 8/255 (spec 1.4).
        ("eps_then_box", -8 / 255),
        ("box_then_eps", -2 / 255),
        ("none", 2 / 255),
    ],
)
def test_order_of_the_clamps_on_data_outside_the_box(box, expected):
    images = torch.full((1, 1, 1, 1), 1 + 8 / 255)
    delta = ThreatModel("2/255", box=box).project(images, torch.full_like(images, 2 / 255))
    assert delta.item() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("beyond", [0.0, 0.2])
def test_the_order_of_the_clamps_does_not_matter_in_linf_up_to_epsilon_beyond_the_box(beyond):
    draws = torch.Generator().manual_seed(0)
    images = torch.rand(50, 1, 4, 4, generator=draws) * (1 + 2 * beyond) - beyond
    delta = torch.randn(50, 1, 4, 4, generator=draws)
    sound, released = (ThreatModel(0.2, box=box).project(images, delta) for box in ("box_then_eps", "eps_then_box"))
    torch.testing.assert_close(sound, released, atol=TOLERANCE, rtol=0)


def test_the_order_of_the_clamps_matters_in_l2_inside_the_box():
    images = torch.tensor([[[[1.0, 0.5]]]])
    delta = torch.tensor([[[[3.0, 4.0]]]]) / 10  # the box allows (0, 0.4), the ball of 0.25 (0.15, 0.2)
    found = [ThreatModel(0.25, "l2", box).project(images, delta).flatten() for box in ("box_then_eps", "eps_then_box")]
    torch.testing.assert_close(found, [torch.tensor([0.0, 0.25]), torch.tensor([0.0, 0.2])])


def test_l2_projection_by_hand():
    delta = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]]).view(3, 1, 1, 2)
    projected = ThreatModel(1.0, "l2", "none").project(torch.zeros_like(delta), delta)
    torch.testing.assert_close(projected.view(3, 2), torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


def test_l2_start_is_uniform_in_the_ball():
    # P(radius <= r) = r^d: in d = 2, half of the points lie within 0.7071 of the centre.
    images = torch.zeros(20000, 1, 1, 2)
    start = ThreatModel(1.0, "l2", "none").random_start(images, torch.Generator().manual_seed(0))
    radius = start.flatten(1).norm(dim=1)
    assert radius.max() <= 1 + TOLERANCE
    assert (radius <= 0.5**0.5).float().mean().item() == pytest.approx(0.5, abs=0.015)


def test_linf_start_is_uniform_and_repeatable():
    images = torch.full((1000, 1, 2, 2), 0.5)
    threat = ThreatModel(0.1)
    start = threat.random_start(images, torch.Generator().manual_seed(3))
    assert start.abs().max() <= 0.1
    assert start.std().item() == pytest.approx(0.2 / 12**0.5, rel=0.03)
    assert torch.equal(start, threat.random_start(images, torch.Generator().manual_seed(3)))


def test_steepest_directions():
    gradient = torch.tensor([[3.0, -4.0], [0.0, 0.0]]).view(2, 1, 1, 2)
    assert ThreatModel(1, "linf").steepest(gradient).view(2, 2).tolist() == [[1, -1], [0, 0]]
    torch.testing.assert_close(
        ThreatModel(1, "l2").steepest(gradient).view(2, 2), torch.tensor([[0.6, -0.8], [0.0, 0.0]])
    )


def test_steepest_directions_of_tiny_gradients_have_length_one():
    gradient = torch.tensor([[3e-24, -4e-24]]).view(1, 1, 1, 2)
    torch.testing.assert_close(ThreatModel(1, "l2").steepest(gradient).flatten(), torch.tensor([0.6, -0.8]))


KINDS = {
    "text": "8/255",
    "spaces": " 8 / 255 ",
    "decimal-text": "0.03137255",
    "float": 8 / 255,
    "fraction": Fraction(8, 255),
    "decimal": Decimal(8) / Decimal(255),
    "float64": np.float64(8 / 255),
    "float32": np.float32(8 / 255),
    "numpy": np.array(8 / 255),
    "numpy-float32": np.array(8 / 255, dtype=np.float32),
    "torch": torch.tensor(8 / 255),
    "torch-float64": torch.tensor(8 / 255, dtype=torch.float64),
    "gradient": torch.tensor(8 / 255, requires_grad=True),
}
ENTRANCES = {
    "threat": lambda epsilon: ThreatModel(epsilon).epsilon,
    "attack": lambda epsilon: ThreatModel.from_user(epsilon).epsilon,
    "run": lambda epsilon: RunConfig(epsilon=epsilon).epsilon,
    "parsed": lambda epsilon: RunConfig.parse({"epsilon": epsilon}).epsilon,
    "study": lambda epsilon: Study(name="a", grids=({"epsilon": (epsilon, 8 / 255)},)).runs()[0].epsilon,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_a_radius_of_any_kind_is_one_number(entrance, kind):
    found = ENTRANCES[entrance](KINDS[kind])
    assert found == 8 / 255
    assert type(found) is float


BAD = {
    "none": (None, "number"),
    "bool": (True, "not a number: True"),
    "numpy-bool": (np.True_, "not a number"),
    "list": ([8 / 255], "not a number"),
    "one-element": (np.array([8 / 255]), "not a number"),
    "one-element-tensor": (torch.tensor([8 / 255]), "not a number"),
    "complex": (1j, "not a number"),
    "text": ("eight", "not a number: 'eight'; write 0.03 or 8/255"),
    "empty": ("", "not a number"),
    "nan": (float("nan"), "not a finite number"),
    "infinite": (float("inf"), "not a finite number"),
    "infinite-float32": (np.float32("inf"), "not a finite number"),
    "negative": (-8 / 255, "greater than or equal to 0"),
    "levels": (8, "epsilon is 8; give a share of the pixel range, at most 1, such as 8/255"),
    "levels-text": ("16", "such as 16/255"),
    "levels-float": (np.float32(8), "such as 8/255"),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("entrance", ["threat", "attack", "run", "parsed"])
def test_what_is_no_radius_is_one_line(entrance, bad):
    epsilon, message = BAD[bad]
    with pytest.raises(ConfigError, match="epsilon") as caught:
        ENTRANCES[entrance](epsilon)
    assert "\n" not in str(caught.value)
    assert message in str(caught.value) or (entrance == "attack" and bad == "negative")


def test_nothing_may_be_trained_on_but_not_attacked_with():
    assert ThreatModel(0).epsilon == RunConfig(epsilon="0").epsilon == 0
    with pytest.raises(ConfigError, match="epsilon is 0; give a share of the pixel range above 0"):
        ThreatModel.from_user(0)


def test_only_what_is_given_is_held_to_the_range_of_images():
    assert ThreatModel("1/4", "l2").scaled(8) == ThreatModel(2, "l2")
    wide = ThreatModel(0.5, box="none").scaled(4)
    assert wide.epsilon == 2
    assert wide.project(torch.zeros(1, 1, 1, 2), torch.tensor([3.0, -1.5]).view(1, 1, 1, 2)).flatten().tolist() == [
        2,
        -1.5,
    ]
    assert pickle.loads(pickle.dumps(wide)) == wide
    for epsilon in (-1, float("nan")):
        with pytest.raises(ConfigError, match="a radius is 0 or more"):
            wide.resized(epsilon)


def test_other_fields_are_one_line_too():
    for make in (lambda: ThreatModel(0.1, "l3"), lambda: ThreatModel(0.1, epsilonn=3), ThreatModel):
        with pytest.raises(ConfigError, match=r"^ThreatModel: ") as caught:
            make()
        assert "\n" not in str(caught.value)


def test_says_what_it_is():
    assert str(ThreatModel("8/255").scaled(0.5)) == "linf 4/255, box_then_eps"


def test_an_entry_that_is_not_a_number_does_not_spoil_the_direction():
    gradient = torch.tensor([3.0, torch.nan, 4.0, 0.0]).view(1, 1, 2, 2)
    l2, linf = (ThreatModel(0.5, norm).steepest(gradient).flatten() for norm in ("l2", "linf"))
    assert l2.tolist() == pytest.approx([0.6, 0.0, 0.8, 0.0])
    assert linf.tolist() == [1, 0, 1, 0]
