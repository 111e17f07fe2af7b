import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from cotoolkit.data.subsets import random_subset, remaining, stratified


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.data())
def test_every_class_keeps_its_share_to_within_one_image(values, data):
    labels = torch.tensor(values)
    size = data.draw(st.integers(0, len(values)))
    picked = stratified(labels, size, draws())
    assert len(picked) == size
    assert picked.tolist() == sorted(set(picked.tolist()))
    exact = torch.bincount(labels) * size / len(labels)
    counts = torch.bincount(labels[picked], minlength=len(exact))
    assert (counts - exact).abs().max() < 1


def test_class_counts_agree_with_scikit_learn():
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
    _, oracle = train_test_split(labels.numpy(), test_size=10, stratify=labels.numpy(), random_state=0)
    ours = labels[stratified(labels, 10, draws())]
    assert torch.bincount(ours).tolist() == torch.bincount(torch.from_numpy(oracle)).tolist() == [5, 3, 2]


def test_a_class_without_images_is_no_obstacle():
    assert stratified(torch.tensor([0, 0, 3, 3]), 2, draws()).shape == (2,)


def test_the_draw_depends_on_the_generator_alone():
    labels = torch.arange(200) % 10
    assert torch.equal(stratified(labels, 50, draws(1)), stratified(labels, 50, draws(1)))
    assert not torch.equal(stratified(labels, 50, draws(1)), stratified(labels, 50, draws(2)))


@pytest.mark.parametrize("taken", [[], [0, 2], [0, 1, 2, 3]])
def test_rest_is_what_was_not_taken(taken):
    assert remaining(4, torch.tensor(taken, dtype=torch.int64)).tolist() == sorted({0, 1, 2, 3} - {*taken})


def test_halves_are_complements_and_every_image_is_in_one_of_them():
    for count in (10, 11):
        for number in (0, 2, 8):
            even, odd = random_subset(count, number, 0.5, 3), random_subset(count, number + 1, 0.5, 3)
            assert torch.equal(even, ~odd)
            assert even.sum() == count // 2
    assert not torch.equal(random_subset(100, 0, 0.5, 3), random_subset(100, 2, 0.5, 3))
    assert not torch.equal(random_subset(100, 0, 0.5, 3), random_subset(100, 0, 0.5, 4))


def test_other_shares_are_drawn_alone():
    first, second = random_subset(100, 0, 0.7, 0), random_subset(100, 1, 0.7, 0)
    assert first.sum() == second.sum() == 70
    assert (first & second).any()
    assert torch.equal(first, random_subset(100, 0, 0.7, 0))


def test_a_label_of_10_to_the_9_costs_nothing():
    labels = torch.tensor([0, 3, 7, 10**9]).repeat(20)
    assert torch.equal(stratified(labels, 10, draws()), stratified(torch.arange(4).repeat(20), 10, draws()))
