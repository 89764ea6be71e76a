import io
import re
import struct
import warnings
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import encode
from PIL import Image, TiffImagePlugin
from pillow_heif import register_heif_opener

from fer.errors import ImageError
from fer.images.bounds import MAX_SCAN_PIXELS
from fer.images.formats import find_formats, pick_pictures
from fer.images.jpeg import outline_jpeg
from fer.images.loading import FIRST_PAGE, KIND, MAX_PIXELS, load_grey, load_image, note_of, to_image


def png_header(width, height):
    """Return a PNG whose header declares a 1-bit picture of that size, and which has no pixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def flip(content, position):
    return content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]


register_heif_opener()  # To encode HEIF.
PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8))
PNG = encode(PHOTO, "PNG")
PNG_CHUNK = bytes(4) + b"aaAa" + struct.pack(">I", zlib.crc32(b"aaAa"))
JPEG = encode(PHOTO, "JPEG")
WEBP = encode(PHOTO, "WEBP")
HEIC = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(200)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"

UNREADABLE = {
    "truncated.jpg": (JPEG[: len(JPEG) // 4], "damaged or incomplete"),
    "truncated.png": (PNG[: len(PNG) // 2], "damaged or incomplete"),
    "truncated.webp": (WEBP[: len(WEBP) // 2], "damaged or incomplete"),
    "broken_data.png": (flip(PNG, PNG.index(b"IDAT") + 20), "damaged or incomplete"),
    "broken_checksum.png": (flip(PNG, PNG.index(b"IHDR") + 18), "not a picture"),
    "truncated.tif": (encode(PHOTO, "TIFF")[:100], "not a picture"),
    "text.jpg": (b"I am no picture.\n", "not a picture"),
    "phone.heic": (HEIC, "send JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF"),
    "program.eps": (EPS, "not a picture"),
    "empty.jpg": (b"", "the file is empty"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_file_is_refused_in_one_sentence_with_its_name(tmp_path, name):
    content, reason = UNREADABLE[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ImageError) as error:
        load_image(path)
    assert str(error.value).startswith(f"{path}: ")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_message_of_a_library_in_two_lines_becomes_one_sentence():
    with pytest.raises(ImageError, match=r"^cut\.heic: the picture is damaged or incomplete \(.*bounds.*\)\.$"):
        load_image(io.BytesIO(encode(PHOTO, "HEIF")[:-50]), "cut.heic")


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_file_object_is_refused_with_the_given_name(name):
    with pytest.raises(ImageError, match=f"^{name}: .*\\.$"):
        load_image(io.BytesIO(UNREADABLE[name][0]), name)


def smooth(size=(320, 240)):
    """Return a picture whose rows all differ, unlike the rows with which decoders fill missing data."""
    across, down = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    return Image.fromarray(np.stack([across % 256, down % 256, (across + down) % 256], axis=-1).astype(np.uint8))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_last_bytes_is_loaded_with_a_note(progressive):
    whole = encode(smooth(), "JPEG", quality=90, progressive=progressive)
    image, short = load_image(io.BytesIO(whole), "a"), load_image(io.BytesIO(whole[:-2]), "a")
    assert note_of(image) == ""
    assert note_of(short) == "The file lacks its last bytes."
    np.testing.assert_array_equal(np.asarray(short), np.asarray(image))


def test_the_note_says_how_much_of_a_jpeg_is_missing_up_to_half():
    whole = encode(smooth(), "JPEG", quality=90, exif=turned(6))
    image = load_image(io.BytesIO(whole[: len(whole) * 4 // 5]), "a")
    assert image.size == (240, 320)  # Rotated by its EXIF orientation.
    assert re.fullmatch(r"The file lacks its last bytes, and with them (1\d|2\d)% of the picture\.", note_of(image))
    with pytest.raises(ImageError, match=r"^a: the picture is damaged or incomplete \(.*\)\.$"):
        load_image(io.BytesIO(whole[: len(whole) // 4]), "a")


def turned(orientation):
    """Return EXIF data with an orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ImageError, match=r"gone\.jpg: no such file\.$"):
        load_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="a folder, not a picture"):
        load_image(str(tmp_path))


@pytest.mark.parametrize("size", [(7100, 7100), (10_000, 10_000), (30_000, 30_000), (1_000_000, 1_000_000)])
def test_a_huge_picture_is_refused_before_it_is_decoded(size):
    with pytest.raises(ImageError, match=r"bomb\.png: pictures may have at most 50 megapixels"):
        load_image(io.BytesIO(png_header(*size)), "bomb.png")


def test_damaged_files_are_loaded_or_refused_without_a_crash():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    small = PHOTO.resize((16, 16))
    files = [encode(small, kind, exif=exif) for kind in ("JPEG", "PNG", "WEBP", "AVIF")]
    files += [encode(small, kind) for kind in ("GIF", "BMP", "TIFF")]
    random = np.random.default_rng(0)
    read = refused = 0
    for content in files:
        for _ in range(80):
            garbled = bytearray(content)
            for position in random.integers(0, min(len(garbled), 300), 3):
                garbled[position] = random.integers(256)
            try:
                assert load_image(io.BytesIO(garbled), "garbled").mode == "RGB"
                read += 1
            except ImageError:
                refused += 1
    assert read > 20
    assert refused > 20


def test_a_picture_of_one_pixel_is_loaded(tmp_path):
    path = tmp_path / "pixel.png"
    Image.new("RGB", (1, 1), (10, 20, 30)).save(path)
    image = load_image(path)
    assert (image.mode, image.size, image.getpixel((0, 0))) == ("RGB", (1, 1), (10, 20, 30))


def test_paths_and_files_give_the_same_picture(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(PNG)
    with path.open("rb") as file:
        images = [load_image(path), load_image(str(path)), load_image(file), load_image(io.BytesIO(PNG), "upload")]
    for image in images:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(PHOTO))


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "BMP", "TIFF"])
def test_a_format_is_recognized_by_its_content(kind):
    options = {"save_all": True, "append_images": [PHOTO]} if kind == "MPO" else {}
    content = encode(PHOTO, kind, **options)
    assert find_formats(content[:32])
    image = load_image(io.BytesIO(content), "without a suffix")
    assert (image.mode, image.size) == ("RGB", PHOTO.size)
    # Lossy formats change noise by up to 48; a mirrored picture would differ by 75 to 86.
    assert np.abs(np.asarray(image, float) - np.asarray(PHOTO)).mean() < 60


@pytest.mark.parametrize(
    "head", [b"", b"BM is how this text begins, not a bitmap", b"....ftypqt  ", b"....ftypisom", EPS]
)
def test_other_files_are_not_recognized_as_pictures(head):
    assert not find_formats(head[:32])


def test_pictures_are_selected_by_content_and_other_files_are_counted():
    heads = {
        "a": PNG,
        "b.dat": JPEG,
        "c.txt": b"text",
        "d.TXT": b"",
        "e.tar.gz": b"x",
        "f.jpg": b"never asked",
        ".g": PNG,
    }
    asked = []

    def read_head(name):
        asked.append(name)
        return heads[name][:32]

    pictures, left_out = pick_pictures(list(heads), read_head)
    assert pictures == ["a", "b.dat", "f.jpg"]
    assert left_out == {".txt": 2, ".gz": 1}
    assert "f.jpg" not in asked


def many_scans(size, count, before=b""):
    """Return a progressive JPEG that repeats its last scan."""
    content = encode(Image.new("RGB", size, "gray"), "JPEG", progressive=True)
    return content[:-2] + before + content[content.rindex(b"\xff\xda") : -2] * count + b"\xff\xd9"


def arithmetic_scans(size, count):
    """Return an arithmetic-coded progressive JPEG with empty scans, which declares a second frame of one pixel."""
    frame = struct.pack(">HBHHBBBB", 11, 8, *size[::-1], 1, 1, 0x11, 0)
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 63, 0) + b"\0"
    false = b"\xff\xc0" + struct.pack(">HBHHBBBB", 11, 8, 1, 1, 1, 1, 0x11, 0)
    table = b"\xff\xdb\x00\x43\x00" + b"\1" * 64
    return b"\xff\xd8" + table + b"\xff\xca" + frame + scan * count + false + b"\xff\xd9"


GIF = encode(PHOTO.convert("P"), "GIF")
FRAME = 13 + 3 * 256
BMP_START = struct.pack("<2sIHHIIiiHHI", b"BM", 0, 0, 0, 1078, 40, 7000, 7000, 1, 8, 1) + bytes(1044)
EXPENSIVE = {
    "scans of a small picture": (many_scans((64, 64), 100_000), "a JPEG may have at most 2000 segments"),
    "scans of a large one": (many_scans((1000, 1000), 700), "a JPEG of this size may have at most 600 scans"),
    "scans after an end in a comment": (
        many_scans((1000, 1000), 700, before=b"\xff\xfe\x00\x04\xff\xd9"),
        "a JPEG of this size may have at most 600 scans",
    ),
    "scans with arithmetic coding": (
        arithmetic_scans((4000, 4000), 100),
        "a JPEG of this size may have at most 37 scans",
    ),
    "JPEG segments": (
        JPEG[:2] + b"\xff\xe5\x00\x02" * 4_000_000 + JPEG[2:],
        "a JPEG may have at most 2000 segments",
    ),
    "a GIF comment": (
        GIF[:FRAME] + b"!\xfe" + (b"\xff" + b"c" * 255) * 70_000 + b"\0" + GIF[FRAME:],
        "a GIF may have at most 4000 blocks",
    ),
    "GIF comments": (GIF[:FRAME] + b"!\xfe\x01c\0" * 3_000_000 + GIF[FRAME:], "a GIF may have at most 4000 blocks"),
    "runs of a BMP": (
        BMP_START + b"\1\0" * 1_500_000,
        "a run-length encoded BMP may have at most 2 MB",
    ),
    "PNG chunks": (PNG[:33] + PNG_CHUNK * 1_500_000 + PNG[33:], "a PNG may have at most 20000 blocks"),
}


@pytest.mark.parametrize("kind", EXPENSIVE)
def test_a_picture_that_is_expensive_to_decode_is_refused_before_decoding(kind, monkeypatch):
    content, rule = EXPENSIVE[kind]
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(ImageError, match=f"^a: {rule}.*\\. Received: "):
        load_image(io.BytesIO(content), "a")


def test_reasonable_numbers_of_blocks_are_accepted():
    gif = GIF[:FRAME] + (b"!\xfe\x01c\0") * 1000 + GIF[FRAME:]
    for content in (gif, PNG[:33] + PNG_CHUNK * 1000 + PNG[33:], JPEG[:2] + b"\xff" * 1000 + JPEG[2:]):
        assert load_image(io.BytesIO(content), "a").size == PHOTO.size


def test_an_ordinary_progressive_jpeg_of_the_largest_size_is_accepted():
    outline = outline_jpeg(encode(PHOTO, "JPEG", progressive=True))
    assert outline.pixels == 64 * 96
    assert outline.scans * MAX_PIXELS <= MAX_SCAN_PIXELS


HALF_RED = (255, 127, 127)

COLOURS = {
    "grey": (encode(Image.new("L", (4, 4), 77), "PNG"), (77, 77, 77)),
    "one bit": (encode(Image.new("1", (4, 4), 1), "PNG"), (255, 255, 255)),
    "CMYK JPEG": (encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"), (255, 0, 0)),
    "grey with alpha": (encode(Image.new("LA", (4, 4), (0, 128)), "PNG"), (127, 127, 127)),
    "transparent": (encode(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "PNG"), (255, 255, 255)),
    "half transparent": (encode(Image.new("RGBA", (4, 4), (255, 0, 0, 128)), "PNG"), HALF_RED),
    "opaque": (encode(Image.new("RGBA", (4, 4), (1, 2, 3, 255)), "PNG"), (1, 2, 3)),
    "colour key": (encode(Image.new("RGB", (4, 4), (9, 9, 9)), "PNG", transparency=(9, 9, 9)), (255, 255, 255)),
}


@pytest.mark.parametrize("kind", COLOURS)
def test_all_modes_become_rgb_on_white(kind):
    content, expected = COLOURS[kind]
    image = load_image(io.BytesIO(content), kind)
    assert image.mode == "RGB"
    np.testing.assert_allclose(image.getpixel((1, 1)), expected, atol=2)


def test_a_transparent_colour_of_a_palette_becomes_white():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image = load_image(io.BytesIO(encode(image, "PNG", transparency=0)), "palette.png")
    assert [image.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (0, 0, 255)]


@pytest.mark.parametrize(("meaning", "grey"), [(0, [255, 127, 0]), (1, [0, 127, 255])])
def test_the_smallest_value_of_a_16_bit_tiff_may_be_white(meaning, grey):
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 32_767, 65_535]], np.uint16)).save(file, "TIFF", tiffinfo={262: meaning})
    photo = np.asarray(load_image(io.BytesIO(file.getvalue()), "a.tif"))[0, :, 0]
    np.testing.assert_allclose(photo, grey, atol=1)


def test_grey_of_12_bits_is_scaled_by_its_own_range():
    """It was decoded as 16 bits, almost black."""
    values = [0, 1000, 2048, 4095]
    packed = int("".join(f"{value:012b}" for value in values), 2).to_bytes(6, "big")
    tags = {256: 4, 257: 1, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 6}
    entries = b"".join(struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, tags[tag]) for tag in tags)
    content = b"II*\0" + struct.pack("<I", 14) + packed + struct.pack("<H", len(tags)) + entries + bytes(4)
    photo = load_image(io.BytesIO(content), "a.tif")
    np.testing.assert_allclose(np.asarray(photo)[0, :, 0], [value * 255 / 4095 for value in values], atol=1)


def test_the_transparent_value_of_a_16_bit_png_becomes_white():
    content = encode(Image.fromarray(np.array([[0, 300, 301, 65_535]], np.uint16)), "PNG", transparency=300)
    photo = load_image(io.BytesIO(content), "a.png")
    assert [photo.getpixel((x, 0))[0] for x in range(4)] == [0, 255, 1, 255]


@pytest.mark.parametrize(("alphas", "expected"), [((0, 0), (30, 20)), ((0, 255), (255, 20))])
def test_the_fourth_channel_of_a_bmp_is_no_transparency_if_it_is_0_everywhere(alphas, expected):
    """Such a picture became wholly white."""
    pixels = b"".join(bytes([value, value, value, alpha]) for value, alpha in zip((30, 20), alphas, strict=True))
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII4I", 108, 2, 1, 1, 32, 3, len(pixels), 0, 0, 0, 0, *masks) + bytes(52)
    content = struct.pack("<2sIHHI", b"BM", 122 + len(pixels), 0, 0, 122) + header + pixels
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == "RGBA"
    photo = load_image(io.BytesIO(content), "a.bmp")
    assert tuple(photo.getpixel((x, 0))[0] for x in (0, 1)) == expected


@pytest.mark.parametrize("image_format", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_by_its_format_and_not_by_its_content(image_format):
    bright = Image.fromarray(np.array([[0, 200, 32_768, 65_535]], np.uint16))
    dark = Image.fromarray(np.array([[0, 200, 250, 255]], np.uint16))
    bright, dark = (load_image(io.BytesIO(encode(image, image_format)), "grey") for image in (bright, dark))
    assert [bright.getpixel((x, 0))[0] for x in range(4)] == [0, 0, 127, 255]
    assert [dark.getpixel((x, 0)) for x in range(4)] == [(0, 0, 0)] * 4


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_grey_of_32_bits_is_refused_in_a_file_and_clipped_in_an_image(kind):
    image = Image.fromarray(np.array([[0, 100, 70_000]], kind))
    with pytest.raises(ImageError, match=r"^a\.tif: grey pictures may have 8 or 16 bits per pixel. Received: 32$"):
        load_image(io.BytesIO(encode(image, "TIFF")), "a.tif")
    assert [to_image(image).getpixel((x, 0))[0] for x in (0, 2)] == [0, 255]


def test_a_raw_file_of_a_camera_is_refused_instead_of_its_preview():
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[KIND] = 1
    content = encode(PHOTO, "TIFF", tiffinfo=tags, save_all=True, append_images=[PHOTO.resize((600, 400))])
    with pytest.raises(ImageError, match=r"^a\.nef: a camera's raw file, of which only a small preview can be read;"):
        load_image(io.BytesIO(content), "a.nef")


def test_a_note_says_that_only_the_first_page_of_a_tiff_was_read():
    second = PHOTO.resize((6, 4))
    several = encode(PHOTO, "TIFF", save_all=True, append_images=[second])
    assert note_of(load_image(io.BytesIO(several), "a")) == FIRST_PAGE
    assert note_of(load_image(io.BytesIO(encode(PHOTO, "TIFF")), "a")) == ""
    for kind in (1, 4):  # A preview, and a mask.
        second.encoderinfo = {"tiffinfo": {KIND: kind}}
        content = encode(PHOTO, "TIFF", save_all=True, append_images=[second])
        assert note_of(load_image(io.BytesIO(content), "a")) == ""
    start = struct.unpack("<I", several[4:8])[0]
    (entries,) = struct.unpack_from("<H", several, start)
    (place,) = struct.unpack_from("<I", several, start + 2 + 12 * entries)  # That of the second page.
    damaged = load_image(io.BytesIO(several[:place]), "a")
    assert (damaged.size, note_of(damaged)) == (PHOTO.size, "")


@pytest.mark.parametrize(("image_format", "options"), [("GIF", {}), ("WEBP", {"lossless": True})])
def test_the_first_frame_of_an_animation_is_loaded(image_format, options):
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    content = encode(red, image_format, save_all=True, append_images=[blue], **options)
    with Image.open(io.BytesIO(content)) as animation:
        assert animation.n_frames == 2
    assert load_image(io.BytesIO(content), "animation").getpixel((4, 4)) == (255, 0, 0)


def test_file_objects_must_be_binary_and_not_too_large(tmp_path):
    assert load_image(io.BytesIO(PNG), "a", len(PNG)).size == PHOTO.size
    with pytest.raises(ImageError, match=r"^a: pictures may have at most 0\.001 MB\. Received: more$"):
        load_image(io.BytesIO(PNG), "a", 1000)
    parts = iter([bytearray(PNG[:100]), PNG[100:], b""])  # A file without a buffer, such as a pipe.
    assert load_image(SimpleNamespace(read=lambda size: next(parts)), "a", 10**6).size == PHOTO.size
    with pytest.raises(ImageError, match=r"^a: the picture is damaged or incomplete \(it ends before its pixels\)\.$"):
        load_image(io.BytesIO(JPEG[:2] + b"\xff\xe1\xff\xff" + bytes(100)), "a")
    with pytest.raises(ImageError, match="opened in binary mode. Received: StringIO"):
        load_image(io.StringIO("text"), "a")
    (tmp_path / "photo.png").write_bytes(PNG)
    with open(tmp_path / "photo.png", encoding="utf-8") as file, pytest.raises(ImageError, match="Received: text"):
        load_image(file, "a")


def test_load_grey_returns_a_square_of_the_requested_size(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(PNG)
    grey = load_grey(path, 48)
    assert (grey.shape, grey.dtype) == ((48, 48), np.uint8)
    drawn = np.arange(48 * 48, dtype=np.uint32).astype(np.uint8).reshape(48, 48)
    np.testing.assert_array_equal(load_grey(io.BytesIO(encode(Image.fromarray(drawn), "PNG")), 48, "same"), drawn)


def test_filters_for_warnings_of_other_threads_are_kept():
    class Source(io.BytesIO):
        def read(self, *size):
            warnings.filterwarnings("ignore", "of another thread")
            return super().read(*size)

    load_image(Source(encode(Image.new("RGB", (8, 8)), "PNG")))
    warnings.warn("of another thread", stacklevel=1)
