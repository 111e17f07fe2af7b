import pytest
import torch

from cotoolkit.core.errors import DataError
from cotoolkit.data.image_set import ImageSet, as_float

NAMES = ("a", "b")


def images(*shape, dtype=torch.uint8):
    return torch.zeros(shape, dtype=dtype)


LABELS = torch.tensor([0, 1, 1])


def test_a_set_knows_its_size_and_picks_in_the_order_asked():
    pixels = torch.arange(12, dtype=torch.uint8).view(3, 1, 2, 2)
    data = ImageSet("mine", pixels, LABELS, 2, NAMES)
    picked = data.pick(torch.tensor([2, 0]))
    assert (len(data), data.shape) == (3, (1, 2, 2))
    assert picked.images[:, 0, 0, 0].tolist() == [8, 0]
    assert picked.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("pixels", "labels", "classes", "names", "message"),
    [
        (images(3, 2, 2), LABELS, 2, NAMES, r"shape \(3, 2, 2\); give \(N, C, H, W\)"),
        (images(0, 1, 2, 2), LABELS[:0], 2, NAMES, "no images"),
        (images(3, 1, 2, 2, dtype=torch.int64), LABELS, 2, NAMES, "images are torch.int64; give uint8"),
        (images(3, 1, 2, 2, dtype=torch.float32) - 0.5, LABELS, 2, NAMES, "from -0.5 to -0.5; scale them"),
        (images(3, 1, 2, 2, dtype=torch.float32) + 255, LABELS, 2, NAMES, "from 255 to 255; scale them"),
        (images(3, 1, 2, 2, dtype=torch.float32) * float("nan"), LABELS, 2, NAMES, "from nan to nan"),
        (images(3, 1, 2, 2), LABELS.int(), 2, NAMES, "labels are torch.int32; give int64"),
        (images(3, 1, 2, 2), LABELS[:2], 2, NAMES, "3 images but labels of shape"),
        (images(3, 1, 2, 2), LABELS * 0, 1, ("a",), "needs at least 2"),
        (images(3, 1, 2, 2), LABELS + 1, 2, NAMES, "labels run from 1 to 2; number the classes 0 to 1"),
        (images(3, 1, 2, 2), LABELS - 1, 2, NAMES, "labels run from -1 to 0"),
        (images(3, 1, 2, 2), LABELS, 3, NAMES, "3 classes but 2 class names"),
    ],
)
def test_what_no_classifier_can_train_on_is_refused_in_one_line(pixels, labels, classes, names, message):
    with pytest.raises(DataError, match=message) as caught:
        ImageSet("mine", pixels, labels, classes, names)
    assert str(caught.value).startswith("mine: ")
    assert "\n" not in str(caught.value)


def test_pixel_levels_become_their_255th_and_floats_stay():
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(as_float(levels), torch.arange(256, dtype=torch.float32) / 255)
    floats = torch.rand(5)
    assert as_float(floats) is floats
