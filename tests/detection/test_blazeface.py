import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from fer.detection.blazeface import MAX_WORK, MIN_REGION, NEAR, NETWORKS, DetectedFace, _BlazeFace, _merge, look_sides
from fer.errors import UserError


def overlap(one, other):
    """Return the intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(0, width) * max(0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return common / (areas - common)


def test_weights_have_the_digests_in_the_notice():
    sums = dict(
        reversed(line.split()[:2])
        for line in (NETWORKS / "NOTICE").read_text().splitlines()
        if ".tflite (" in line[60:]
    )
    assert set(sums) == {path.name for path in NETWORKS.glob("*.tflite")}
    for name, expected in sums.items():
        assert hashlib.sha256((NETWORKS / name).read_bytes()).hexdigest() == expected


def test_one_face_is_found_once(photo, detector):
    faces = detector.detect(photo)
    assert len(faces) == 1
    face = faces[0]
    assert overlap(face.box, (175, 75, 275, 175)) > 0.7
    assert 0.5 < face.score <= 1
    assert face.points.shape == (6, 2)
    right_eye, left_eye, nose, mouth = face.points[:4]
    assert right_eye[0] < nose[0] < left_eye[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < mouth[1]


def test_small_faces_of_a_large_picture_are_found_in_its_pixels(photo, face, detector):
    picture = Image.new("RGB", (2000, 1500), "grey")
    places = [(60, 40), (1380, 120), (200, 920), (1450, 960)]
    for place in places:
        picture.paste(photo, place)
    faces = detector.detect(picture)
    assert len(faces) == 4
    for left, top in places:
        expected = np.array(face.box) + (left, top, left, top)
        assert max(overlap(found.box, expected) for found in faces) > 0.6
    areas = [(found.box[2] - found.box[0]) * (found.box[3] - found.box[1]) for found in faces]
    assert areas == sorted(areas, reverse=True)


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 700), (640, 480), (1200, 900), (5000, 3)])
def test_white_picture_has_no_face(detector, size):
    assert detector.detect(Image.new("RGB", size, "white")) == []


@pytest.mark.parametrize("size", [(48, 48), (640, 480), (1200, 900)])
def test_noise_has_no_face(detector, size):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    assert detector.detect(Image.fromarray(noise)) == []


def test_detector_may_be_shared_between_threads(photo, detector):
    pictures = [photo, photo.crop((120, 30, 350, 260)), photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    pictures = [*pictures, Image.new("RGB", (300, 300), "white")] * 4
    alone = [detector.detect(picture) for picture in pictures[:4]] * 4
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(detector.detect, pictures))
    for one, other in zip(alone, together, strict=True):
        assert [(face.box, face.score) for face in one] == [(face.box, face.score) for face in other]
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first.points, second.points)


@pytest.mark.parametrize(
    "size",
    [(1, 1), (48, 48), (599, 599), (600, 600), (640, 480), (1920, 1080), (4000, 3000), (8000, 6000)]
    + [(30_000, 100), (100, 30_000), (30_000, 1), (50_000, 1000)],
)
def test_large_pictures_are_searched_at_more_scales_within_the_budget(size):
    sides = look_sides(*size)
    assert sides == [sides[0] * 2**step for step in range(len(sides))]
    assert sides[0] == (256 if max(size) < 500 else 384 if max(size) < 800 else 512)
    areas = [max(32, side * min(size) / max(size)) * side for side in (*sides, 2 * sides[-1])]
    *_, work, more = np.cumsum([0, *areas]) / 256**2
    assert work <= MAX_WORK
    assert more > MAX_WORK or max(size) * 256 / (2 * sides[-1]) < MIN_REGION


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (2000, 700)])
def test_small_faces_are_found_at_the_edges(photo, face, detector, size):
    small = photo.crop((140, 30, 340, 230)).resize((100, 100), Image.Resampling.LANCZOS)
    expected = (np.array(face.box) - (140, 30, 140, 30)) / 2
    places = [(0, 0), (size[0] - 100, 0), (0, size[1] - 100), (size[0] - 100, size[1] - 100)]
    picture = Image.new("RGB", size, "grey")
    for place in places:
        picture.paste(small, place)
    faces = detector.detect(picture)
    assert len(faces) == 4
    for left, top in places:
        assert max(overlap(found.box, expected + (left, top, left, top)) for found in faces) > 0.6


def test_boxes_without_an_area_are_merged_without_an_error():
    flat = DetectedFace((10.0, 10.0, 10.0, 30.0), np.zeros((6, 2), np.float32), 0.9)
    assert [face.score for face in _merge([flat, flat])] == [0.9, 0.9]


def test_a_changed_weights_file_is_refused(tmp_path):
    content = bytearray(NEAR.read_bytes())
    content[1000] ^= 1
    (tmp_path / NEAR.name).write_bytes(content)
    with pytest.raises(UserError, match="sha256 .* expected. Received: "):
        _BlazeFace(tmp_path / NEAR.name, threads=1)
