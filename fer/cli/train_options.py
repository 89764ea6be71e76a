"""Options of the training command, `fer train` and `python train.py`."""

import argparse
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from fer.cli.options import Parser, add_allow_duplicates, add_commit, add_data, add_layout, add_skip_bad, add_votes
from fer.data.items import SPLIT_SEED
from fer.labels import EMOTIONS, MOST_CLASSES
from fer.training.options import TrainingOptions
from fer.training.recipes import RECIPES, Recipe

PROGRAM = "python train.py"
"""Program whose arguments `parse_options` reads."""
TIMES = (
    "Duration: on 2 cores of a server processor with bfloat16, se_resnet trains on about 190 pictures per second with "
    "--mixed-precision (docs/benchmarks.md). An epoch of 1,000 pictures takes 5 seconds, and one of FER2013's 28,709 "
    "takes 2.5 minutes; writing the files of an epoch takes some seconds more. `python -m fer data PATH` describes a "
    "data set before you train on it."
)
"""Text at the end of the help."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a training to a parser."""
    parser.epilog = TIMES
    add_data(parser, required=True)
    parser.add_argument(
        "--output", required=True, metavar="FOLDER", type=Path, help="model folder to write, new or empty"
    )
    parser.add_argument(
        "--network",
        default=TrainingOptions.network,
        metavar="NAME",
        help=f"network to train: {', '.join(RECIPES)} (default: %(default)s)",
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="CLASS",
        help=f"classes to tell apart, 2 to {MOST_CLASSES} names of folders (default: {', '.join(EMOTIONS)})",
    )
    add_layout(parser)
    parser.add_argument(
        "--image-size",
        type=int,
        metavar="N",
        help="side of the network's input in pixels (default: the network's usual one, se_resnet's is 48)",
    )
    parser.add_argument("--enlarged", type=int, metavar="N", help="side to which se_resnet enlarges its input first")
    _add_recipe(parser)
    add_votes(parser, "train on them too, not only on the labels")
    parser.add_argument(
        "--start",
        metavar="MODEL",
        help="model whose weights to start from: a folder, `bundled`, or OWNER/NAME of the Hub; it may have other "
        "classes (default: `bundled` for se_resnet and fewer than 5,000 pictures, without --weights, --teacher and "
        "--hosts)",
    )
    parser.add_argument("--from-scratch", action="store_true", help="start from random weights, even with few pictures")
    parser.add_argument(
        "--weights",
        metavar="imagenet|none|PATH",
        help="weights from which the base of a backbone starts: imagenet, which Keras downloads, or the path of a file "
        "that Keras wrote, of mobilenet's faceres.json, or of efficientnet_lite0's *.pth; --tune selects the part that "
        "is trained (default: none, so that the whole network is trained from scratch)",
    )
    parser.add_argument(
        "--teacher",
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="distil the network from these model folders, or from `bundled`: it learns the mean of their answers too",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="use at most N pictures of each split")
    parser.add_argument("--train-limit", type=int, metavar="N", help="use at most N training pictures")
    parser.add_argument(
        "--draw",
        type=int,
        metavar="N",
        help=f"seed that draws the pictures of --limit and --train-limit (default: {SPLIT_SEED})",
    )
    parser.add_argument(
        "--keep",
        choices=("best", "last"),
        help="keep the weights of the epoch with the lowest validation loss, or of the last epoch (default: best; last "
        "if a model is fine-tuned on few pictures)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue the run in --output after its last finished epoch"
    )
    add_allow_duplicates(parser)
    add_skip_bad(parser)
    parser.add_argument(
        "--mixed-precision",
        action="store_true",
        help="compute in bfloat16: twice as fast on processors that support it, slower on others",
    )
    parser.add_argument(
        "--license",
        metavar="ID",
        help="licence of the model, for its card: an identifier of the Hub, such as cc-by-4.0 or other",
    )
    hosts = parser.add_argument_group(
        "several machines", "Run the same command on each machine, with its own --process-id. Needs JAX."
    )
    hosts.add_argument("--hosts", metavar="HOST:PORT", help="address at which process 0 listens for the others")
    hosts.add_argument("--processes", type=int, metavar="N", help="number of processes that train together")
    hosts.add_argument(
        "--process-id", type=int, metavar="I", help="number of this process, from 0; process 0 writes the files"
    )
    parser.add_argument("--push-to-hub", metavar="OWNER/NAME", help="publish the model on the Hugging Face Hub")
    add_commit(parser)
    parser.add_argument(
        "--export",
        nargs="+",
        default=[],
        metavar="FORMAT",
        help="also write files for other runtimes: onnx (litert is always written); with --push-to-hub they go to the "
        "Hub, otherwise to --output",
    )


def _add_recipe(parser):
    """Add an option for each field of `Recipe` that has a help text.

    The defaults are None, which means the value of the network's own recipe. argparse needs only these few lines for
    that: typer has no options with several values, such as `--teacher A B`, and tyro would need a second class.
    """
    group = parser.add_argument_group(
        "recipe",
        "The defaults are those of the network in fer/training/recipes.py; shown are se_resnet's. If training "
        "starts from a model, with fewer than 5,000 pictures, --epochs, --batch-size and --learning-rate depend on "
        "their number, and --mixup is 0 (docs/training.md).",
    )
    for field in fields(Recipe):
        if "help" not in field.metadata:
            continue
        name, text = field.name.replace("_", "-"), field.metadata["help"]
        if field.type is bool:
            group.add_argument(f"--no-{name}", dest=field.name, action="store_false", default=None, help=text)
        else:
            default = f" (default: {field.default:g})" if field.metadata["shown"] else ""
            metavar = field.metadata["metavar"]
            group.add_argument(f"--{name}", type=field.type, metavar=metavar, help=text + default)


def parse_options(arguments: Sequence[str] | None, description: str | None = None) -> TrainingOptions:
    """Return the options of a command line of `python train.py`.

    Args:
        arguments: arguments of the command line, without the program; None for those of this process.
        description: description of the program in its help.
    """
    parser = Parser(PROGRAM, description=description)
    add_options(parser)
    return read_options(parser.parse_args(arguments))


def read_options(parsed: argparse.Namespace) -> TrainingOptions:
    """Return the options of a training from the arguments that a parser with `add_options` has parsed."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in vars(parsed).items()}
    recipe = {field.name: values[field.name] for field in fields(Recipe) if values.get(field.name) is not None}
    given = {field.name: values[field.name] for field in fields(TrainingOptions) if field.name in values}
    return TrainingOptions(**given, recipe=recipe)
