"""Command `fer export`: convert a model to one file for another runtime."""

import sys
from argparse import ArgumentParser, Namespace
from functools import partial

from fer.cli.messages import stream_beside
from fer.cli.options import OF_TRAINING, add_data, add_layout, add_skip_bad
from fer.errors import UserError

HELP = "convert a model to one file for another runtime"
"""Help text of the command."""


def add_options(parser: ArgumentParser) -> None:
    """Add this command's options to its parser."""
    parser.add_argument("model", metavar="MODEL", help="`bundled`, a model folder, or OWNER/NAME[@REVISION] of the Hub")
    parser.add_argument("--format", required=True, metavar="FORMAT", help="format of the file: onnx or litert")
    parser.add_argument("--output", required=True, metavar="FILE", help="path of the file to write")
    parser.add_argument(
        "--quantize", action="store_true", help="store the weights as float16, which halves the size; litert only"
    )
    add_data(parser, "on whose validation split the file is measured too")
    add_layout(parser, OF_TRAINING)
    add_skip_bad(parser)


def run(options: Namespace) -> int:
    """Convert a model and print how far its probabilities are from those of Keras; return the exit code."""
    alone = "--skip-bad" if options.skip_bad else "--layout" if options.layout else ""
    if alone and not options.data:
        raise UserError(f"{alone} goes with --data PATH. Received: no --data")
    from fer.export.convert import export_model
    from fer.hub.client import resolve_model

    folder = resolve_model(options.model).folder
    export = export_model(
        folder,
        options.format,
        options.output,
        quantize=options.quantize,
        data=options.data,
        skip_bad=options.skip_bad,
        layout=options.layout,
    )
    for message in export.skipped:
        print(f"skipped: {message}", file=sys.stderr)
    say = partial(print, file=stream_beside(options.output))
    say(f"{options.output}: {export.size / 1e6:.1f} MB")
    say(f"largest difference from Keras' probabilities on 64 crops: {export.difference:.1g}")
    if export.accuracy:
        n, keras, file = (export.accuracy[name] for name in ("n", "keras", "file"))
        say(f"accuracy on {n} pictures of the validation split: Keras {keras:.2%}, this file {file:.2%}")
    return 0
