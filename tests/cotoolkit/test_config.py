import pytest
import yaml

from cotoolkit.config import RunConfig, Schedule
from cotoolkit.core.errors import ConfigError
from cotoolkit.methods import NFGSM
from cotoolkit.runs.folder import RunFolder
from interventions import Inject
from tests._helpers.small import small


def test_yaml_round_trip_keeps_identity():
    config = small(
        method={"name": "n_fgsm", "k": 3},
        intervention={"name": "inject", "carrier": "paired", "beta": "8/255"},
        input_layer={"name": "low_pass", "bandwidth": 4},
        epsilon="6/255",
    )
    again = RunConfig.parse(yaml.safe_load(config.to_yaml()))
    assert again == config
    assert again.identity == config.identity
    assert config.method == NFGSM(k=3)
    assert config.intervention == Inject("paired", beta=8 / 255)
    assert config.epsilon == 6 / 255


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"epsilon": 0.11},
        {"method": "pgd"},
        {"intervention": {"name": "inject", "carrier": "paired", "beta": 0.1}},
        {"monitor__interval": 6},
        {"model__width": 5},
        {"schedule__peak": 0.4},
    ],
)
def test_every_part_enters_the_identity(change):
    assert small(**change).identity != small().identity


def test_none_is_no_intervention_and_a_box():
    config = small(intervention="none", input_layer="none", box="none", normalise="none")
    assert (config.intervention, config.input_layer) == (None, None)
    assert (config.box, config.normalise) == ("none", "none")


def test_other_ways_to_write_a_run_have_its_identity():
    assert small(method="FGSM").identity == small(method={"name": "fgsm"}).identity
    assert small(epsilon="8/255").identity == small(epsilon=8 / 255).identity


BAD = [
    ({"metod": "fgsm"}, "unknown setting 'metod': did you mean method"),
    ({"method": "fgms"}, "unknown method 'fgms': did you mean fgsm"),
    ({"method": {"name": "pgd", "step": 3}}, "has no field 'step': did you mean steps"),
    ({"data": "digts"}, "unknown data set 'digts': did you mean digits"),
    ({"model": "smal_cnn"}, "unknown model 'smal_cnn': did you mean small_cnn"),
    ({"epsilon": -0.1}, "epsilon: Input should be greater than or equal to 0"),
    ({"epsilon": "8/0"}, "epsilon: not a number: '8/0'"),
    ({"epsilon": "inf"}, "not a finite number"),
    ({"intervention": {"beta": 0.1}}, "intervention.beta without an intervention: add intervention=NAME"),
    ({"intervention": {"name": "inject", "beta": 0.1}}, "intervention 'inject' needs a carrier"),
    ({"intervention": {"name": "injct"}}, "unknown intervention 'injct': did you mean inject"),
    ({"evaluation": ["pgd-x"]}, "unknown evaluation protocol 'pgd-x'"),
    ({"normalise": "cifar"}, "unknown normalisation 'cifar': did you mean cifar10"),
    ({"format": 99}, "another version of cotoolkit"),
    ({"norm": "l3"}, "norm: Input should be 'linf' or 'l2'"),
    ({"batch_size": 0}, "batch_size: Input should be greater than or equal to 1"),
    ({"monitor": {"intervall": 3}}, "monitor.intervall"),
]


@pytest.mark.parametrize(("data", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_configurations_are_one_line(data, message):
    with pytest.raises(ConfigError) as caught:
        RunConfig.parse(data)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_configuration_must_be_a_mapping():
    with pytest.raises(ConfigError):
        RunConfig.parse([1])


def test_cyclic_schedule_by_hand():
    schedule = Schedule(kind="cyclic", peak=0.4)
    assert [schedule.rate(t) for t in (0, 0.2, 0.4, 0.7, 1)] == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert schedule.momentum(0.4, 0.9) == 0.9


def test_a_momentum_that_a_cycle_would_raise_is_refused():
    for optimizer in ({"name": "sgd", "momentum": 0.5}, {"name": "adam", "beta1": 0.0}):
        with pytest.raises(
            ConfigError, match=r"cycle_momentum runs momentum down to 0\.8; optimizer (sgd|adam) starts"
        ):
            RunConfig.parse({"optimizer": optimizer, "schedule": {"cycle_momentum": True}})


def test_cycled_momentum_by_hand():
    # torch's CyclicLR runs momentum from its base down to 0.8 at the peak, and back.
    schedule = Schedule(cycle_momentum=True)
    assert [schedule.momentum(t, 0.9) for t in (0, 0.25, 0.5, 1)] == pytest.approx([0.9, 0.85, 0.8, 0.9])
    assert Schedule(kind="constant", cycle_momentum=True).momentum(0.5, 0.9) == 0.9


def test_multistep_and_constant_schedules_by_hand():
    schedule = Schedule(kind="multistep", milestones=(0.5, 0.75))
    assert [schedule.rate(t) for t in (0, 0.49, 0.5, 0.8)] == pytest.approx([1, 1, 0.1, 0.01])
    assert Schedule(kind="constant").rate(0.9) == 1


def test_warm_up_of_the_radius_by_hand():
    schedule = Schedule(epsilon_warmup=4)
    assert [schedule.radius(epoch) for epoch in (0, 1, 4, 9)] == pytest.approx([0, 0.25, 1, 1])
    assert Schedule().radius(0) == 1


def test_normalisation_follows_the_data_unless_told_otherwise():
    assert RunConfig(data="cifar10").statistics == "cifar10"
    assert RunConfig(data="digits").statistics == "none"
    assert RunConfig(data="cifar10", normalise="none").statistics == "none"


@pytest.mark.parametrize("letter", ["x", "ü"])
def test_a_long_path_makes_no_title_too_long_for_a_folder(letter, tmp_path):
    config = RunConfig(data=f"folder:/{letter * 300}/end", model="preact_resnet18", method="holistic_robust")
    assert config.title.endswith("_end-preact_resnet18-holistic_robust")
    RunFolder.of(tmp_path, config).create(config)


def test_titles_are_fit_for_folders():
    assert (
        RunConfig(data="folder:/some/where", model="torchvision:resnet18").title == "folder_some_where-torchvision-fgsm"
    )


def test_kept_iterations_are_ordered_so_that_equal_runs_are_equal():
    assert small(keep=[5, 0, 5]) == small(keep=[0, 5])
