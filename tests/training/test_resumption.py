import json

import pytest

from fer.errors import UserError
from fer.labels import EMOTIONS
from fer.models.keras_backend import find_backend
from fer.training.plan import ARGUMENTS, check_output
from fer.training.resumption import ADDED, check_resumption, list_settings, save_settings
from training.conftest import plan

BEFORE = {
    "network": "se_resnet",
    "classes": list(EMOTIONS),
    "image_size": 48,
    "enlarged": None,
    "epochs": 8,
    "head_epochs": 0,
    "batch_size": 96,
    "learning_rate": 0.001,
    "tuning_rate": 0.0001,
    "label_smoothing": 0.0,
    "mixup": 0.2,
    "augment": True,
    "zoom": 0.25,
    "average": True,
    "seed": 1,
    "votes": "ferplus.csv",
    "start": "bundled",
    "weights": None,
    "teacher": None,
    "limit": None,
    "skip_bad": False,
    "mixed_precision": True,
    "optimizer": "adamw",
    "weight_decay": 0.05,
    "whole_batches": False,
}
"""Settings that version 0.1.0 saved for a run."""
COMMAND = "--start bundled --epochs 8 --learning-rate 1e-3 --zoom 0.25 --keep last --mixed-precision --seed 1 --resume"


@pytest.mark.parametrize("share", [[], ["--votes-share", "0.7"]])
def test_a_run_without_a_saved_votes_share_can_be_resumed(tmp_path, share):
    (tmp_path / ARGUMENTS).write_text(json.dumps(BEFORE))
    resumed = plan(*COMMAND.split(), "--votes", "ferplus.csv", *share, output=tmp_path)
    check_output(resumed)
    settings = list_settings(resumed, None, [])
    assert settings == BEFORE | ADDED | {"votes": True, "backend": find_backend()}  # Earlier versions saved the path.
    check_resumption(resumed, settings)
    save_settings(resumed, settings)
    check_resumption(resumed, settings)


def test_a_run_is_not_resumed_with_other_pictures_or_another_start(tmp_path):
    resumed = plan(*COMMAND.split(), "--votes", "ferplus.csv", output=tmp_path)
    settings = list_settings(resumed, None, [])
    begun = settings | {"pictures": "1", "begun_from": "2", "votes_sha256": "3", "backend": "jax"}
    save_settings(resumed, begun)
    check_resumption(plan(*COMMAND.split(), "--votes", "./ferplus.csv", output=tmp_path), begun)
    for other, said in (
        ({"pictures": "3"}, "the pictures in --data are others"),
        ({"begun_from": "3"}, "--start is another"),
        ({"backend": "torch"}, "the backend of Keras is another"),
        ({"votes_sha256": "4"}, "the votes in --votes are others"),
    ):
        with pytest.raises(UserError, match=f"A run is resumed with its own settings. .*{said} than at its beginning"):
            check_resumption(resumed, begun | other)


def test_a_run_of_the_head_that_claimed_to_augment_can_be_resumed(tmp_path):
    words = ["--network", "mobilenet", "--weights", "faces.json", "--tune", "head"]
    head = plan(*words, output=tmp_path)
    settings = list_settings(head, None, [])
    save_settings(head, settings | {"augment": True})
    resumed = plan(*words, "--resume", output=tmp_path)
    check_resumption(resumed, settings)


def test_a_run_is_not_resumed_with_another_votes_share(tmp_path):
    (tmp_path / ARGUMENTS).write_text(json.dumps(BEFORE))
    other = plan(*COMMAND.split(), "--votes", "ferplus.csv", "--votes-share", "1", output=tmp_path)
    with pytest.raises(UserError, match=r"votes_share=0\.7\. Received: votes_share=1\.0"):
        check_resumption(other, list_settings(other, None, []))
