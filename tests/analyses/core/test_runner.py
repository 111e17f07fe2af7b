"""What is measured in processes of their own, and read where it is there."""

from analyses.core.measurement import RunMeasurement
from analyses.core.runner import RunCallbacks, StudyRunner
from analyses.memorisation.measures import correct_images
from cotoolkit.training.run import run
from tests._helpers.small import small


def test_measurements_are_taken_once(tmp_path):
    config = small(epochs=1, evaluation=["clean"])
    run(config, tmp_path / "runs", device="cpu")
    ended = []
    callbacks = RunCallbacks(on_measured=lambda *what: ended.append(what))
    runner = StudyRunner(tmp_path / "runs", tmp_path / "measured", jobs=1, callbacks=callbacks)
    try:
        wanted = [RunMeasurement(config, correct_images, {"seed": 0}, {"radii": {}})]
        table = runner.measure(wanted)
        assert ended == [(wanted[0].title, 1, 1)]
        assert table.equals(wanted[0].measure(runner.root))
        same = runner.measure(wanted)
        assert len(ended) == 1  # what is there is read
        assert same.equals(table)
    finally:
        runner.workers.close()
