"""Tests that a JPEG's metadata neither cost work nor change the picture, and of the EXIF orientation."""

import io
import struct

import numpy as np
import pytest
from conftest import encode
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from fer.images.decoding import DecodingPool
from fer.images.jpeg import outline_jpeg, strip_jpeg
from fer.images.loading import load_image
from fer.images.orientation import find_orientation

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8))


def segment(marker, content):
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def exif(orientation, *entries, order="<", kind=3):
    """Return EXIF data with an orientation, after other entries of a directory (tag, type, count, offset)."""
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}LH", 8, len(entries) + 1)
    value = struct.pack(order + {3: "HH", 4: "L", 8: "hh"}[kind], *([orientation] if kind == 4 else [orientation, 0]))
    directory = b"".join(struct.pack(f"{order}HHLL", *entry) for entry in entries)
    return b"Exif\0\0" + start + directory + struct.pack(f"{order}HHL", 0x0112, kind, 1) + value


@pytest.fixture
def pool():
    pool = DecodingPool(workers=1)
    yield pool
    pool.close()


JPEG = encode(PHOTO, "JPEG")
MANY_TAGS = exif(6, *((1000 + number, 7, 65_000, 0) for number in range(5000)))
COSTLY = {
    "a copy of all data for each tag": segment(0xE1, MANY_TAGS),
    "repeated beginnings": segment(0xE1, b"Exif\0\0" * 10_000) * 300,
    "segments that are joined": segment(0xE1, b"Exif\0\0" + bytes(10_000)) * 1300,
    "many pictures in one": segment(0xE2, b"MPF\0" + MANY_TAGS[6:]),
    "comments": segment(0xFE, bytes(60_000)) * 300,
    "bytes between segments": b"\xff" * 2_000_000,
}
"""Parts of a JPEG's header that Pillow would parse."""


@pytest.mark.parametrize("kind", COSTLY)
def test_metadata_are_removed_before_they_are_parsed(kind):
    content = JPEG[:2] + COSTLY[kind] + JPEG[2:]
    stripped, orientation = strip_jpeg(content)
    assert stripped == JPEG
    assert orientation == (6 if kind == "a copy of all data for each tag" else 1)


def test_scans_behind_a_reserved_marker_are_counted():
    """libjpeg discards the marker and reads on; by its length it would lead behind the scans."""
    content = encode(PHOTO, "JPEG", progressive=True)
    first = content.index(b"\xff\xda")
    hidden = content[content.rindex(b"\xff\xda") : -2] * 20
    end = b"\xff\x02" + struct.pack(">H", len(hidden) + 2)
    assert outline_jpeg(content[: first + 20] + end + hidden + content[first:]).scans >= 21


@pytest.mark.parametrize("marker", [0xD9, 0xC8, 0xF0, 0xFD])
def test_a_decoder_sees_nothing_behind_a_marker_at_which_libjpeg_stops(marker):
    hidden = segment(0xE1, b"Exif\0\0")
    content = JPEG[:2] + bytes((0xFF, marker)) + struct.pack(">H", 2 + len(hidden)) + hidden + JPEG[2:]
    assert strip_jpeg(content) == (JPEG[:2], 1)
    assert outline_jpeg(content).segments == 0


def test_the_colour_profile_and_the_meaning_of_the_colours_stay():
    content = encode(PHOTO, "JPEG", icc_profile=b"profile" * 20_000, exif=exif(1))
    with Image.open(io.BytesIO(strip_jpeg(content)[0])) as image:
        assert image.info["icc_profile"] == b"profile" * 20_000
        assert "exif" not in image.info
    inverted = io.BytesIO()
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(inverted, "JPEG")  # It has an Adobe segment.
    assert strip_jpeg(inverted.getvalue())[0] == inverted.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_pictures_are_turned_as_pillow_turns_them(kind, orientation):
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encode(PHOTO, kind, exif=exif(orientation), **options)
    with Image.open(io.BytesIO(content)) as image:
        expected = ImageOps.exif_transpose(image).convert("RGB")
    found = load_image(io.BytesIO(content), "a")
    assert found.size == expected.size
    assert found.tobytes() == expected.tobytes()
    assert "exif" not in found.info


def test_a_png_of_an_older_imagemagick_is_turned():
    digits = exif(6).hex()
    lines = [digits[start : start + 72] for start in range(0, len(digits), 72)]
    info = PngInfo()
    info.add_text("Raw profile type exif", "\n".join(["", "exif", f"{len(digits) // 2:8}", *lines, ""]))
    assert load_image(io.BytesIO(encode(PHOTO, "PNG", pnginfo=info)), "a").size == (PHOTO.height, PHOTO.width)
    info.add_text("Raw profile type exif", "no digits")
    assert load_image(io.BytesIO(encode(PHOTO, "PNG", pnginfo=info)), "a").size == PHOTO.size


def test_a_turned_picture_of_the_largest_size_fits_into_the_memory_of_a_decoder(pool):
    content = io.BytesIO()
    Image.new("RGBA", (7070, 7070), (9, 9, 9, 9)).save(content, "PNG", compress_level=1, exif=exif(6))
    assert pool.load_image(io.BytesIO(content.getvalue())).size == (7070, 7070)


@pytest.mark.parametrize(
    "entry",
    [(0x010F, 11, 1, 0), (0x011A, 2, 3, 0), (0x0128, 2, 3, 0), (0x0100, 2, 2, 0)],
    ids=["make as a float", "resolution as text", "unit as text", "width as text"],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_unrelated_metadata_of_a_wrong_type_do_not_matter(kind, entry):
    content = encode(PHOTO, kind, exif=exif(6, entry))
    assert load_image(io.BytesIO(content), "a").size == (PHOTO.height, PHOTO.width)


@pytest.mark.parametrize(
    ("content", "orientation"),
    [
        (exif(8), 8),
        (exif(8)[6:], 8),
        (exif(8, order=">"), 8),
        (exif(8, order=">", kind=4), 8),
        (exif(8, order=">", kind=8), 8),
        (b"Exif\0\0" + exif(8), 8),
        (exif(9), 1),
        (exif(0), 1),
        (exif(8)[:-3], 1),
        (b"Exif\0\0II*\0\xff\xff\xff\xff", 1),
        (b"Exif\0\0", 1),
        (b"", 1),
    ],
)
def test_a_wrong_or_missing_orientation_is_upright(content, orientation):
    assert find_orientation(content) == orientation
