"""Publish a model folder on the Hugging Face Hub."""

import shlex

from fer.errors import UserError

HELP = "publish a model folder on the Hugging Face Hub"


def add_options(parser):
    """Add this command's options to its parser."""
    parser.add_argument("folder", metavar="FOLDER", help="model folder, or `bundled`")
    parser.add_argument("repository", metavar="OWNER/NAME", help="the model's repository; created if it is not there")
    parser.add_argument("--private", action="store_true", default=None, help="make a new repository private")
    parser.add_argument("--create-pr", action="store_true", help="ask with a pull request instead of committing")
    parser.add_argument("--tag", metavar="NAME", help="name the commit, such as v1.0")
    parser.add_argument(
        "--export", nargs="+", default=[], metavar="FORMAT", help="onnx, litert: files for other runtimes, too"
    )


def run(options):
    """Publish a model folder."""
    from fer.publishing.push import push_model

    push = push_model(
        options.folder, options.repository, options.private, options.create_pr, options.tag, options.export
    )
    print(f"{push.url}\ncommit {push.revision}\n{push.describe()}")
    return 0


def push_trained(folder, repository, options):
    """Publish the model folder of a training, which is not lost where that fails.

    Args:
        folder: the model folder.
        repository: `OWNER/NAME`.
        options: as `add_options` defines them, but for the first two.

    Raises:
        UserError: with the Hub's refusal, where the model is, and the command that publishes it.
    """
    from fer.hub.errors import HubError
    from fer.publishing.push import push_model

    try:
        pushed = push_model(folder, repository, options.private, options.create_pr, options.tag, options.export)
    except HubError as error:
        again = ["python", "-m", "fer", "push", str(folder), repository]
        again += ["--private"] * bool(options.private) + ["--create-pr"] * options.create_pr
        again += ["--tag", options.tag] if options.tag else []
        again += ["--export", *options.export] if options.export else []
        raise UserError(f"{error}; the model is in {folder}. To publish it: {shlex.join(again)}") from None
    print(f"Published: {pushed.url}\ncommit {pushed.revision}\n{pushed.describe()}")
