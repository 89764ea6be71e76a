"""The options of the training command."""

import argparse
import shlex
from dataclasses import fields
from pathlib import Path

from fer.data.items import SPLIT_SEED
from fer.data.layouts import CODES
from fer.labels import EMOTIONS
from fer.models.provenance import last_part
from fer.training.recipes import Recipe

STARTED = ("command", "program", "own_process")
"""What a command line's namespace has besides options: how it was started."""
UNPUBLISHED = (
    *("resume", "hosts", "processes", "process_id", "push_to_hub", "private", "create_pr", "tag"),
    *STARTED,
)
"""Options that are no part of the command that a model is published with."""
PATHS = ("data", "output", "votes", "start", "weights", "teacher")
"""Options of which the last part is published."""


TIMES = (
    "How long it takes: on 2 processor cores se_resnet trains on some 130 pictures a second with --mixed-precision: 8 "
    "seconds for an epoch of 1,000 pictures, 3.6 minutes for one of FER2013's 28,709, and some seconds more for the "
    "files of each epoch. `python -m fer data PATH` prints what would be read, before anything is trained."
)
"""Text at the end of the help."""


def add_options(parser):
    """Add the options of a training to a parser."""
    parser.epilog = TIMES
    parser.add_argument("--data", required=True, metavar="PATH", help="data set: folder, zip or CSV (docs/training.md)")
    parser.add_argument("--output", required=True, metavar="FOLDER", type=Path, help="where the model folder goes")
    parser.add_argument(
        "--network",
        default="se_resnet",
        metavar="NAME",
        help="a network of fer/models/networks.py (default: %(default)s)",
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="CLASS",
        help=f"classes to tell apart, 2 to 50 names of folders (default: {', '.join(EMOTIONS)})",
    )
    parser.add_argument(
        "--layout", choices=tuple(CODES), help="published layout of --data: what numbered folders and label files mean"
    )
    parser.add_argument("--image-size", type=int, metavar="N", help="side of the network's input in pixels")
    parser.add_argument("--enlarged", type=int, metavar="N", help="side to which se_resnet enlarges its input first")
    _add_recipe(parser)
    parser.add_argument("--votes", metavar="CSV", help="FER+ votes: teach what people say, not the one label alone")
    parser.add_argument(
        "--start",
        metavar="MODEL",
        help="model whose weights to start from: a folder, bundled, or OWNER/NAME of the Hub; its classes may be "
        "others (default: bundled, for fewer than 5,000 pictures)",
    )
    parser.add_argument("--from-scratch", action="store_true", help="start from random weights, however few pictures")
    parser.add_argument(
        "--weights",
        metavar="imagenet|none|PATH",
        help="of a backbone's base, of which --tune says what stays as it is: those of ImageNet, which Keras "
        "downloads, a file that Keras wrote, mobilenet's faceres.json, or efficientnet_lite0's *.pth; by default none, "
        "and all is trained from scratch",
    )
    parser.add_argument(
        "--teacher",
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="model folders, or bundled, whose mean answers to learn",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many pictures of each split")
    parser.add_argument("--train-limit", type=int, metavar="N", help="at most so many training pictures")
    parser.add_argument(
        "--draw",
        type=int,
        metavar="N",
        help=f"seed that draws the pictures of --limit and --train-limit (default: {SPLIT_SEED})",
    )
    parser.add_argument(
        "--keep",
        choices=("best", "last"),
        help="the epoch whose weights are kept: the one of the lowest validation loss, or the last of the schedule "
        "(default: best; last where few pictures are fine-tuned on)",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last finished epoch in --output")
    parser.add_argument(
        "--allow-duplicates",
        action="store_true",
        help="train even where more than half of the validation pictures are training pictures, to the pixel",
    )
    parser.add_argument("--skip-bad", action="store_true", help="leave unreadable pictures out and count them")
    parser.add_argument(
        "--mixed-precision", action="store_true", help="compute in bfloat16: twice as fast where the processor has it"
    )
    parser.add_argument(
        "--license", metavar="ID", help="licence of a model of your own data, for its card, such as cc-by-4.0"
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
        help="onnx: a file for another runtime, on the Hub, or in --output without --push-to-hub; litert always is",
    )


def _add_recipe(parser):
    """Add an option for each field of `Recipe` that has a help text.

    argparse does it in these few lines: typer has no options of several values, such as `--teacher A B`; and as a
    default here is None, for that of the network's own recipe, tyro would need a second class with fields of its own.
    """
    group = parser.add_argument_group(
        "recipe",
        "By default the network's own, of fer/training/recipes.py; se_resnet's are shown. Below 5,000 training "
        "pictures --epochs, --batch-size and --learning-rate follow their number, and --mixup is 0 (docs/training.md).",
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


def recipe_options(options):
    """Return the fields of `Recipe` that the command line gives."""
    given = {field.name: getattr(options, field.name, None) for field in fields(Recipe)}
    return {name: value for name, value in given.items() if value is not None}


def starts_from_base(options):
    """Return whether `--weights` names weights of a backbone's base, so that training goes on from them."""
    return options.weights not in (None, "none")


def command_to_publish(options):
    """Return the command line as others would give it: each path by its last part, without `UNPUBLISHED`."""
    parser, words = argparse.ArgumentParser(), options.program.split()
    add_options(parser)
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
