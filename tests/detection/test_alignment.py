import numpy as np
import pytest
from PIL import Image, ImageDraw

from fer.detection.alignment import crop_face
from fer.detection.blazeface import DetectedFace


def correlation(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


POINTS = ((-0.22, -0.22), (0.22, -0.22), (0, 0.01), (0, 0.22), (-0.44, -0.11), (0.44, -0.11))
"""Landmarks of a frontal face relative to the centre of its box, in sides of the box; rounded medians of FER2013."""


def upright_face(left, top, right, bottom):
    """Return the detection of a frontal face with a box."""
    side, middle = right - left, np.array([(left + right) / 2, (top + bottom) / 2])
    return DetectedFace((left, top, right, bottom), (middle + side * np.array(POINTS)).astype(np.float32), 0.9)


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
    """The picture is grey with a black disc at the right eye and a white one at the left eye."""
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


def test_impossible_landmarks_do_not_move_the_crop_far_away():
    picture = Image.new("RGB", (300, 300), "grey")
    picture.paste("white", (100, 100, 200, 200))
    scattered = np.array([(-900, 80), (900, -700), (500, 900), (-800, 0), (0, 2000), (90, 90)], np.float32)
    assert crop_face(picture, DetectedFace((110, 110, 190, 190), scattered, 0.9), 48).mean() > 200


@pytest.mark.parametrize("angle", [-40, -20, 20, 40])
def test_the_crop_of_a_tilted_head_is_upright_within_12_degrees(photo, detector, angle):
    turned = photo.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor="grey")
    crop = Image.fromarray(crop_face(turned, detector.detect(turned)[0], 200)).convert("RGB")
    right_eye, left_eye = detector.detect(crop)[0].points[:2]
    assert abs(np.degrees(np.arctan2(*(left_eye - right_eye)[::-1]))) < 12


def test_crop_does_not_depend_on_the_resolution(photo, face, detector):
    large = photo.resize((2048, 2048), Image.Resampling.LANCZOS)
    found = detector.detect(large)[0]
    np.testing.assert_allclose(np.array(found.box) / 4, face.box, atol=15)
    assert correlation(crop_face(large, found, 48), crop_face(photo, face, 48)) > 0.9


def test_crop_repeats_the_pixels_of_the_edge():
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[:, :10] = 255
    crop = crop_face(Image.fromarray(picture), upright_face(-40, 30, 40, 110), 48)
    assert crop.shape == (48, 48)
    assert crop[:, :26].min() > 250
    assert crop[:, 34:].max() < 5


@pytest.mark.parametrize("box", [(-50, -50, 50, 50), (60, 60, 140, 140), (-300, -300, 400, 400), (150, 150, 190, 190)])
@pytest.mark.parametrize("size", [(100, 100), (1, 1), (3, 100)])
def test_a_crop_beyond_the_edge_has_only_pixels_of_the_picture(box, size):
    crop = crop_face(Image.new("RGB", size, (200, 200, 200)), upright_face(*box), 48)
    assert crop.shape == (48, 48)
    assert set(crop.ravel().tolist()) == {200}
