import pytest
import torch

from analyses.purification.measures.robustness import JudgedPoints, accuracy
from analyses.purification.synthetic_world.ball_attack import BallAttack
from analyses.purification.synthetic_world.baselines import NAMES, Baseline, train_baselines, untrained_baselines
from analyses.purification.synthetic_world.synthetic_data import SparseCoding, SyntheticWorld, generators
from analyses.purification.synthetic_world.training import initial_weights

SEEDS = (0, 1)


@pytest.fixture(scope="module")
def world():
    return SyntheticWorld.draw(SparseCoding(24, 4), SEEDS)


def filled(model, seed=0):
    random = torch.Generator().manual_seed(seed)
    return Baseline(model.score, tuple(torch.randn(part.shape, generator=random) for part in model.parameters))


def test_scores_are_the_stated_features(world):
    initial = initial_weights(SEEDS, 60, 24)
    models = {name: filled(model) for name, model in untrained_baselines(world, initial).items()}
    assert tuple(models) == NAMES
    x = world.sample(5, generators(SEEDS, "order")).x
    unit = initial / initial.norm(dim=-1, keepdim=True)
    for seed in range(2):
        for point in range(5):
            v, found = x[seed, point], {name: model(x)[seed, point] for name, model in models.items()}
            u = unit[seed] @ v
            (w,) = (part[seed] for part in models["linear"].parameters)
            torch.testing.assert_close(found["linear"], w @ v)
            w, q = (part[seed] for part in models["quadratic"].parameters)
            torch.testing.assert_close(found["quadratic"], w @ v + v @ q @ v, atol=1e-4, rtol=1e-4)
            w, q, c = (part[seed] for part in models["cubic"].parameters)
            cubes = sum(c[j] * (world.dictionary[seed, :, j] @ v) ** 3 for j in range(24))
            torch.testing.assert_close(found["cubic"], w @ v + v @ q @ v + cubes, atol=1e-4, rtol=1e-4)
            open_gates = (u.abs() > 24**-0.5).float()
            (rows,) = (part[seed] for part in models["random_gates"].parameters)
            torch.testing.assert_close(found["random_gates"], open_gates @ (rows @ v), atol=1e-4, rtol=1e-4)
            (a,) = (part[seed] for part in models["random_relu"].parameters)
            features = torch.relu(u - 24**-0.5) - torch.relu(-u - 24**-0.5)
            torch.testing.assert_close(found["random_relu"], a @ features, atol=1e-4, rtol=1e-4)


def test_about_half_of_the_random_gates_are_open(world):
    from analyses.purification.synthetic_world.network import SymmetricNet

    initial = initial_weights(SEEDS, 400, 24)
    net = SymmetricNet.ruled(initial, 24**-0.5)
    gates = net.gates(net.preactivations(world.sample(400, generators(SEEDS, "order")).x))
    assert 0.35 < gates.mean().item() < 0.65


def test_gradients_are_differences(world):
    models = untrained_baselines(world, initial_weights(SEEDS, 60, 24))
    x = world.sample(20, generators(SEEDS, "order")).x.double()
    for name in ("linear", "quadratic"):
        model = filled(models[name])
        model = Baseline(model.score, tuple(part.double() for part in model.parameters))
        output, gradient = model.output_and_gradient(x)
        step = 1e-5 * torch.randn(x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        expected = (model(x + step) - model(x - step)) / 2
        torch.testing.assert_close((gradient * step).sum(-1), expected, atol=1e-9, rtol=1e-6)
        torch.testing.assert_close(output, model(x))


def test_training_learns_and_leaves_the_given_models_alone(world):
    models = untrained_baselines(world, initial_weights(SEEDS, 60, 24))
    with torch.no_grad():
        clean = train_baselines(models, world, generators(SEEDS, "order"), steps=80, batch=200)
        attack = BallAttack("l2", 0.1)
        robust = train_baselines(clean, world, generators(SEEDS, "order", 1), steps=5, batch=100, attack=attack)
    assert all((part == 0).all() for model in models.values() for part in model.parameters)
    probe = JudgedPoints.draw(world, 2000, generators(SEEDS, "evaluation"))
    assert (accuracy(clean["linear"], probe) > 0.93).all()
    assert all((accuracy(model, probe) > 0.85).all() for model in clean.values())
    assert all((accuracy(model, probe) > 0.8).all() for model in robust.values())
    assert not torch.equal(clean["linear"].parameters[0], robust["linear"].parameters[0])


def test_the_trained_linear_model_is_the_logistic_regression(world):
    linear = pytest.importorskip("sklearn.linear_model")
    with torch.no_grad():
        models = {"linear": untrained_baselines(world, initial_weights(SEEDS, 4, 24))["linear"]}
        trained = train_baselines(models, world, generators(SEEDS, "order"), steps=400, batch=500)["linear"]
    batch = world.sample(20_000, generators(SEEDS, "order", 1))
    fitted = linear.LogisticRegression(C=1e6, fit_intercept=False).fit(batch.x[0].numpy(), batch.y[0].numpy())
    expected = torch.tensor(fitted.coef_[0]).float()
    assert torch.cosine_similarity(trained.parameters[0][0], expected, dim=0) > 0.99
