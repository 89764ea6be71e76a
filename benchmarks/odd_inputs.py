"""Generators of malformed inputs: damaged small pictures, zips and clips, and files that take much time or memory.

The public functions take a `random.Random`, which alone determines the result.
"""

import io
import re
import struct
import tempfile
import warnings
import zipfile
import zlib
from functools import cache
from pathlib import Path

import av
import numpy as np
from PIL import Image
from pillow_heif import register_heif_opener

EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Numbers at the limits of integer types, at which programs often fail."""
NAMES = ("a.png", "../../a.png", "/a.png", "C:\\a.png", "a\nb.png", "=1+1.png", "\N{FACE WITH TEARS OF JOY}.png",
         "a" * 300 + ".png", ".a.png", "__MACOSX/a.png", "", "notes.txt", "suffixless")  # fmt: skip
"""Names of files in a zip."""
START = 33, 64
"""End of the first chunk of a PNG, and number of bytes at the beginning of a file that hold its sizes."""


def photo(random):
    """Return a small picture in a supported format, damaged in most cases."""
    content = random.choice(_photos())
    return content if random.random() < 0.05 else damage(random, content, _photos())


def bomb(random):
    """Return a picture whose file is small, but which takes much time or memory to decode."""
    return random.choice(BOMBS)(random)


def archive(random):
    """Return a zip of small files, with odd names, compressions and sizes, or with another zip in it, or damaged."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped, warnings.catch_warnings(action="ignore"):  # Names may be duplicates.
        for number in range(random.choice((0, 1, 1, 2, 3, 3, 40))):
            packing = random.choice(
                (zipfile.ZIP_STORED, *3 * (zipfile.ZIP_DEFLATED,), zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
            )
            info = zipfile.ZipInfo(f"{number}.png")
            info.filename = random.choice(NAMES) if random.random() < 0.4 else info.filename
            info.compress_type, info.extra = packing, random.randbytes(random.choice((0, 0, 0, 4, 20)))
            content = (
                photo(random) if random.random() < 0.8 else random.choice((b"", b"text", bytes(3_000_000), _zip()))
            )
            with zipped.open(info, "w", force_zip64=random.random() < 0.2) as member:
                member.write(content)
        zipped.comment = random.randbytes(random.choice((0, 0, 10, 65_535)))
    content = file.getvalue()
    if random.random() < 0.3:
        return content
    if random.random() < 0.5:
        # Change a field of a header (size, method, version, flag, offset); a random flip mostly hits the pictures.
        places = [match.start() for match in re.finditer(b"PK(?:\1\2|\3\4|\5\6|\6\6|\6\7)", content)]
        return _put_number(random, content, random.choice(places) + random.randrange(4, 46))
    return damage(random, content, [_zip()])


def clip(random):
    """Return a clip of ten small frames in a supported format, damaged in most cases."""
    content = random.choice(small_clips())
    return content if random.random() < 0.05 else damage(random, content, small_clips())


def picture(random):
    """Return a PIL image of mode RGB with an odd shape or content."""
    width, height = random.choice(((1, 1), (1, 3000), (3000, 1), (2, 2), (47, 49), (300, 200), (900, 20), (640, 480)))
    kind = random.randrange(4)
    if kind == 0:
        return Image.new("RGB", (width, height), random.choice(("black", "white", "red")))
    if kind == 1:
        return Image.frombytes("RGB", (width, height), random.randbytes(3 * width * height))
    if kind == 2:
        return _face().resize((width, height))
    return mosaic(random.choice((2, 5, 12)), random.choice((20, 45)))


def mosaic(count, side):
    """Return a picture of `count` by `count` faces, each with `side` pixels per side."""
    picture, face = Image.new("RGB", (count * side, count * side)), _face().resize((side, side))
    for number in range(count * count):
        picture.paste(face, (number % count * side, number // count * side))
    return picture


def encode(image, kind, **options):
    """Return the content of a file of a PIL image; `kind` is Pillow's name of the format."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def damage(random, content, others):
    """Return a file with changed bytes, a changed number, a cut, or a piece of another file."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        size = max(1, len(content))
        start = random.randrange(size if random.random() < 0.5 else min(size, START[1]))
        match random.randrange(5):
            case 0:
                changed = bytearray(content)
                for place in [random.randrange(size) for _ in range(random.choice((1, 5, 50)))]:
                    changed[place : place + 1] = [random.randrange(256)]
                content = bytes(changed)
            case 1 | 2:
                content = _put_number(random, content, start)
            case 3:
                content = content[: random.randrange(size)]
            case 4:
                other = random.choice([content, *others])
                begin = random.randrange(max(1, len(other)))
                piece = other[begin : begin + random.randrange(400)] * random.choice((1, 1, 30))
                content = content[:start] + piece + content[start + random.choice((0, len(piece))) :]
    if content.startswith(b"\x89PNG") and random.random() < 0.7:
        content = _mend_checksums(content)
    return content


def jpeg_scans(random, side=None, count=None):
    """Return a progressive JPEG that repeats its last scan, up to 100,000 times."""
    side, count = side or random.choice((64, 1000, 4000, 6900)), count or random.choice((20, 500, 1900, 100_000))
    content = _even("JPEG", side, progressive=True)
    return content[:-2] + content[content.rindex(b"\xff\xda") : -2] * count + content[-2:]


def _jpeg_padding(random):
    content = _photos()[0]
    return content[:2] + b"\xff" * random.choice((1000, 60_000, 100_000, 7_000_000)) + content[2:]


def _jpeg_metadata(random):
    """Return a JPEG with metadata that take long to parse, or much memory."""
    tags = b"".join(struct.pack("<HHII", 1000 + number, 7, 65_000, 0) for number in range(5400))
    block = b"II*\0" + struct.pack("<IH", 8, 5400) + tags
    kind, data, count = random.choice((
        (0xE1, b"Exif\0\0" + block, random.choice((1, 5))),
        (0xE2, b"MPF\0" + block, 1),
        (0xE1, b"Exif\0\0" * 10_000, 300),
        (0xE1, b"Exif\0\0" + bytes(10_000), 1900),
        (0xE1, b"Exif\0\0", 100_000),
    ))  # fmt: skip
    metadata = (bytes((0xFF, kind)) + struct.pack(">H", len(data) + 2) + data) * count
    # Behind 0xD9 and 0xF0 libjpeg reads nothing, but Pillow would.
    before = random.choice((b"", b"", b"\xff\xd9", b"\xff\xf0" + struct.pack(">H", min(65_535, len(metadata) + 2))))
    content = _photos()[0]
    return content[:2] + before + metadata + content[2:]


def _gif_comments(random):
    content, count = _even("GIF", 40), random.choice((900, 3900, 100_000, 2_000_000))
    frame = content.index(b",", 13 + 3 * 2 ** (content[10] % 8 + 1))
    comments = random.choice((b"!\xfe\x01c\0" * count, b"!\xfe" + (b"\xff" + b"c" * 255) * min(count, 70_000) + b"\0"))
    return content[:frame] + comments + content[frame:]


def _png_chunks(random):
    chunk = _chunk(random.choice((b"aaAa", b"tEXt", b"zTXt", b"iTXt")), b"a\0\0" + zlib.compress(bytes(900)))
    content = _even("PNG", 40)
    return content[: START[0]] + chunk * random.choice((1000, 19_000, 400_000)) + content[START[0] :]


def _png_texts(random):
    """Return a PNG with a compressed text, or a colour profile, of 100 MB."""
    kind = random.choice((b"zTXt", b"iCCP"))
    content = _even("PNG", 40)
    return content[: START[0]] + _chunk(kind, b"a\0\0" + _zeros()) * random.choice((1, 50)) + content[START[0] :]


def _bmp_runs(random):
    width, height = random.choice(((10, 10), (7000, 7000), (1, 40_000_000), (65_535, 700)))
    runs = random.choice((b"\1\0", b"\0\0", b"\0\2\1\1", b"\xff\0", b"\0\xff")) * random.choice(
        (10_000, 400_000, 3_000_000)
    )
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(runs), 0, 0, 1078) + header + bytes(1024) + runs


def _tiff_parts(random):
    """Return a TIFF of a few pixels in strips or tiles of up to 2 GB."""
    side, part = random.choice((16, 700, 6000)), random.choice((16, 4096, 26_000, 65_520, 0x7FFFFFF0))
    data = zlib.compress(bytes(10 ** random.choice((3, 6, 8))), 1)
    tags = [
        (256, 4, side),
        (257, 4, side),
        (258, 3, 8),
        (259, 3, random.choice((1, 5, 8, 32_773))),
        (262, 3, 1),
        (277, 3, 1),
    ]
    if random.random() < 0.5:
        tags += [(322, 4, part), (323, 4, part), (324, 4, 8), (325, 4, len(data))]
    else:
        tags += [(273, 4, 8), (278, 4, part), (279, 4, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(tags))
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def _large(random):
    """Return a picture with 50 megapixels of one colour."""
    kind, options = random.choice((("PNG", {}), ("GIF", {}), ("WEBP", {"lossless": True, "method": 0}), ("JPEG", {}),
                                   ("TIFF", {"compression": "tiff_lzw"}), ("JPEG", {"progressive": True})))  # fmt: skip
    return _even(kind, 7000, **options)


BOMBS = (
    *(jpeg_scans, _jpeg_padding, _jpeg_metadata, _gif_comments, _png_chunks, _png_texts, _bmp_runs),
    *(_tiff_parts, _tiff_parts, _large),
)


def _put_number(random, content, place):
    size, order = random.choice((1, 2, 4, 4)), random.choice(("little", "big"))
    number = random.choice((*EDGES, random.getrandbits(32))) % 256**size
    return content[:place] + number.to_bytes(size, order) + content[place + size :]


def _chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _mend_checksums(content):
    """Return a PNG with correct checksums: otherwise the decoder would reject a damaged chunk before it reads it."""
    parts, place = [content[:8]], 8
    while place + 12 <= len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4], "big")
        if end + 4 > len(content):
            break
        parts.append(_chunk(content[place + 4 : place + 8], content[place + 8 : end]))
        place = end + 4
    return b"".join([*parts, content[place:]])


@cache
def _photos():
    register_heif_opener()
    noise = np.random.default_rng(0).integers(0, 256, (36, 48, 4), dtype=np.uint8)
    image, exif = Image.fromarray(noise[..., :3]), Image.Exif()
    clear, exif[0x0112], exif[0x010F] = Image.fromarray(noise), 6, "maker"
    deep = Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    files = [encode(image, kind, exif=exif) for kind in ("JPEG", "MPO", "PNG", "WEBP", "HEIF", "AVIF", "TIFF")]
    files += [encode(image.convert(mode), "PNG") for mode in ("1", "L", "P", "LA", "RGBA")]
    files += [encode(image.convert(mode), "JPEG", progressive=True) for mode in ("L", "CMYK", "RGB")]
    files += [encode(image.convert(mode), "BMP") for mode in ("1", "L", "P", "RGB", "RGBA")]
    files += [encode(clear, kind) for kind in ("WEBP", "HEIF", "AVIF", "TIFF")]
    files += [encode(deep, kind) for kind in ("PNG", "TIFF")]
    files += [encode(image, "TIFF", compression=f"tiff_{how}") for how in ("lzw", "adobe_deflate", "jpeg")]
    files += [encode(image, "TIFF", compression="packbits"), encode(image.convert("1"), "TIFF", compression="group4")]
    files += [encode(image, kind, save_all=True, append_images=[clear]) for kind in ("GIF", "WEBP", "PNG")]
    return [*files, encode(image, "WEBP", lossless=True), encode(Image.fromarray(noise[..., 0].astype("f4")), "TIFF")]


@cache
def small_clips():
    """Return the contents of clips of ten frames, one per format."""
    clips, noise = [], np.random.default_rng(0).integers(0, 256, (10, 48, 64, 3), dtype=np.uint8)
    kinds = (("mp4", "libx264"), ("matroska", "libx264"), ("mpegts", "libx264"), ("webm", "libvpx"),
             ("avi", "mpeg4"), ("mov", "mjpeg"), ("mpegts", "mpeg2video"))  # fmt: skip
    for kind, codec in kinds:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "clip")
            with av.open(str(path), "w", format=kind) as container:
                stream = container.add_stream(codec, rate=25)
                stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p" if codec == "mjpeg" else "yuv420p"
                for frame in noise:
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
                container.mux(stream.encode(None))
            clips.append(path.read_bytes())
    return clips


@cache
def _even(kind, side, **options):
    return encode(Image.new("L", (side, side), 128), kind, **options)


@cache
def _zeros():
    return zlib.compress(bytes(100_000_000), 1)


@cache
def _zip():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("a.png", _photos()[2])
    return file.getvalue()


@cache
def _face():
    with Image.open(Path(__file__).parents[1] / "examples" / "astronaut.jpg") as image:
        return image.convert("RGB").crop((150, 20, 310, 180))
