"""Command `fer data`: describe a data set, before anything is trained or measured on it."""

from argparse import ArgumentParser, Namespace

from fer.cli.messages import finish, stream_beside
from fer.cli.options import add_layout
from fer.documents import to_json
from fer.errors import check
from fer.outputs import check_inputs, check_outputs, check_suffix, kept, written_whole

HELP = "describe a data set: its splits, classes, numbers of pictures, and copies"
"""Help text of the command."""


def add_options(parser: ArgumentParser) -> None:
    """Add this command's options to its parser."""
    parser.add_argument("path", metavar="PATH", help="data set as a folder, zip or CSV file (docs/training.md)")
    parser.add_argument("--classes", nargs="+", metavar="CLASS", help="classes to read (default: all)")
    add_layout(parser)
    parser.add_argument("--sheet", metavar="FILE", help="write a contact sheet of training pictures to this PNG file")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="list the pictures whose label this model contradicts most: `bundled`, a folder, or OWNER/NAME of the Hub",
    )
    parser.add_argument(
        "--most", type=int, default=20, metavar="N", help="list at most N pictures (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace) -> int:
    """Print the description of a data set; return the exit code, which is 2 if a picture cannot be read."""
    check_inputs(options.path)
    check(options.most >= 0, "--most", "0 or more", options.most)
    check_suffix("`--sheet`", options.sheet, ".png")
    check_outputs({"`--sheet`": options.sheet}, [options.path])

    from tqdm import tqdm

    from fer.data.overview import format_overview, survey
    from fer.data.sheet import COLUMNS, draw_sheet

    def progress(items, total):
        return tqdm(items, total=total, unit=" pictures", disable=None, delay=1)

    samples = COLUMNS if options.sheet else 0
    model = _load(options.model) if options.model else None
    overview = survey(options.path, options.classes, options.layout, model=model, samples=samples, progress=progress)
    if options.json:
        text = to_json(overview.to_record(options.most), indent=2)
    else:
        text = format_overview(overview, options.most)
    print(text, file=stream_beside(options.sheet))
    failures = []
    if options.sheet:
        with kept(failures), written_whole(options.sheet) as file:
            draw_sheet(overview.samples, overview.counts.get("train", {})).save(file, "PNG")
    return finish(failures, options.sheet) or (2 if overview.unreadable or overview.problem else 0)


def _load(name):
    """Return a model as `fer.data.overview.survey` takes it."""
    from fer.data.overview import Classifier
    from fer.hub.client import resolve_model
    from fer.models.model_folder import load_model
    from fer.recognition.classification import classify

    network, config = load_model(resolve_model(name).folder)

    def answer(crops):
        return config.calibration.apply(classify(network, crops))

    return Classifier(answer, config.labels, config.image_size)
