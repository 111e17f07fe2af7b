from cotoolkit.evaluation.protocol import named_protocol, run_protocol
from cotoolkit.runs.checkpoints import evaluation_points, trained
from figures.co_features.steps import steps


def test_one_step_of_the_table_is_fgsm(folder):
    found = steps(folder).set_index(["measure", "at"])["value"]
    points, config = evaluation_points(folder.config()), folder.config()
    once = run_protocol(trained(folder), points.images, points.labels, config.threat, named_protocol("fgsm"))
    assert found["pgd", 1] == found["fgsm_way", 1.0] == once.accuracy.value
    assert found["fgsm_way", 0.0] == found["random_way", 0.0] == folder.result()["evaluation"]["clean"]["value"]
