import io
import os
import signal
import threading
from contextlib import suppress

import numpy as np
import pytest
from conftest import encode, wait_for
from PIL import Image

from fer.errors import ImageError
from fer.images.decoding import MEMORY, SECONDS, DecodingPool
from fer.images.loading import load_image, note_of

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8))
PNG = encode(PHOTO, "PNG")
JPEG = encode(PHOTO, "JPEG")
LONG_TABLE = b"\xff\xdc\xff\xff" + bytes(65_533)
"""Segment that makes a JPEG an unusual file, and that decoders skip."""


def slow_jpeg():
    """Return a JPEG of a megapixel with almost as many scans as allowed, with `LONG_TABLE`."""
    content = encode(Image.new("RGB", (1000, 1000), "gray"), "JPEG", progressive=True)
    return content[:2] + LONG_TABLE + content[2:-2] + content[content.rindex(b"\xff\xda") : -2] * 580 + b"\xff\xd9"


@pytest.fixture
def pool():
    """Function that makes a `DecodingPool`; all are closed after the test."""
    pools = []

    def make(**limits):
        pools.append(DecodingPool(**limits))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def processes(pool):
    """Return the idle decoder processes of a pool."""
    return [worker._process for worker in pool._idle]


FRAME = JPEG.index(b"\xff\xc0")
UNUSUAL = {
    "arithmetic coding": JPEG.replace(b"\xff\xc0", b"\xff\xc9"),
    "progressive arithmetic coding": JPEG.replace(b"\xff\xc0", b"\xff\xca"),
    "two frames": JPEG[: FRAME + 19] + JPEG[FRAME:],
    "long tables": JPEG[:2] + LONG_TABLE + JPEG[2:],
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_jpegs_of_an_unusual_kind_are_decoded_in_a_process_of_their_own(kind, pool):
    pool = pool(workers=1)
    pool.load_image(io.BytesIO(JPEG))
    assert not processes(pool)
    with suppress(ImageError):
        pool.load_image(io.BytesIO(UNUSUAL[kind]))
    assert processes(pool)


def test_the_pool_has_the_results_and_errors_of_load_image(pool, tmp_path):
    pool, path = pool(workers=1), tmp_path / "photo.png"
    path.write_bytes(PNG)
    pictures = [PNG, encode(PHOTO.convert("RGBA"), "WEBP"), encode(PHOTO, "AVIF"), encode(PHOTO, "GIF"), JPEG]
    for source in (path, str(path), *map(io.BytesIO, pictures)):
        expected = load_image(source)
        if isinstance(source, io.BytesIO):
            source.seek(0)
        answer = pool.load_image(source)
        assert (answer.mode, answer.size) == (expected.mode, expected.size)
        assert answer.tobytes() == expected.tobytes()
    for content in (b"", b"text", PNG[:100], JPEG[:1000]):
        with pytest.raises(ImageError) as ours:
            load_image(io.BytesIO(content), "a.png")
        with pytest.raises(ImageError) as theirs:
            pool.load_image(io.BytesIO(content), "a.png")
        assert str(theirs.value) == str(ours.value)
    for source, name, most in ((path, None, 10), (tmp_path / "gone.png", "gone", 1e6)):
        with pytest.raises(ImageError) as ours:
            load_image(source, name, most)
        with pytest.raises(ImageError) as theirs:
            pool.load_image(source, name, most)
        assert str(theirs.value) == str(ours.value)
    assert len(processes(pool)) == 1


def test_only_unusual_files_start_a_process(pool):
    pool = pool()
    pool.load_image(io.BytesIO(JPEG), "photo.jpg")
    assert not processes(pool)
    pool.load_image(io.BytesIO(JPEG[:2] + LONG_TABLE + JPEG[2:]), "odd.jpg")
    assert len(processes(pool)) == 1


def test_notes_are_returned_from_processes(pool):
    pool = pool()
    for content in (JPEG[:-2], JPEG[:2] + LONG_TABLE + JPEG[2:-2]):
        assert note_of(pool.load_image(io.BytesIO(content), "short.jpg")) == "The file lacks its last bytes."
    assert len(processes(pool)) == 1
    assert not note_of(pool.load_image(io.BytesIO(PNG), "a.png"))


def test_a_picture_that_takes_too_long_is_refused_and_others_are_decoded_meanwhile(pool):
    pool = pool(seconds=0.01)  # Much less than this picture takes on a fast machine.
    pool.warm_up()
    (first,) = processes(pool)
    pool._limits = SECONDS, MEMORY  # Those of the next process: on a slow machine, small pictures take longer too.
    first.send_signal(signal.SIGSTOP)  # Stopped, so that decoding takes as long as the test needs.
    errors = []

    def attack():
        with pytest.raises(ImageError) as error:
            pool.load_image(io.BytesIO(slow_jpeg()), "slow.jpg")
        errors.append(str(error.value))

    thread = threading.Thread(target=attack)
    thread.start()
    wait_for(lambda: not processes(pool))  # The process is in use.
    assert pool.load_image(io.BytesIO(PNG), "a.png").size == PHOTO.size
    assert not errors
    first.send_signal(signal.SIGCONT)
    thread.join()
    assert errors == ["slow.jpg: pictures may take at most 0.01 seconds to decode."]
    assert first.poll() == -signal.SIGALRM
    assert pool.load_image(io.BytesIO(PNG), "a.png").size == PHOTO.size


def test_a_picture_that_takes_too_much_memory_is_refused(pool):
    content = encode(Image.new("1", (7000, 7000)), "PNG")
    pool = pool(memory=250_000_000)
    with pytest.raises(ImageError, match=r"^large\.png: the picture takes too much memory to be decoded\.$"):
        pool.load_image(io.BytesIO(content), "large.png")
    assert pool.load_image(io.BytesIO(PNG), "a.png").size == PHOTO.size


def test_large_pictures_are_decoded_one_at_a_time_and_small_ones_meanwhile(pool, monkeypatch):
    monkeypatch.setattr("fer.images.decoding.LARGE_PIXELS", 10_000)
    # The JPEG is decoded in this process, the PNG in a decoder process.
    large = [encode(PHOTO.resize((200, 100)), kind) for kind in ("JPEG", "PNG")]
    pool, read, second = pool(), [], threading.Event()

    def another():
        second.set()
        read.append(pool.load_image(io.BytesIO(large[1]), "b"))

    for content in large:
        image = pool.load_image(io.BytesIO(content), "a")
        again = pool.load_image(io.BytesIO(content), "a")  # A thread that holds a large picture may load another one.
        thread = threading.Thread(target=another)
        thread.start()
        second.wait()
        assert pool.load_image(io.BytesIO(PNG), "small").size == PHOTO.size
        thread.join(0.1)
        assert not read
        del image
        assert not read
        del again
        thread.join()
        assert read.pop().size == (200, 100)
    with pytest.raises(ImageError):
        pool.load_image(io.BytesIO(large[1][:-100]), "cut")
    assert pool.load_image(io.BytesIO(large[1]), "b").size == (200, 100)


def test_a_killed_process_is_replaced(pool):
    pool = pool()
    pool.warm_up()
    (process,) = processes(pool)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    assert pool.load_image(io.BytesIO(PNG), "a.png").size == PHOTO.size
    (other,) = processes(pool)
    pool.close()
    assert other.poll() is not None
