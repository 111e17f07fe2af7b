import numpy as np
import pytest
from PIL import Image

from cotoolkit.core.errors import DataError
from cotoolkit.data import DataConfig
from cotoolkit.data.sources.image_folders import ImageFolders


def write_images(root, parts, size=(6, 5), classes=("cat", "dog"), count=2):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    for part in parts:
        for name in classes:
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                Image.fromarray(pixels).save(root / part / name / f"{number}.png")
    return pixels


@pytest.mark.parametrize("test", ["val", "test"])
def test_folders_give_their_pixels_and_their_names(tmp_path, test):
    pixels = write_images(tmp_path, ["train", test])
    train, held = ImageFolders(tmp_path).read(download=False)
    assert train.class_names == held.class_names == ("cat", "dog")
    assert train.labels.tolist() == [0, 0, 1, 1]
    assert np.array_equal(train.images[3].numpy(), pixels.transpose(2, 0, 1))


def test_images_of_many_sizes_are_resized(tmp_path):
    write_images(tmp_path, ["train", "test"], size=(6, 9))
    write_images(tmp_path, ["train", "test"], size=(12, 8), classes=("cow",))
    train, test = ImageFolders(tmp_path, size=5).read(download=False)
    assert train.shape == test.shape == (3, 5, 5)
    with pytest.raises(DataError, match="has 12 x 8 pixels, others 6 x 9; choose a size"):
        ImageFolders(tmp_path).read(download=False)


def test_folders_without_the_layout_are_refused(tmp_path):
    with pytest.raises(DataError, match="must hold the folders train and test"):
        ImageFolders(tmp_path).read(download=False)
    (tmp_path / "train" / "cat").mkdir(parents=True)
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match=r"cat holds no images \(.bmp, .* add some or delete"):
        ImageFolders(tmp_path).read(download=False)


def test_folders_must_agree_on_the_classes(tmp_path):
    write_images(tmp_path, ["train"], classes=("cat", "cow", "dog"))
    write_images(tmp_path, ["test"])
    with pytest.raises(DataError, match=r"same classes; they differ in \['cow'\]"):
        ImageFolders(tmp_path).read(download=False)


def test_a_file_that_is_no_image_is_named(tmp_path):
    write_images(tmp_path, ["train", "test"])
    (tmp_path / "train" / "dog" / "1.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"dog/1.png cannot be read as an image"):
        ImageFolders(tmp_path).read(download=False)


PICTURE = Image.fromarray(np.full((6, 5, 3), 9, np.uint8))


@pytest.mark.parametrize(
    "hidden",
    [
        ".DS_Store",
        "cat/.DS_Store",
        "cat/._0.png",
        ".ipynb_checkpoints/0-checkpoint.png",
        "__MACOSX/cat/._0.png",
        "cat/.ipynb_checkpoints/0-checkpoint.png",
        "cat/__MACOSX/0.png",
        "cat/@eaDir/0.png",
        "cat/notes.txt",
    ],
)
def test_what_is_hidden_is_passed_over(tmp_path, hidden):
    write_images(tmp_path, ["train", "test"])
    for part in ("train", "test"):
        (tmp_path / part / hidden).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / part / hidden).write_bytes(b"not an image")
    train, test = ImageFolders(tmp_path).read(download=False)
    assert train.class_names == test.class_names == ("cat", "dog")
    assert len(train) == len(test) == 4


def test_folders_in_folders_links_and_capital_endings_are_read(tmp_path):
    write_images(tmp_path, ["train", "test"], count=1)
    (tmp_path / "train" / "cat" / "b" / "c").mkdir(parents=True)
    (tmp_path / "train" / "cat" / "b.png").mkdir()
    (tmp_path / "elsewhere").mkdir()
    for level, place in enumerate(["train/cat/b/c/1.PNG", "train/cat/b.png/2.Png", "elsewhere/3.png", "4.png"]):
        Image.fromarray(np.full((6, 5, 3), level, np.uint8)).save(tmp_path / place)
    (tmp_path / "train" / "cat" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "train" / "dog" / "9.png").symlink_to(tmp_path / "4.png")
    (tmp_path / "train" / "cow").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "test" / "cow").symlink_to(tmp_path / "elsewhere")
    train, _ = ImageFolders(tmp_path).read(download=False)
    assert train.class_names == ("cat", "cow", "dog")
    assert train.labels.tolist() == [0, 0, 0, 0, 1, 2, 2]
    assert train.images[[1, 2, 3, 4, 6], 0, 0, 0].tolist() == [1, 0, 2, 2, 3]


def test_a_link_to_a_folder_around_it_is_refused(tmp_path):
    write_images(tmp_path, ["train", "test"])
    (tmp_path / "train" / "dog" / "again").symlink_to(tmp_path / "train")
    with pytest.raises(DataError, match="dog/again is a link to a folder that it lies in"):
        ImageFolders(tmp_path).read(download=False)


def test_grey_and_colour_files_may_be_mixed(tmp_path):
    write_images(tmp_path, ["train", "test"])
    Image.fromarray(np.full((6, 5), 40_000, np.uint16)).save(tmp_path / "train" / "cat" / "2.png")
    train, _ = ImageFolders(tmp_path).read(download=False)
    assert train.images[2].unique().tolist() == [round(40_000 / 257)]
    assert train.shape == (3, 6, 5)


def test_a_class_without_images_is_one_line(tmp_path):
    write_images(tmp_path, ["train", "test"])
    (tmp_path / "train" / "dog").rename(tmp_path / "dog")
    (tmp_path / "train" / "dog" / "deep").mkdir(parents=True)
    (tmp_path / "train" / "dog" / "a.gif").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"train/dog holds no images \(.bmp, .*\); add some or delete the folder"
    ) as caught:
        ImageFolders(tmp_path).read(download=False)
    assert "\n" not in str(caught.value)


def test_images_without_class_folders_are_one_line(tmp_path):
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        PICTURE.save(tmp_path / part / "0.png")
    with pytest.raises(DataError, match="train holds no folder; put the images of each class into one named after it"):
        ImageFolders(tmp_path).read(download=False)


@pytest.mark.parametrize("name", ["with spaces", "über 画像", "a:b", "a#b", "a=b,c", "{x}", "100%", "[0]", "q?*"])
def test_odd_paths_are_read(tmp_path, name):
    write_images(tmp_path / name, ["train", "test"])
    train, _ = DataConfig(name=f"folder:{tmp_path / name}").source().read(download=False)
    assert len(train) == 4


def test_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_images(tmp_path / "mine", ["train", "test"])
    assert len(DataConfig(name="folder:~/mine").source().read(download=False)[0]) == 4


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("file.png", "file.png is a file; name the folder that holds train and test"),
        ("nowhere", "nowhere does not exist; name the folder"),
        ("empty", "empty must hold the folders train and test"),
    ],
)
def test_a_path_that_is_no_folder_is_one_line(tmp_path, path, message):
    PICTURE.save(tmp_path / "file.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=message):
        DataConfig(name=f"folder:{tmp_path / path}").source().read(download=False)


@pytest.mark.parametrize("name", ["folder:", "folder: "])
def test_no_path_is_one_line(name):
    with pytest.raises(DataError, match="names no folder; write folder:PATH"):
        DataConfig(name=name).source()


def test_nobodys_home_is_one_line():
    with pytest.raises(DataError, match="write the folder in full"):
        DataConfig(name="folder:~nobody-of-this-name/mine").source().read(download=False)
