import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageDraw

from fer.faces import MAX_WORK, MIN_REGION, NETWORKS, DetectedFace, crop_face, look_sides
from fer.images import load_image


@pytest.fixture(scope="module")
def photo(astronaut):
    return load_image(astronaut)


@pytest.fixture(scope="module")
def face(photo, detector):
    return detector.detect(photo)[0]


def overlap(one, other):
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(0, width) * max(0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return common / (areas - common)


def correlation(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


POINTS = ((-0.22, -0.22), (0.22, -0.22), (0, 0.01), (0, 0.22), (-0.44, -0.11), (0.44, -0.11))
"""Of a face seen from the front, in sides of its box from the box's centre; rounded medians of FER2013's faces."""


def upright_face(left, top, right, bottom):
    """A detection in a drawn picture, seen from the front."""
    side, middle = right - left, np.array([(left + right) / 2, (top + bottom) / 2])
    return DetectedFace((left, top, right, bottom), (middle + side * np.array(POINTS)).astype(np.float32), 0.9)


def test_networks_are_those_of_the_notice():
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


def test_crop_shows_the_face_as_fer2013_does(photo, face, detector):
    crop = crop_face(photo, face, 48)
    assert (crop.shape, crop.dtype) == ((48, 48), np.uint8)
    large = Image.fromarray(crop_face(photo, face, 200)).convert("RGB")
    again = detector.detect(large)[0]
    right_eye, left_eye = again.points[:2]
    np.testing.assert_allclose((right_eye + left_eye) / 2 / 200, (0.5, 0.39), atol=0.06)
    assert abs(right_eye[1] - left_eye[1]) < 10


@pytest.mark.parametrize("angle", [-60, -20, 0, 20, 45, 180])
@pytest.mark.parametrize("scale", [4, 16])
def test_crop_puts_the_eyes_on_one_level(angle, scale):
    """A grey picture, black where the right eye is and white where the left one is."""
    turn, middle, side = np.radians(angle), 80 * scale, 85 * scale
    across, down = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    points = middle + side * np.array([x * across + y * down for x, y in POINTS])
    picture = Image.new("RGB", (2 * middle, 2 * middle), (128, 128, 128))
    for (x, y), colour in zip(points, ("black", "white"), strict=False):
        ImageDraw.Draw(picture).circle((x - 0.5, y - 0.5), 4 * scale, fill=colour)
    box = (middle - side / 2, middle - side / 2, middle + side / 2, middle + side / 2)
    crop = crop_face(picture, DetectedFace(box, points.astype(np.float32), 0.9), 100)
    for eye, expected in ((crop < 90, (31.5, 39)), (crop > 170, (68.5, 39))):
        rows, columns = np.nonzero(eye)
        np.testing.assert_allclose((columns.mean() + 0.5, rows.mean() + 0.5), expected, atol=2.5)


def test_points_that_no_face_has_do_not_carry_the_crop_away():
    picture = Image.new("RGB", (300, 300), "grey")
    picture.paste("white", (100, 100, 200, 200))
    scattered = np.array([(-900, 80), (900, -700), (500, 900), (-800, 0), (0, 2000), (90, 90)], np.float32)
    assert crop_face(picture, DetectedFace((110, 110, 190, 190), scattered, 0.9), 48).mean() > 200


@pytest.mark.parametrize("angle", [-40, -20, 20, 40])
def test_crop_of_a_tilted_head_is_upright_within_what_training_varies(photo, detector, angle):
    turned = photo.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor="grey")
    crop = Image.fromarray(crop_face(turned, detector.detect(turned)[0], 200)).convert("RGB")
    right_eye, left_eye = detector.detect(crop)[0].points[:2]
    assert abs(np.degrees(np.arctan2(*(left_eye - right_eye)[::-1]))) < 12


def test_crop_does_not_depend_on_the_resolution(photo, face, detector):
    large = photo.resize((2048, 2048), Image.Resampling.LANCZOS)
    found = detector.detect(large)[0]
    np.testing.assert_allclose(np.array(found.box) / 4, face.box, atol=15)
    assert correlation(crop_face(large, found, 48), crop_face(photo, face, 48)) > 0.9


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


def test_crop_repeats_the_pixels_of_the_edge():
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[:, :10] = 255
    crop = crop_face(Image.fromarray(picture), upright_face(-40, 30, 40, 110), 48)
    assert crop.shape == (48, 48)
    assert crop[:, :26].min() > 250
    assert crop[:, 34:].max() < 5


@pytest.mark.parametrize("box", [(-50, -50, 50, 50), (60, 60, 140, 140), (-300, -300, 400, 400), (150, 150, 190, 190)])
@pytest.mark.parametrize("size", [(100, 100), (1, 1), (3, 100)])
def test_crop_beyond_the_edge_has_no_foreign_pixels(box, size):
    crop = crop_face(Image.new("RGB", size, (200, 200, 200)), upright_face(*box), 48)
    assert crop.shape == (48, 48)
    assert set(crop.ravel().tolist()) == {200}


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
def test_looks_are_as_close_as_faces_are_small_within_the_budget(size):
    sides = look_sides(*size)
    assert sides == [sides[0] * 2**step for step in range(len(sides))]
    assert sides[0] == (256 if max(size) < 500 else 384 if max(size) < 800 else 512)
    areas = [max(32, side * min(size) / max(size)) * side for side in (*sides, 2 * sides[-1])]
    *_, work, more = np.cumsum([0, *areas]) / 256**2
    assert work <= MAX_WORK
    assert more > MAX_WORK or max(size) * 256 / (2 * sides[-1]) < MIN_REGION


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (2000, 700)])
def test_small_faces_are_found_at_the_edges_where_they_are(photo, face, detector, size):
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
