import keras
import numpy as np
import pytest
from conftest import SMALL, eager_training

from fer.data.faces import load_faces
from fer.errors import UserError
from fer.labels import EMOTIONS
from fer.models.config import ModelConfig
from fer.models.model_folder import load_model, save_model
from fer.models.networks import build_network
from fer.recognition.classification import classify
from fer.training import callbacks, distillation, targets
from fer.training.checkpoints import BEST
from fer.training.distillation import distillation_loss, load_teachers
from fer.training.fit import Run, TrainingData, fit
from fer.training.recipes import Recipe
from training.conftest import without_seconds

CLASSES = ("angry", "happy", "surprise")
pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def faces(draw_dataset, tmp_path_factory):
    folder = draw_dataset(tmp_path_factory.mktemp("faces"), CLASSES, per_class=8)
    return [load_faces(folder, split, classes=CLASSES, image_size=16) for split in ("train", "validation")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Model folders of two teachers with constant answers: `angry`, and `angry` or `happy` with equal probability."""
    folders = []
    for name, bias in (("a", [4, 0, 0]), ("b", [4, 4, 0])):
        config = ModelConfig("se_resnet", CLASSES, 16, SMALL)
        network = config.build()
        network.get_layer("probabilities").bias.assign(np.array(bias, "float32"))
        folder = tmp_path_factory.mktemp(name)
        save_model(folder, network, config)
        folders.append(folder)
    return folders


def run(faces, teachers, folder, epochs, resume=False, policy="float32", batch_size=8):
    """Train a small network, and return it and its history."""
    keras.utils.set_random_seed(7)
    keras.config.set_dtype_policy(policy)
    try:
        network = build_network("se_resnet", 16, len(CLASSES), **SMALL)
    finally:
        keras.config.set_dtype_policy("float32")
    folder.mkdir(exist_ok=True)
    # A rate of 0.2 is too high: after two epochs the distances then depend on rounding.
    recipe = Recipe(epochs=epochs, batch_size=batch_size, seed=7, learning_rate=0.05)
    history = fit(network, TrainingData(*faces, teachers=teachers), recipe, Run(folder, resume, keep="last"))
    return network, history


@pytest.fixture(scope="module")
def untaught(faces, tmp_path_factory):
    """A network that was trained without teachers, and its folder."""
    folder = tmp_path_factory.mktemp("alone")
    with eager_training():
        return run(faces, (), folder, epochs=2)[0], folder


@pytest.fixture(
    scope="module",
    # Processors without bfloat16 compute it slowly.
    params=["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)],
)
def taught(faces, folders, tmp_path_factory, request):
    """A network that was trained with teachers, its folder, the teachers, and their weights before."""
    folder = tmp_path_factory.mktemp("taught")
    teachers, _ = load_teachers(folders, CLASSES, 16)
    before = [teacher.get_weights() for teacher in teachers]
    with eager_training(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(distillation, "WEIGHT", 0.999)
        return run(faces, teachers, folder, epochs=2, policy=request.param)[0], folder, teachers, before


def test_the_loss_is_the_divergence_at_the_temperature():
    rng = np.random.default_rng(0)
    taught, answered = rng.dirichlet(np.ones(3), (2, 5)).astype("float32")
    soft, own = (p ** (1 / distillation.TEMPERATURE) for p in (taught, answered))
    soft, own = soft / soft.sum(axis=1, keepdims=True), own / own.sum(axis=1, keepdims=True)
    expected = distillation.TEMPERATURE**2 * (soft * np.log(soft / own)).sum(axis=1).mean()
    assert float(distillation_loss(taught, answered)) == pytest.approx(expected, rel=1e-4)
    assert float(distillation_loss(taught, taught)) == pytest.approx(0, abs=1e-6)


def test_a_student_learns_the_mean_of_its_teachers(faces, untaught, taught):
    student, _, teachers, _ = taught
    pictures = faces[1].images[..., 0]
    mean = np.mean([classify(teacher, pictures) for teacher in teachers], axis=0)

    def distance(network):
        return float(distillation_loss(mean, classify(network, pictures)))

    assert distance(student) < 0.5 * distance(untaught[0])


def test_teachers_do_not_change_and_are_not_in_checkpoints(untaught, taught):
    _, with_teachers, teachers, before = taught
    _, without = untaught
    for teacher, weights in zip(teachers, before, strict=True):
        for new, old in zip(teacher.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(new, old)
    for file in (BEST, "checkpoint/latest.weights.h5"):
        assert (with_teachers / file).stat().st_size < 1.2 * (without / file).stat().st_size


def test_teachers_get_the_augmented_pictures_of_the_student(faces):
    teacher = build_network("se_resnet", 16, len(CLASSES), **SMALL)
    darker = keras.layers.Rescaling(0.2)
    student = distillation.build_student(teacher, [teacher], [darker])
    pictures = faces[0].images[:4].astype("float32")
    student(pictures, training=False)
    assert not student.losses
    answers = student(pictures, training=True)

    def share(seen):
        return distillation.WEIGHT * float(distillation_loss(teacher(seen, training=False), answers))

    (loss,) = student.losses
    assert float(loss) == pytest.approx(share(darker(pictures)), rel=1e-3)
    assert float(loss) != pytest.approx(share(pictures), rel=1e-3)


def test_teachers_are_part_of_the_loss_only_in_training(faces, folders):
    teachers, _ = load_teachers(folders, CLASSES, 16)
    student = distillation.build_student(build_network("se_resnet", 16, 3, **SMALL), teachers, [])
    student.compile(loss="categorical_crossentropy")
    pictures, labels = faces[0].images[:4].astype("float32"), targets.one_hot(faces[0])[:4].astype("float32")
    answers = student(pictures, training=True)
    mean = sum(teacher(pictures) for teacher in teachers) / 2
    plain = float(keras.ops.mean(keras.losses.categorical_crossentropy(labels, answers)))
    expected = (1 - distillation.WEIGHT) * plain + distillation.WEIGHT * float(distillation_loss(mean, answers))
    assert float(student.compute_loss(y=labels, y_pred=answers, training=True)) == pytest.approx(expected, rel=1e-4)
    answers = student(pictures, training=False)
    plain = float(keras.ops.mean(keras.losses.categorical_crossentropy(labels, answers)))
    assert float(student.compute_loss(y=labels, y_pred=answers, training=False)) == pytest.approx(plain, rel=1e-4)


@pytest.mark.slow  # Three trainings with teachers.
def test_a_resumed_run_has_the_result_of_an_uninterrupted_one(faces, folders, tmp_path, monkeypatch):
    teachers, _ = load_teachers(folders, CLASSES, 16)
    whole, expected = run(faces, teachers, tmp_path / "whole", epochs=2, batch_size=24)

    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.EpochSeconds, "on_epoch_begin", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(faces, teachers, tmp_path / "cut", epochs=2, batch_size=24)
    teachers, _ = load_teachers(folders, CLASSES, 16)
    resumed, history = run(faces, teachers, tmp_path / "cut", epochs=2, resume=True, batch_size=24)
    assert without_seconds(history) == without_seconds(expected)
    for weights, same in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(weights, same, atol=1e-6)


def test_a_student_that_enlarges_its_pictures_has_teachers_that_do_so_too(tmp_path):
    """The teachers were refused, although their labels and image size were those of the student."""
    config = ModelConfig("se_resnet", CLASSES, 16, {**SMALL, "enlarged": 24})
    network = config.build()
    save_model(tmp_path, network, config)
    (teacher,), _ = load_teachers([tmp_path], CLASSES, 16, enlarged=24)
    assert teacher.input_shape == (None, 24, 24, 1)
    flat = np.full((2, 16, 16, 1), 90.0)  # The same in both sizes.
    expected = load_model(tmp_path)[0].predict_on_batch(flat)
    np.testing.assert_allclose(teacher.predict_on_batch(np.full((2, 24, 24, 1), 90.0)), expected, atol=1e-5)
    with pytest.raises(UserError, match="apart in 16 pixels, enlarged to 32, or in 32. Received: .* in 16 pixels"):
        load_teachers([tmp_path], CLASSES, 16, enlarged=32)


@pytest.mark.parametrize(("labels", "size"), [(CLASSES, 64), (EMOTIONS, 16), (CLASSES[:2], 16)])
def test_teachers_with_other_labels_or_another_size_are_refused(folders, labels, size):
    with pytest.raises(UserError, match="`--teacher` must tell .* apart in .* pixels. Received: "):
        load_teachers(folders, labels, size)
