import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from fer.app.components.face_panel import face_view
from fer.detection import blazeface
from fer.errors import UserError
from fer.images.loading import load_image
from fer.labels import EMOTIONS
from fer.models.calibration import Calibration
from fer.models.model_folder import BUNDLED
from fer.recognition.recognizer import Recognizer
from fer.recognition.records import photo_record


@pytest.fixture(scope="module")
def four_faces(astronaut):
    """A picture of 1200x900 with four heads of different sizes."""
    head = Image.open(astronaut).crop((110, 0, 366, 256))
    scene = Image.new("RGB", (1200, 900), "#556070")
    for x, y, side in ((30, 40, 500), (620, 60, 360), (640, 500, 300), (1000, 500, 180)):
        scene.paste(head.resize((side, side)), (x, y))
    return scene


def test_the_astronaut_is_happy(recognizer, astronaut):
    image = load_image(astronaut)
    (face,) = recognizer.recognize(image)
    assert face.label == "happy"
    assert max(face.probabilities, key=face.probabilities.get) == "happy"
    assert tuple(face.probabilities) == EMOTIONS
    assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert face.detection_score > 0.8
    assert face.probabilities["happy"] > 0.85


def test_all_faces_of_a_picture_are_classified_in_one_forward_pass(recognizer, four_faces, monkeypatch):
    passes = []
    forward = recognizer.network.predict_on_batch
    monkeypatch.setattr(
        recognizer.network, "predict_on_batch", lambda batch: passes.append(len(batch)) or forward(batch)
    )
    faces = recognizer.recognize(four_faces)
    assert passes == [4]
    widths = [face.box[2] - face.box[0] for face in faces]
    assert widths == sorted(widths, reverse=True)
    assert {face.label for face in faces} == {"happy"}


def test_faces_below_smallest_face_are_left_out(recognizer, four_faces):
    widths = [face.box[2] - face.box[0] for face in recognizer.recognize(four_faces)]
    smallest = (widths[1] + widths[2]) / 2 / four_faces.width
    kept = recognizer.recognize(four_faces, smallest_face=smallest)
    assert [face.box[2] - face.box[0] for face in kept] == widths[:2]


def test_a_face_keeps_the_crop_that_the_network_saw(recognizer, astronaut):
    (face,) = recognizer.recognize(load_image(astronaut))
    assert face.crop.dtype == np.uint8
    again = recognizer.recognize(Image.fromarray(face.crop).convert("RGB"), already_cropped=True)
    assert again[0].probabilities == pytest.approx(face.probabilities, abs=1e-5)
    assert recognizer.explain(face).shape == (6, 6)
    happy = recognizer.labels.index("happy")
    np.testing.assert_array_equal(recognizer.explain(face), recognizer.network.map(face.crop, happy))


def test_a_picture_without_a_face_gives_an_empty_list(recognizer):
    image = Image.new("RGB", (320, 240), "white")
    assert recognizer.recognize(image) == []
    assert photo_record("wall.png", image, [], "bundled") == {
        "image": "wall.png",
        "model": "bundled",
        "width": 320,
        "height": 240,
        "faces": [],
        "faces_left_out": 0,
    }


def test_a_face_crop_is_classified_without_detection_if_declared(recognizer, astronaut):
    crop = load_image(astronaut).crop((165, 62, 285, 182)).convert("L").resize((48, 48)).convert("RGB")
    (face,) = recognizer.recognize(crop, already_cropped=True)
    assert face.box == (0, 0, 48, 48)
    assert face.label == "happy"
    assert face.detection_score is None


def test_boxes_are_whole_pixels_within_the_picture(recognizer, astronaut):
    cut = load_image(astronaut).crop((195, 90, 300, 200))
    for face in recognizer.recognize(cut):
        left, top, right, bottom = face.box
        assert all(isinstance(edge, int) for edge in face.box)
        assert 0 <= left < right <= cut.width
        assert 0 <= top < bottom <= cut.height


def test_a_recognizer_can_be_shared_between_threads(recognizer, four_faces, astronaut):
    pictures = [four_faces, load_image(astronaut)] * 8
    alone = [recognizer.recognize(picture) for picture in pictures[:2]] * 8
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(recognizer.recognize, pictures))
    for faces, expected in zip(together, alone, strict=True):
        assert [face.box for face in faces] == [face.box for face in expected]
        for face, same in zip(faces, expected, strict=True):
            np.testing.assert_allclose(list(face.probabilities.values()), list(same.probabilities.values()), atol=1e-5)


def test_calibration_changes_probabilities_and_not_the_label(recognizer, astronaut):
    image = load_image(astronaut)
    (plain,) = Recognizer(recognizer.network, EMOTIONS, recognizer.detector, "plain").recognize(image)
    doubt = Calibration(temperature=5.0, threshold=0.9)
    (face,) = Recognizer(recognizer.network, EMOTIONS, recognizer.detector, "doubt", doubt).recognize(image)
    assert (plain.label, plain.confident) == ("happy", True)
    assert (face.label, face.confident) == ("happy", False)
    assert face.probabilities["happy"] < plain.probabilities["happy"]
    assert photo_record("photo.jpg", image, [face], "doubt")["faces"][0]["confident"] is False


def test_a_low_detection_score_is_never_confident(recognizer, photo, monkeypatch):
    (face,) = recognizer.recognize(photo)
    assert face.confident
    monkeypatch.setattr(blazeface, "MIN_CONFIDENT_SCORE", face.detection_score + 0.01)
    (unsure,) = recognizer.recognize(photo)
    assert (unsure.label, unsure.probabilities, unsure.confident) == (face.label, face.probabilities, False)
    assert recognizer.recognize(photo, already_cropped=True)[0].detection_score is None


def test_a_network_without_activation_maps_can_be_used(recognizer, astronaut):
    image = load_image(astronaut)

    class Original:
        """Network like an export of `original_cnn`, which does not end in global average pooling and has no maps."""

        input_shape, has_maps = (None, 48, 48, 1), False

        def predict_on_batch(self, pixels):
            return np.tile(np.float32([0.7, 0.3]), (len(pixels), 1))

    original = Recognizer(Original(), ("happy", "sad"), recognizer.detector, "original")
    (face,) = original.recognize(image)
    assert set(face.probabilities) == {"happy", "sad"}
    assert original.explain(face) is None
    assert "cannot show where it looked" in face_view("en", recognizer.labels, face, None)
    assert recognizer.explain(recognizer.recognize(image)[0]).shape == (6, 6)


@pytest.mark.parametrize("share", [float("nan"), -0.1, 1.1])
def test_a_smallest_face_that_is_not_a_share_is_refused(recognizer, share):
    with pytest.raises(UserError, match=r"^`smallest_face` must be from 0 to 1\. Received: "):
        recognizer.recognize(Image.new("RGB", (40, 30)), smallest_face=share)


def test_a_batch_gives_the_results_of_single_pictures(recognizer, photo):
    wall = Image.new("RGB", (100, 80), "gray")
    smaller = photo.resize((300, 300))
    batch = recognizer.recognize_batch([photo, wall, smaller])
    assert [len(faces) for faces in batch] == [1, 0, 1]
    for faces, image in zip(batch, (photo, wall, smaller), strict=True):
        for face, alone in zip(faces, recognizer.recognize(image), strict=True):
            assert face.box == alone.box
            assert face.probabilities == pytest.approx(alone.probabilities, abs=1e-6)
    assert recognizer.recognize_batch([]) == []


def test_a_photo_may_be_a_path_bytes_a_file_an_image_or_an_array(recognizer, astronaut, photo):
    content = astronaut.read_bytes()
    forms = [astronaut, str(astronaut), content, io.BytesIO(content), Image.open(astronaut), photo, np.asarray(photo)]
    batch = recognizer.recognize_batch(forms)
    assert [face.box for (face,) in batch] == [batch[0][0].box] * len(forms)
    assert [face.probabilities for (face,) in batch] == [pytest.approx(batch[0][0].probabilities)] * len(forms)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16"])
def test_a_pil_image_may_have_any_mode(recognizer, photo, mode):
    image = photo.convert("L").convert("I;16").point(lambda value: value * 257) if mode == "I;16" else photo
    (face,) = recognizer.recognize(image.convert(mode))
    assert face.label == "happy"


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (b"", r"^picture: the file is empty\.$"),
        (b"no picture", "^picture: not a picture that can be read here"),
        ("nowhere.jpg", r"^nowhere.jpg: no such file\.$"),
        (np.zeros((4, 4)), r"RGB picture, uint8 `\(height, width, 3\)`\. Received: float64 \(4, 4\)$"),
        (np.zeros((0, 4, 3), np.uint8), r"Received: uint8 \(0, 4, 3\)$"),
        (Image.new("RGB", (0, 3)), r"^A picture must have pixels. Received: 0x3$"),
        (7, "^A photo must be a path, bytes, a binary file, a PIL image or an RGB array. Received: int$"),
    ],
)
def test_other_inputs_are_refused_in_one_sentence(recognizer, photo, message):
    with pytest.raises(UserError, match=message):
        recognizer.recognize(photo)


def test_a_damaged_pil_image_is_refused(recognizer, astronaut):
    image = Image.open(io.BytesIO(astronaut.read_bytes()[:5000]))
    with pytest.raises(UserError, match="^picture: damaged or incomplete"):
        recognizer.recognize(image)


def test_a_hub_model_is_loaded_by_its_name(hub, photo):
    sha = hub.put(BUNDLED, "fer-bot/model")
    recognizer = Recognizer.load("fer-bot/model@main")
    assert recognizer.model == f"fer-bot/model@{sha}"
    assert recognizer.recognize(photo)[0].label == "happy"
    with pytest.raises(UserError, match="no such repository on the Hub"):
        Recognizer.load("fer-bot/nothing")
