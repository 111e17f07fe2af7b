import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from cotoolkit.core.errors import DataError
from cotoolkit.core.reading.pictures import pixel_levels, read_picture

RAMP = np.arange(256, dtype=np.uint8).reshape(8, 32)
COLOURS = np.stack([RAMP, RAMP[::-1], RAMP.T.reshape(8, 32)], 2)
GREY = torch.from_numpy(RAMP).unsqueeze(0)
COLOUR = torch.from_numpy(COLOURS).permute(2, 0, 1)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def grey_png(values, transparent=None):
    """A 16-bit grey PNG, byte by byte, as no writer of PIL makes one with a transparent value."""
    height, width = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    clear = b"" if transparent is None else chunk(b"tRNS", struct.pack(">H", transparent))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + clear + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def saved(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def palette(**options):
    """The ramp through a palette that is upside down."""
    image = Image.frombytes("P", (32, 8), (255 - RAMP).tobytes())
    image.putpalette([level for place in range(256) for level in [255 - place] * 3])
    return saved(image, "PNG", **options)


def with_alpha(mode, least=255):
    alpha = np.full((8, 32, 1), 255, np.uint8)
    alpha[3, 3] = least
    pixels = RAMP[:, :, None] if mode == "LA" else COLOURS
    return Image.fromarray(np.concatenate([pixels, alpha], 2), mode)


DEEP = RAMP.astype(np.uint16) * 257
KEPT = {
    "grey": (lambda: saved(Image.fromarray(RAMP), "PNG"), GREY),
    "colour": (lambda: saved(Image.fromarray(COLOURS), "PNG"), COLOUR),
    "16-bit PNG": (lambda: saved(Image.fromarray(DEEP), "PNG"), GREY),
    "16-bit TIFF": (lambda: saved(Image.fromarray(DEEP), "TIFF"), GREY),
    "16-bit TIFF of another byte order": (
        lambda: saved(Image.frombytes("I;16B", (32, 8), DEEP.astype(">u2").tobytes()), "TIFF"),
        GREY,
    ),
    "16-bit PGM": (lambda: b"P5 32 8 65535\n" + DEEP.astype(">u2").tobytes(), GREY),
    "10-bit PGM": (
        lambda: b"P5 32 8 1023\n" + (RAMP.astype(np.float64) * 1023 / 255).round().astype(">u2").tobytes(),
        GREY,
    ),
    "16-bit PNG with a transparent value that no pixel has": (lambda: grey_png(DEEP, transparent=1), GREY),
    "float TIFF": (lambda: saved(Image.fromarray(RAMP.astype(np.float32) / 255), "TIFF"), GREY),
    "palette": (palette, GREY.expand(3, -1, -1)),
    "opaque palette": (lambda: palette(transparency=bytes([255] * 256)), GREY.expand(3, -1, -1)),
    "opaque alpha": (lambda: saved(with_alpha("RGBA"), "PNG"), COLOUR),
    "opaque grey alpha": (lambda: saved(with_alpha("LA"), "PNG"), GREY),
    "opaque WebP": (lambda: saved(with_alpha("RGBA"), "WEBP", lossless=True), COLOUR),
    "one bit": (lambda: saved(Image.fromarray(RAMP > 127), "PNG"), (GREY > 127) * torch.tensor(255, dtype=torch.uint8)),
    "one bit TIFF": (
        lambda: saved(Image.fromarray(RAMP > 127), "TIFF"),
        (GREY > 127) * torch.tensor(255, dtype=torch.uint8),
    ),
    "CMYK TIFF": (lambda: saved(Image.fromarray(COLOURS).convert("CMYK"), "TIFF"), COLOUR),
    "BMP": (lambda: saved(Image.fromarray(COLOURS), "BMP"), COLOUR),
    "another ending": (lambda: saved(Image.fromarray(RAMP), "GIF"), GREY),
}


@pytest.mark.parametrize("kind", list(KEPT))
def test_a_picture_keeps_its_meaning(tmp_path, kind):
    make, right = KEPT[kind]
    file = tmp_path / "picture.png"
    file.write_bytes(make())
    levels = read_picture(file)
    assert levels.dtype == torch.uint8
    assert torch.equal(levels, right)


def test_16_bits_go_to_the_nearest_level(tmp_path):
    values = np.array([[0, 128, 129, 257, 20000, 65406, 65407, 65535]], np.uint16)
    (tmp_path / "a.png").write_bytes(grey_png(values))
    assert read_picture(tmp_path / "a.png").flatten().tolist() == [0, 0, 1, 1, 78, 254, 255, 255]


def test_12_bits_have_their_own_range(tmp_path):
    """A TIFF of 2 x 1 pixels, 4095 and 2048, byte by byte: PIL writes none."""
    tags = [(256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 3)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    body = struct.pack("<2sHI", b"II", 42, 12) + b"\xff\xf8\x00\0" + struct.pack("<H", len(tags)) + entries + bytes(4)
    (tmp_path / "a.tif").write_bytes(body)
    assert read_picture(tmp_path / "a.tif").flatten().tolist() == [255, 128]


def test_the_mean_of_a_16_bit_picture_is_kept(tmp_path):
    values = np.linspace(0, 40_000, 64 * 64).astype(np.uint16).reshape(64, 64)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").double().mean() / 255 == pytest.approx(values.mean() / 65535, abs=1e-3)


def test_jpegs_of_all_colour_spaces_show_the_same(tmp_path):
    smooth = np.full((16, 16, 3), (200, 100, 40), np.uint8)
    for mode in ("RGB", "CMYK"):
        Image.fromarray(smooth).convert(mode).save(tmp_path / "a.jpg", quality=100)
        levels = read_picture(tmp_path / "a.jpg")
        assert (levels.permute(1, 2, 0).int() - torch.from_numpy(smooth).int()).abs().max() <= 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_the_camera_was(tmp_path, kind, orientation):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :8] = 255  # a white corner at the top left
    stored = Image.fromarray(upright)
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what takes the upright picture to the stored one
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(back[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a", kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    levels = read_picture(tmp_path / "a").permute(1, 2, 0).numpy()
    assert levels.shape == upright.shape
    assert np.abs(levels.astype(int) - upright).mean() < 2


def test_of_broken_exif_data_the_orientation_counts(tmp_path):
    tags = struct.pack("<HHHIIHHII", 2, 0x0112, 3, 1, 6, 0x011A, 1, 4, 0x41414141)  # a resolution that is not there
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + tags + bytes(4)
    (tmp_path / "a.jpg").write_bytes(saved(Image.fromarray(COLOURS), "JPEG", exif=exif))
    assert read_picture(tmp_path / "a.jpg").shape == (3, 32, 8)


def test_a_camera_s_picture_with_a_preview_is_the_picture(tmp_path):
    pictures = [Image.new("RGB", (32, 16), (200, 100, 40)), Image.new("RGB", (8, 4))]
    pictures[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=pictures[1:])
    levels = read_picture(tmp_path / "a.jpg")
    assert levels.shape == (3, 16, 32)
    assert levels.float().mean((1, 2)).tolist() == pytest.approx([200, 100, 40], abs=3)


def test_colours_with_16_bits_keep_their_upper_8(tmp_path):
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in COLOURS.astype(np.uint16) * 257)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 8, 16, 2, 0, 0, 0))
    body = header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    assert torch.equal(read_picture(tmp_path / "a.png"), COLOUR)


def animation(kind):
    frames = [Image.fromarray(COLOURS), Image.fromarray(COLOURS[::-1].copy())]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:])


def min_is_white():
    return saved(Image.fromarray(DEEP), "TIFF", tiffinfo={262: 0})


REFUSED = {
    "alpha": (lambda: saved(with_alpha("RGBA", 254), "PNG"), "has transparent pixels; put it on a background"),
    "grey alpha": (lambda: saved(with_alpha("LA", 0), "PNG"), "has transparent pixels"),
    "transparent palette": (lambda: palette(transparency=7), "has transparent pixels"),
    "half transparent palette": (lambda: palette(transparency=bytes(range(256))), "has transparent pixels"),
    "transparent colour": (
        lambda: saved(Image.fromarray(COLOURS), "PNG", transparency=tuple(int(v) for v in COLOURS[0, 0])),
        "has transparent pixels",
    ),
    "transparent grey": (lambda: saved(Image.fromarray(RAMP), "PNG", transparency=3), "has transparent pixels"),
    "transparent 16 bits": (lambda: grey_png(DEEP, transparent=257), "has transparent pixels"),
    "transparent WebP": (lambda: saved(with_alpha("RGBA", 0), "WEBP", lossless=True), "has transparent pixels"),
    "32-bit whole numbers": (lambda: saved(Image.fromarray(RAMP.astype(np.int32)), "TIFF"), "whole numbers of 32 bits"),
    "floats to 255": (
        lambda: saved(Image.fromarray(RAMP.astype(np.float32)), "TIFF"),
        "floats from 0 to 255; save them in [0, 1]",
    ),
    "nan": (lambda: saved(Image.fromarray(RAMP.astype(np.float32) * np.nan), "TIFF"), "floats from nan to nan"),
    "LAB": (lambda: saved(Image.fromarray(COLOURS, "LAB"), "TIFF"), "has its colours as LAB; convert it to RGB"),
    "animated PNG": (lambda: animation("PNG"), "has 2 frames; save the one that counts"),
    "animated WebP": (lambda: animation("WEBP"), "has 2 frames"),
    "animated GIF": (lambda: animation("GIF"), "has 2 frames"),
    "pages of a TIFF": (lambda: animation("TIFF"), "has 2 frames"),
    "empty": (lambda: b"", "cannot be read as an image"),
    "text": (lambda: b"not an image", "cannot be read as an image"),
    "page": (lambda: b"<!DOCTYPE html><html></html>", "cannot be read as an image"),
    "truncated PNG": (lambda: saved(Image.fromarray(COLOURS), "PNG")[:-200], "cannot be read as an image"),
    "truncated JPEG": (lambda: saved(Image.fromarray(COLOURS), "JPEG")[:-100], "cannot be read as an image"),
    "truncated BMP": (lambda: saved(Image.fromarray(COLOURS), "BMP")[:-100], "cannot be read as an image"),
    "truncated TIFF": (lambda: saved(Image.fromarray(COLOURS), "TIFF")[:100], "cannot be read as an image"),
    "truncated WebP": (lambda: saved(Image.fromarray(COLOURS), "WEBP")[:-100], "cannot be read as an image"),
    "only a PNG's start": (lambda: saved(Image.fromarray(COLOURS), "PNG")[:20], "cannot be read as an image"),
    "wrong sum": (
        lambda: saved(Image.fromarray(COLOURS), "PNG").replace(b"IHDR\0\0\0", b"IHDR\0\0\1"),
        "cannot be read as an image",
    ),
}


@pytest.mark.parametrize("kind", list(REFUSED))
def test_a_picture_whose_meaning_is_not_certain_is_one_line(tmp_path, kind):
    make, message = REFUSED[kind]
    file = tmp_path / "picture.png"
    file.write_bytes(make())
    with pytest.raises(DataError) as caught:
        read_picture(file)
    assert message in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_white_as_zero_is_refused_in_16_bits(tmp_path):
    (tmp_path / "a.tif").write_bytes(min_is_white())
    with pytest.raises(DataError, match="more than 8 bits and 0 as white"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("share", [0.6, 3])
def test_a_decompression_bomb_is_one_line(tmp_path, monkeypatch, share):
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(RAMP.size / share / 2) if share > 1 else int(RAMP.size * share))
    with pytest.raises(DataError, match=r"a.png has more pixels than is safe to open \(DecompressionBomb"):
        read_picture(tmp_path / "a.png")


def test_a_missing_file_is_one_line(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"a.png cannot be read as an image \(FileNotFoundError"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["HSV", "LAB"])
def test_colours_that_are_not_those_of_a_screen_are_refused(mode):
    with pytest.raises(DataError, match=f"mine has its colours as {mode}; convert it to RGB"):
        pixel_levels(Image.fromarray(COLOURS, mode), "mine")
