"""Resumption of a run: the settings that are saved for it in its folder, and compared with those of the run."""

import json
from typing import Any

from fer.errors import UserError
from fer.models.keras_backend import find_backend
from fer.models.networks import find_network
from fer.outputs import write_json
from fer.training.plan import ARGUMENTS, Plan

ADDED = {
    "votes_share": 0.7,
    "layout": None,
    "degrade": 0.0,
    "tune": "block",
    "train_limit": None,
    "draw": None,
    "repeats": 1,
}
"""Values of the settings that were added later, for runs that were begun before."""
DIGESTS = {
    "pictures": "the pictures in --data are others",
    "votes_sha256": "the votes in --votes are others",
    "begun_from": "the model of --start is another",
    "backend": "the backend of Keras is another",
}
"""Settings that no option shows, each with what a difference means. Runs that were begun before have none, and are
resumed with any."""


def list_settings(plan: Plan, base: dict[str, Any] | None, teachers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the settings that must stay the same when a run is resumed, as a JSON object.

    Args:
        plan: plan of the run.
        base: facts about the weights of the base, of `fer.models.backbones.load_base`; None without weights.
        teachers: facts about the teachers, of `fer.training.distillation.load_teachers`.
    """
    kept = plan.options.to_settings() | {"votes": bool(plan.options.votes)}  # The content of the votes has a digest.
    kept |= {"classes": list(plan.config.labels), "image_size": plan.config.image_size, "start": plan.start}
    teachers = [{"name": teacher["name"], "sha256": teacher["sha256"]} for teacher in teachers]
    return {**kept, "teacher": teachers or None, "weights": base, "backend": find_backend(), **plan.recipe.to_record()}


def save_settings(plan: Plan, settings: dict[str, Any]) -> None:
    """Write the settings of a run, the result of `list_settings`, into its folder."""
    plan.options.output.mkdir(parents=True, exist_ok=True)
    write_json(plan.options.output / ARGUMENTS, settings)


def check_resumption(plan: Plan, settings: dict[str, Any]) -> None:
    """Raise an error if a run is resumed with other settings than its own; `settings` is that of `list_settings`."""
    path = plan.options.output / ARGUMENTS
    if not (plan.options.resume and path.exists()):
        return
    earlier = ADDED | {key: settings.get(key) for key in DIGESTS} | json.loads(path.read_text())
    earlier["votes"] = bool(earlier.get("votes"))
    earlier["network"] = find_network(earlier.get("network")).name
    if earlier["tune"] == "head":
        earlier["augment"] = False  # What was recorded before was never done.
    changed = [key for key in settings if settings[key] != earlier.get(key)]
    rule = f"A run is resumed with its own settings. {plan.options.output}: "
    if others := [DIGESTS[key] for key in changed if key in DIGESTS]:
        raise UserError(f"{rule}{' and '.join(others)} than at its beginning.")
    if changed:
        there, received = (", ".join(f"{key}={values.get(key)}" for key in changed) for values in (earlier, settings))
        raise UserError(f"{rule}{there}. Received: {received}")
