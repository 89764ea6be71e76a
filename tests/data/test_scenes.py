import json

import numpy as np
import pytest
from PIL import Image

from fer.cli.commands import main
from fer.data.faces import Faces
from fer.data.scenes import SCENE_SIZE, SIDES, build_scene, find_pasted
from fer.detection.alignment import cut_square
from fer.evaluation.evaluate import read_in_scenes
from fer.images.loading import load_image
from fer.labels import EMOTIONS
from fer.models.calibration import UNCALIBRATED, Calibration


@pytest.fixture(scope="module")
def face(astronaut):
    """The astronaut's face as FER2013 would cut it."""
    return np.asarray(load_image(astronaut).crop((160, 45, 290, 175)).convert("L").resize((48, 48)))


def test_a_scene_has_the_face_in_its_square():
    areas = set()
    for seed in range(20):
        dark, light = (
            build_scene(np.full((48, 48), value, np.uint8), np.random.default_rng(seed)) for value in (0, 255)
        )
        assert (dark.image.mode, dark.image.size) == ("RGB", SCENE_SIZE)
        assert dark[1:] == light[1:]
        difference = np.asarray(light.image, int).mean(axis=2) - np.asarray(dark.image, int).mean(axis=2)
        rows, columns = np.nonzero(difference > 200)
        assert np.hypot(columns.mean() - dark.center[0], rows.mean() - dark.center[1]) < 2
        assert abs(len(rows) ** 0.5 - dark.side) < 0.03 * dark.side
        areas.add(len(rows))
    assert len(areas) > 10
    assert 0.9 * SIDES[0] < min(areas) ** 0.5 < max(areas) ** 0.5 < 1.02 * SIDES[1]


def test_a_crop_of_the_square_is_the_pasted_face(face):
    for seed in range(10):
        scene = build_scene(face, np.random.default_rng(seed))
        crop = cut_square(scene.image, *scene.square, 48)
        assert np.corrcoef(crop.ravel(), face.ravel())[0, 1] > 0.98


def test_only_faces_are_found_in_scenes(recognizer, face):
    images = np.stack([face, np.full_like(face, 128), face])[..., None]
    found, faces = find_pasted(recognizer, images)
    crops = np.stack([face.crop for face in faces])
    assert list(found) == [0, 2]
    assert crops.shape == (2, 48, 48)
    for crop in crops:
        assert np.corrcoef(crop.ravel(), face.ravel())[0, 1] > 0.6
    _, again = find_pasted(recognizer, images)
    np.testing.assert_array_equal([face.crop for face in again], crops)


def test_evaluate_end_to_end_measures_the_faces_that_were_found(tmp_path, face, capsys):
    for split, prefix in (("train", "Training"), ("test", "PublicTest")):
        for emotion in ("happy", "sad"):
            folder = tmp_path / "data" / split / emotion
            folder.mkdir(parents=True)
            for number in range(3):
                Image.fromarray(face).save(folder / f"{prefix}_{number}.png")
            Image.fromarray(np.full_like(face, 90)).save(folder / f"{prefix}_9.png")
    report, votes = tmp_path / "report.json", tmp_path / "votes.csv"
    rows = [f"test/{emotion}/PublicTest_{number}.png,10,0" for emotion in ("happy", "sad") for number in (0, 1, 2, 9)]
    votes.write_text("\n".join(["file,happiness,sadness", *rows]))
    command = ["evaluate", "--data", str(tmp_path / "data"), "--end-to-end", "--classes", "happy", "sad"]
    assert main([*command, "--votes", str(votes), "--json", str(report)]) == 0
    metrics = json.loads(report.read_text())
    assert metrics["scenes"] == {"pictures": 8, "accuracy_without_scenes": 0.5}
    assert metrics["n"] == metrics["agreement"]["n"] == 6
    assert metrics["per_class"]["happy"]["recall"] == 1
    assert "faces found in their scenes  75.00%  (of 8)" in capsys.readouterr().out


def test_the_accuracy_without_scenes_includes_the_prior(face):
    faces = Faces(face[None, ..., None], np.array([EMOTIONS.index("happy")]), EMOTIONS, ("a",))
    # Smiles are so frequent in training that the prior makes any other class more likely.
    shares = tuple(0.994 if name == "happy" else 0.001 for name in EMOTIONS)
    accuracies = [
        read_in_scenes("bundled", faces, calibration)[-1]["accuracy_without_scenes"]
        for calibration in (UNCALIBRATED, Calibration(prior_exponent=2.0, class_shares=shares))
    ]
    assert accuracies == [1.0, 0.0]


def test_scenes_without_a_found_face_end_with_an_error(tmp_path, capsys):
    for split, prefix in (("train", "Training"), ("test", "PublicTest")):
        for emotion in ("happy", "sad"):
            folder = tmp_path / "data" / split / emotion
            folder.mkdir(parents=True)
            Image.new("L", (48, 48), 90).save(folder / f"{prefix}_1.png")
    with pytest.raises(SystemExit) as end:
        main(["evaluate", "--data", str(tmp_path / "data"), "--end-to-end", "--classes", "happy", "sad"])
    assert end.value.code == 2
    assert "None of the 2 faces was found" in capsys.readouterr().err
