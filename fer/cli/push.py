"""Command `fer push`: publish a model folder on the Hugging Face Hub."""

import shlex
from argparse import ArgumentParser, Namespace

from fer.cli.options import add_commit
from fer.errors import UserError
from fer.training.options import TrainingOptions

HELP = "publish a model folder on the Hugging Face Hub"
"""Help text of the command."""


def add_options(parser: ArgumentParser) -> None:
    """Add this command's options to its parser."""
    parser.add_argument("folder", metavar="FOLDER", help="model folder, or `bundled`")
    parser.add_argument(
        "repository", metavar="OWNER/NAME", help="repository of the model, which is created if it does not exist"
    )
    add_commit(parser)
    parser.add_argument(
        "--export",
        nargs="+",
        default=[],
        metavar="FORMAT",
        help="also publish the model as onnx; model.tflite (litert) is always published",
    )


def run(options: Namespace) -> int:
    """Publish a model folder; return the exit code."""
    push = _push(options.folder, options.repository, options)
    print(f"{push.url}\ncommit {push.revision}\n{push.describe()}")
    return 0


def push_trained(options: TrainingOptions) -> None:
    """Publish the model folder that a training has written.

    Raises:
        UserError: if the model cannot be published; with the reason, the model's folder and the command that publishes
            it.
    """
    folder, repository = options.output, options.push_to_hub
    try:
        pushed = _push(folder, repository, options)
    except UserError as error:
        again = ["python", "-m", "fer", "push", str(folder), repository]
        again += ["--private"] * bool(options.private) + ["--create-pr"] * options.create_pr
        again += ["--tag", options.tag] if options.tag else []
        again += ["--export", *options.export] if options.export else []
        raise UserError(f"{error}; the model is in {folder}. To publish it: {shlex.join(again)}") from None
    print(f"Published: {pushed.url}\ncommit {pushed.revision}\n{pushed.describe()}")


def _push(folder, repository, options):
    """Publish a model folder, and return the `Push`; `options` are those of this command or of a training."""
    from fer.publishing.push import push_model

    return push_model(
        folder,
        repository,
        private=options.private,
        create_pr=options.create_pr,
        tag=options.tag,
        exports=options.export,
    )
