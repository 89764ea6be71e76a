"""Train a network on FER2013 and write its model folder: data -> fit -> evaluate -> card.

    python train.py --data fer2013.zip --output runs/first --mixed-precision

trains a network of the bundled one's kind; the README has the bundled one's commands, wall time and score.
"""

import argparse
import importlib.util
import json
import shlex
from dataclasses import asdict, replace
from pathlib import Path

from fer.cli.console import exit_on_user_error, own_terminal, quiet_libraries
from fer.documents import to_json
from fer.errors import UserError
from fer.labels import EMOTIONS, check_classes
from fer.models.model_folder import ModelConfig, check_weights, find_model, load_config, save_model
from fer.models.provenance import last_part
from fer.models.sizes import SIZES, check_size
from fer.outputs import check_folder, check_inputs, write_text
from fer.training.distributed import check_hosts, join
from fer.training.recipes import RECIPES, TRANSFERS
from fer.training.supervisor import run_supervised

ARGUMENTS = "arguments.json"
RECIPE = (
    "epochs",
    "head_epochs",
    "batch_size",
    "learning_rate",
    "tuning_rate",
    "label_smoothing",
    "mixup",
    "augment",
    "zoom",
    "average",
    "seed",
)
"""Arguments that change the network's own recipe where they are given."""
UNSETTLED = (
    *("output", "resume", "data", "keep", "push_to_hub", "private", "create_pr", "tag", "export"),
    *("hosts", "processes", "process_id", "allow_duplicates"),
)
"""What may differ between a run and its resumption."""
UNPUBLISHED = ("resume", "hosts", "processes", "process_id", "push_to_hub", "private", "create_pr", "tag")
"""Arguments that are no part of the command that a model is published with."""
PATHS = ("data", "output", "votes", "start", "weights", "teacher")
"""Arguments of which the last part is published."""


def main(arguments=None):
    """Trains as the command line says; every file goes to `--output`."""
    options = parse(arguments)
    if options.hosts and arguments is None:
        run_supervised()
    quiet_libraries()
    recipe = choose_recipe(options)
    if not options.hosts:
        check_options(options)

    # Keras takes seconds to load: all that can be told without it has been.
    import keras

    from fer.data.duplicates import check_copies
    from fer.data.fer2013 import load_faces
    from fer.data.ferplus import load_votes
    from fer.evaluation.evaluate import format_metrics
    from fer.evaluation.plots import save_curves
    from fer.evaluation.report import save_report
    from fer.models.backbones import load_base
    from fer.models.model_folder import FIGURES
    from fer.models.provenance import clean_training
    from fer.training.distillation import TEMPERATURE, WEIGHT, load_teachers
    from fer.training.fit import fit
    from fer.training.targets import soft_targets

    image_size = choose_size(options)
    config = trained = ModelConfig(options.network, check_classes(options.classes), image_size)
    if options.enlarged is not None:
        config = replace(config, options={"enlarged": options.enlarged})
        # What is enlarged beforehand is turned and shifted at its full size; the weights are those of both.
        trained = replace(trained, image_size=options.enlarged)
    with join(options.hosts, options.processes, options.process_id, recipe.batch_size) as group:
        if options.hosts:  # Here, so that the other processes need not wait for one that has ended.
            check_options(options)
        config.build()
        base, base_from = load_base(options.network, options.weights) if options.weights else (None, None)
        start, started_as = load_start(options.start, config) if options.start else (None, None)
        teachers, taught_by = load_teachers(options.teacher, config.labels, trained.image_size)
        setting = settings(options, config, recipe, taught_by, base_from)
        if group.first:
            check_resumption(options, setting)

        keras.config.set_dtype_policy("mixed_bfloat16" if options.mixed_precision else "float32")
        keras.utils.set_random_seed(recipe.seed)
        train, validation = (
            load_faces(options.data, split, config.labels, config.image_size, options.limit, options.skip_bad)
            for split in ("train", "validation")
        )
        print(f"{len(train)} pictures to train, {len(validation)} to validate, {len(train.skipped)} left out")
        for note in filter(None, [train.left_out, check_copies(validation, train, options.allow_duplicates)]):
            print(note)

        targets = soft_targets(train, load_votes(options.votes, train.names)) if options.votes else None
        beginning = start.get_weights() if start else []
        given = [] if targets is None else [targets]
        group.check_same(json.dumps(setting), train.sha256(), validation.sha256(), *given, *beginning)
        if group.first:
            options.output.mkdir(parents=True, exist_ok=True)
            write_text(options.output / ARGUMENTS, to_json(setting, indent=2) + "\n")
        try:
            with group.scope():
                network = trained.build()
                if start:
                    network.set_weights(beginning)
                if base:
                    network.set_weights(base + network.get_weights()[len(base) :])
                how = {"targets": targets, "keep": options.keep, "teachers": teachers, "group": group}
                seen = [faces.resize(trained.image_size) for faces in (train, validation)]
                history = fit(network, *seen, recipe, options.output, options.resume, **how)
        except KeyboardInterrupt as error:
            again = "The same command with --resume goes on after the last finished epoch."
            raise type(error)(f"interrupted. {again}") from None
    if not group.first:
        print("Trained. Process 0 measures the model and writes it.")
        return
    to_the_end = options.keep == "last" and len(history) == recipe.epochs
    kept = history[-1] if to_the_end else min(history, key=lambda row: row["val_loss"])
    training = {
        **asdict(recipe),
        "command": command_to_publish(options),
        "kept_epoch": int(kept["epoch"]) + 1,
        "seconds": round(sum(row["seconds"] for row in history)),
        "parameters": network.count_params(),
        "train_pictures": len(train),
        "validation_pictures": len(validation),
        "backend": keras.backend.backend(),
        "dtype_policy": keras.config.dtype_policy().name,
        "keras": keras.__version__,
        "votes": options.votes and Path(options.votes).name,
        "start": started_as,
        "weights": base_from,
        "teachers": {"models": taught_by, "weight": WEIGHT, "temperature": TEMPERATURE} if teachers else None,
    }
    save_model(options.output, network, replace(config, training=clean_training(training)))

    def show(metrics):
        print(format_metrics(metrics))

    save_report(options.output, train, validation, str(options.output), show=show)
    save_curves(options.output / FIGURES / "curves.png", history)
    write_card(options.output)
    print(f"\nModel folder: {options.output}\nTry it: python -m fer predict --model {options.output} PHOTO")
    if options.push_to_hub:
        push(options)
    elif options.export:
        export(options)


def build_parser():
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        "python train.py",
        description="Train a network on FER2013.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data", required=True, metavar="PATH", help="folder, zip or CSV of FER2013")
    parser.add_argument("--output", required=True, metavar="FOLDER", type=Path, help="where the model folder goes")
    parser.add_argument("--network", default="se_resnet", metavar="NAME", help="a network of fer/models.py")
    parser.add_argument("--classes", nargs="+", default=EMOTIONS, metavar="EMOTION", help="emotions to tell apart")
    parser.add_argument("--image-size", type=int, metavar="N", help="side of the network's input in pixels")
    parser.add_argument("--enlarged", type=int, metavar="N", help="side to which se_resnet enlarges its input first")
    recipe = parser.add_argument_group("recipe", "By default the network's own: fer/recipes.py.")
    recipe.add_argument("--epochs", type=int, metavar="N", help="passes over the training pictures")
    recipe.add_argument(
        "--head-epochs", type=int, metavar="N", help="how many of them train the head alone; with --weights"
    )
    recipe.add_argument("--batch-size", type=int, metavar="N", help="pictures a step")
    recipe.add_argument("--learning-rate", type=float, metavar="X", help="the highest of the schedule")
    recipe.add_argument(
        "--tuning-rate", type=float, metavar="X", help="the same of what is tuned of a backbone; with --weights"
    )
    recipe.add_argument("--label-smoothing", type=float, metavar="SHARE", help="of each label, spread over all classes")
    recipe.add_argument("--mixup", type=float, metavar="ALPHA", help="how much pictures mix; 0: none")
    recipe.add_argument(
        "--no-augment", dest="augment", action="store_false", default=None, help="show the pictures as they are"
    )
    recipe.add_argument(
        "--zoom", type=float, metavar="SHARE", help="how much larger or smaller varied pictures are at most"
    )
    recipe.add_argument(
        "--no-average",
        dest="average",
        action="store_false",
        default=None,
        help="keep the weights as they are, unaveraged",
    )
    recipe.add_argument("--seed", type=int, help="of weights, order and augmentation")
    parser.add_argument("--votes", metavar="CSV", help="FER+ votes: teach what people say, not the one label alone")
    parser.add_argument("--start", metavar="FOLDER", help="model folder whose weights to start from")
    parser.add_argument(
        "--weights",
        metavar="imagenet|none|PATH",
        help="of a backbone's base, whose first part then stays as it is: those of ImageNet, which Keras downloads, a "
        "file that Keras wrote, or mobilenet's faceres.json; by default none, and all is trained from scratch",
    )
    parser.add_argument(
        "--teacher",
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="model folders, or bundled, whose mean answers to learn",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many pictures of each split")
    parser.add_argument(
        "--keep",
        choices=("best", "last"),
        default="best",
        help="the epoch whose weights are kept: the one of the lowest validation loss, or the last of the schedule",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last finished epoch in --output")
    parser.add_argument(
        "--allow-duplicates",
        action="store_true",
        help="train even where more than a quarter of the validation pictures are training pictures, to the pixel",
    )
    parser.add_argument("--skip-bad", action="store_true", help="leave unreadable pictures out and count them")
    parser.add_argument(
        "--mixed-precision", action="store_true", help="compute in bfloat16: twice as fast where the processor has it"
    )
    hosts = parser.add_argument_group("several machines", "The same command on each, but for --process-id; on JAX.")
    hosts.add_argument("--hosts", metavar="HOST:PORT", help="where process 0 listens for the others")
    hosts.add_argument("--processes", type=int, metavar="N", help="how many processes train together")
    hosts.add_argument("--process-id", type=int, metavar="I", help="which one this is, from 0, which writes the files")
    parser.add_argument("--push-to-hub", metavar="OWNER/NAME", help="publish the model on the Hugging Face Hub")
    parser.add_argument("--private", action="store_true", default=None, help="make a new repository of the Hub private")
    parser.add_argument("--create-pr", action="store_true", help="ask the repository's owner with a pull request")
    parser.add_argument("--tag", metavar="NAME", help="name the commit on the Hub, such as v1.0")
    parser.add_argument(
        "--export",
        nargs="+",
        default=[],
        metavar="FORMAT",
        help="onnx, litert: files for other runtimes, on the Hub, or in --output without --push-to-hub",
    )
    return parser


def parse(arguments):
    """The command line as a namespace."""
    options = build_parser().parse_args(arguments)
    if not options.push_to_hub and (options.private or options.create_pr or options.tag):
        raise UserError("--private, --create-pr and --tag go with --push-to-hub OWNER/NAME. Received: no --push-to-hub")
    if options.enlarged is not None and options.network != "se_resnet":
        raise UserError(f"--enlarged goes with the network se_resnet. Received: {options.network}")
    check_hosts(options.hosts, options.processes, options.process_id)
    if starts_from_base(options):
        for name in ("start", "hosts"):
            if getattr(options, name):
                raise UserError(f"--{name} goes without --weights. Received: --weights {options.weights}")
    elif options.head_epochs is not None or options.tuning_rate is not None:
        raise UserError("--head-epochs and --tuning-rate go with --weights imagenet or PATH. Received: no weights")
    return options


def starts_from_base(options):
    """Whether `--weights` names weights of a backbone's base, so that training goes on from them."""
    return options.weights not in (None, "none")


def choose_recipe(options):
    """The network's recipe with what was asked for; refuses an unknown network, and numbers that do not fit."""
    if options.network not in RECIPES:
        raise UserError(f"`network` must be one of {', '.join(RECIPES)}. Received: {options.network!r}")
    if options.weights and options.network not in TRANSFERS:
        known = ", ".join(sorted(TRANSFERS))
        raise UserError(f"`--weights` goes with the networks {known}. Received: {options.network}")
    asked = {name: getattr(options, name) for name in RECIPE if getattr(options, name) is not None}
    if options.votes:
        asked.setdefault("label_smoothing", 0.0)
    recipe = replace((TRANSFERS if starts_from_base(options) else RECIPES)[options.network], **asked)
    if options.zoom is not None and not recipe.augment:
        why = "--no-augment" if options.augment is False else f"the network {options.network}, whose recipe has none"
        raise UserError(f"--zoom goes with augmentation. Received: {why}")
    return recipe


def choose_size(options):
    """The side of the network's input in pixels."""
    return SIZES[options.network].usual if options.image_size is None else options.image_size


def check_options(options):
    """Refuses, before anything is loaded, what cannot be read, written or published."""
    check_classes(options.classes)
    check_size(options.network, choose_size(options), options.enlarged)
    if options.weights not in (None, "none", "imagenet") and not Path(options.weights).is_file():
        raise UserError(f"`--weights` must be imagenet, none or a file. Received: {options.weights}")
    for name in filter(None, [options.start, *options.teacher]):
        folder = find_model(name)
        check_weights(folder, load_config(folder)[1])
    if not options.process_id:  # The others neither write nor publish.
        check_output(options.output, options.resume)
        check_publishing(options)
    check_inputs(options.data, options.votes)


def check_output(output, resume):
    """Refuses an output folder that cannot be written to, or holds something else than a run to resume."""
    resumed = resume and (output / ARGUMENTS).exists()
    if not resumed and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(
            f"`--output` must be a new or empty folder, or --resume must be given for the run in it. Received: {output}"
        )
    check_folder("`--output`", output)


def check_publishing(options):
    """Refuses exports and pushes that cannot succeed before anything is trained."""
    if options.export:
        from fer.export.convert import check_formats

        check_formats(options.export)
    if options.push_to_hub:
        from fer.publishing.push import check_push

        check_push(options.push_to_hub, options.create_pr, private=options.private)


def load_start(folder, config):
    """The network of a model folder to start from, and how it was trained; it must be of the kind to train."""
    from fer.models.model_folder import load_model

    network, earlier = load_model(folder)
    if (earlier.network, earlier.labels) != (config.network, config.labels):
        raise UserError(
            f"`--start` must be a {config.network} for {', '.join(config.labels)}. "
            f"Received: {earlier.network} for {', '.join(earlier.labels)}"
        )
    return network, earlier.training


def push(options):
    """Publishes the model folder; if that fails the model is there, and so is the command that publishes it."""
    from fer.hub.errors import HubError
    from fer.publishing.push import push_model

    try:
        pushed = push_model(
            options.output, options.push_to_hub, options.private, options.create_pr, options.tag, options.export
        )
    except HubError as error:
        again = ["python", "-m", "fer", "push", str(options.output), options.push_to_hub]
        again += ["--private"] * bool(options.private) + ["--create-pr"] * options.create_pr
        again += ["--tag", options.tag] if options.tag else []
        again += ["--export", *options.export] if options.export else []
        raise UserError(f"{error}; the model is in {options.output}. To publish it: {shlex.join(again)}") from None
    print(f"Published: {pushed.url}\ncommit {pushed.revision}\n{pushed.describe()}")


def export(options):
    """Writes the exports into the model folder; its card then says how to run them."""
    from fer.export.convert import export_model
    from fer.models.exports import EXPORTS

    for format in options.export:
        export_model(options.output, format, options.output / EXPORTS[format])
    write_card(options.output, options.export)


def write_card(folder, exports=()):
    """Writes the model card, if this machine has what it needs; `exports` as in `fer.publishing.card.render_card`."""
    if importlib.util.find_spec("huggingface_hub"):
        from fer.publishing.card import save_card

        save_card(folder, folder.as_posix(), exports)
    else:
        print("No card: it needs huggingface_hub, which is not installed here.")


def command_to_publish(options):
    """The command line as others would give it: each path by its last part, without `UNPUBLISHED`."""
    parser, words = build_parser(), ["python", "train.py"]
    for name, value in vars(options).items():
        if name in UNPUBLISHED or value == parser.get_default(name):
            continue
        if value is False:
            words.append(f"--no-{name}")
            continue
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            values = value if isinstance(value, list) else [value]
            words += [last_part(value) if name in PATHS else str(value) for value in values]
    return shlex.join(words)


def settings(options, config, recipe, taught_by, base_from):
    """What must stay the same when a run is resumed, ready for JSON."""
    kept = {key: value for key, value in vars(options).items() if key not in UNSETTLED}
    kept |= {"classes": list(config.labels), "image_size": config.image_size}
    teachers = [{"name": teacher["name"], "sha256": teacher["sha256"]} for teacher in taught_by]
    kept |= {"teacher": teachers or None, "weights": base_from}
    return {**kept, **asdict(recipe)}


def check_resumption(options, now):
    """Refuses to resume a run with other settings than its own; `now` are those that were asked for."""
    path = options.output / ARGUMENTS
    if options.resume and path.exists():
        earlier = json.loads(path.read_text())
        changed = [key for key in now if now[key] != earlier.get(key)]
        if changed:
            there = ", ".join(f"{key}={earlier.get(key)}" for key in changed)
            received = ", ".join(f"{key}={now[key]}" for key in changed)
            raise UserError(f"A run is resumed with its own settings. {options.output}: {there}. Received: {received}")


if __name__ == "__main__":
    with own_terminal(), exit_on_user_error("python train.py"):
        main()
