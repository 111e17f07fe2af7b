import numpy as np

from cotoolkit.runs.checkpoints import evaluation_points
from figures.co_features.perturbations import pictures
from tests._helpers.kept_runs import Broken


def test_pictures_show_the_image_and_its_feature(folder):
    found = pictures(Broken(folder.path))
    assert len(found) == 4 * 64
    points = evaluation_points(folder.config())
    plane = found[found["image"] == 2].pivot_table(index="row", columns="column", values="x").to_numpy()
    first = points.images[points.labels == 2][0, 0]
    np.testing.assert_allclose(plane, first.numpy(), atol=1e-4)
    assert set(found["v"]) == {-1.0, 1.0}
    assert found[["early", "before", "after", "last"]].abs().max().max() <= 1
    assert found["at_before"].unique().tolist() == [5]
