"""Plan of a training, decided and checked before Keras is imported."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from fer.errors import UserError, check
from fer.file_lock import locked_folder
from fer.labels import EMOTIONS, check_classes
from fer.models.backbones import check_backbone, check_base
from fer.models.config import ModelConfig, load_config
from fer.models.model_folder import check_new_model, check_weights, find_model
from fer.models.networks import find_network
from fer.outputs import check_folder, is_new_or_empty
from fer.paths import is_inside, name_of
from fer.training.distributed import check_hosts
from fer.training.options import TrainingOptions
from fer.training.recipes import Recipe, find_recipe

ARGUMENTS = "arguments.json"
"""Name of the file of a run's settings, in its folder."""


@dataclass(frozen=True)
class Plan:
    """Plan of a training.

    options: options of the training; the network has its current name.
    recipe: recipe of the network, with the changes by options.
    config: configuration of the model folder that is written.
    start: model whose weights to start from; None to start from random weights or a backbone's base.
    keep: epoch whose weights are kept, `best` or `last`.
    """

    options: TrainingOptions
    recipe: Recipe
    config: ModelConfig
    start: str | None = None
    keep: str = "best"

    @property
    def training_config(self) -> ModelConfig:
        """Configuration of the network during training: pictures are enlarged before they are augmented.

        The network has the same weights as that of `config`, which enlarges its input itself.
        """
        enlarged = self.options.enlarged
        if enlarged is None:
            return self.config
        return replace(self.config, image_size=enlarged, options={})


def make_plan(options: TrainingOptions) -> Plan:
    """Return the plan of a training.

    Raises:
        UserError: if options contradict each other, the network is unknown, or a value of the recipe is not valid.
    """
    network = find_network(options.network)
    options = replace(options, network=network.name)  # The option may be the network's former name.
    _check_combinations(options)
    recipe = _choose_recipe(options)
    size = network.size.usual if options.image_size is None else options.image_size
    config = ModelConfig(options.network, check_classes(options.classes or EMOTIONS), size)
    if options.enlarged is not None:
        config = replace(config, options={"enlarged": options.enlarged})
    return Plan(options, recipe, config, options.start, options.keep or "best")


def _check_combinations(options):
    recipe, tune = options.recipe, options.recipe.get("tune")
    if not options.push_to_hub and (options.private or options.create_pr or options.tag):
        raise UserError("--private, --create-pr and --tag go with --push-to-hub OWNER/NAME. Received: no --push-to-hub")
    if options.enlarged is not None and options.network != "se_resnet":
        raise UserError(f"--enlarged goes with the network se_resnet. Received: {options.network}")
    if options.train_limit is not None and options.limit is not None:
        rule = "--train-limit goes without --limit, which limits both splits"
        raise UserError(f"{rule}. Received: --limit {options.limit}")
    if options.draw is not None and options.limit is None and options.train_limit is None:
        raise UserError("--draw goes with --limit or --train-limit. Received: neither")
    if options.license is not None:
        rule = "an identifier of the Hub in small letters, such as cc-by-4.0 or other"
        check(re.fullmatch(r"[a-z0-9.+-]+", options.license), "--license", rule, options.license)
    if "votes_share" in recipe and not options.votes:
        raise UserError("--votes-share goes with --votes CSV. Received: no --votes")
    check_hosts(options.hosts, options.processes, options.process_id)
    if options.from_scratch and (options.start or options.starts_from_base):
        name, value = ("--start", options.start) if options.start else ("--weights", options.weights)
        raise UserError(f"--from-scratch goes without --start and --weights. Received: {name} {value}")
    if options.starts_from_base:
        for name in ("start", "hosts"):
            if getattr(options, name):
                raise UserError(f"--{name} goes without --weights. Received: --weights {options.weights}")
    elif {"head_epochs", "tuning_rate", "tune"} & recipe.keys():
        rule = "--head-epochs, --tuning-rate and --tune go with --weights imagenet or PATH"
        raise UserError(f"{rule}. Received: no weights")
    if tune == "head" and {"head_epochs", "tuning_rate"} & recipe.keys():
        name = "--head-epochs" if "head_epochs" in recipe else "--tuning-rate"
        raise UserError(f"--tune head goes without {name}: all --epochs train the head. Received: both")
    if tune == "head":
        given = {"teacher": options.teacher, **recipe}
        for name in ("teacher", "zoom", "degrade"):
            if given.get(name):
                rule = f"--{name} goes without --tune head, which trains on features of the pictures as they are"
                raise UserError(f"{rule}. Received: both")
    if recipe.get("head_epochs") == 0 and (tune in ("block", "all") or "tuning_rate" in recipe):
        rule = "--tune block, --tune all and --tuning-rate go with --head-epochs of 1 or more"
        raise UserError(f"{rule}, since the head is trained first. Received: --head-epochs 0")


def _choose_recipe(options):
    if options.weights:
        check_backbone(options.network)
    asked = dict(options.recipe)
    if options.votes:
        asked.setdefault("label_smoothing", 0.0)
    own = find_recipe(options.network, transfer=options.starts_from_base)
    if asked.get("tune") == "head":
        asked |= {"head_epochs": asked.get("epochs", own.epochs), "augment": False}
    recipe = replace(own, **asked)
    for name in ("zoom", "degrade"):
        if name in options.recipe and not recipe.augment:
            without = f"the network {options.network}, whose recipe has none"
            received = "--no-augment" if options.recipe.get("augment") is False else without
            raise UserError(f"--{name} goes with augmentation. Received: {received}")
    return recipe


def find_start(name: str) -> tuple[Path, str]:
    """Return the folder of the model that a training starts from, and the name by which it is recorded.

    Args:
        name: `bundled`, a model folder, or `OWNER/NAME` or `OWNER/NAME@REVISION` of the Hub, which is downloaded.
    """
    folder = find_model(name)
    if folder.exists() or "/" not in name:
        return folder, name_of(name)
    from fer.hub.client import resolve_model  # Imported here: training from a folder runs without huggingface_hub too.

    source = resolve_model(name)
    return source.folder, source.name if source.revision else name_of(name)


def check_models(plan: Plan) -> None:
    """Raise an error unless the network supports its input size, and the weights and models of the plan are valid."""
    options = plan.options
    find_network(options.network).check_size(plan.config.image_size, options.enlarged)
    if options.weights:
        check_base(options.network, options.weights)
    folders = [find_model(name) for name in options.teacher]
    if options.start:
        folders.append(find_start(options.start)[0])
    for folder in folders:
        check_weights(folder, load_config(folder))


def check_output(plan: Plan) -> None:
    """Raise an error unless the output folder is writable, outside the data, and empty or that of the run to resume."""
    output, data = plan.options.output, plan.options.data
    check_new_model("--output", output)
    # Its figures would be pictures of the data set the next time.
    check(not is_inside(output, data), "--output", f"outside the folder of --data, {data}", output)
    resumed = plan.options.resume and (output / ARGUMENTS).exists()
    rule = "a new or empty folder, or --resume must be given for the run in it"
    check(resumed or is_new_or_empty(output), "--output", rule, output)
    check_folder("`--output`", output)


@contextmanager
def claim_output(plan: Plan) -> Iterator[None]:
    """Keep other runs out of the output folder for the block, and create it; remove it if it is empty at the end.

    Raises:
        UserError: if another run is training into the folder, or has trained into it since `check_output`.
    """
    output = plan.options.output
    created = [folder for folder in (output, *output.parents) if not folder.exists()]
    output.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked_folder(output))
        except BlockingIOError:
            rule = "`--output` must be the folder of one run, and another run is training into it"
            raise UserError(f"{rule}. Received: {output}") from None
        stack.callback(_remove_empty, created)
        check_output(plan)
        yield


def _remove_empty(folders):
    """Remove folders, of which each is in the next one, up to the first that is not empty."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()
