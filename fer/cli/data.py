"""Print what would be read of a data set, before anything is trained or measured."""

import sys

from fer.cli.options import finish
from fer.data.layouts import add_layout
from fer.documents import to_json
from fer.outputs import check_inputs, check_outputs, check_suffix, kept, written_whole

HELP = "print what would be read of a data set: splits, classes, counts, copies"


def add_options(parser):
    """Add this command's options to its parser."""
    parser.add_argument("path", metavar="PATH", help="folder, zip or CSV (docs/training.md)")
    parser.add_argument("--classes", nargs="+", metavar="CLASS", help="classes to read (default: all that are there)")
    add_layout(parser)
    parser.add_argument("--sheet", metavar="FILE", help="write a contact sheet of the training pictures here, as PNG")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="list the pictures whose label this model contradicts most: `bundled`, a folder, or OWNER/NAME of the Hub",
    )
    parser.add_argument("--most", type=int, default=20, metavar="N", help="of these at most (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options):
    """Print what would be read of a data set; exit code 2 where a picture cannot be read."""
    check_inputs(options.path)
    check_suffix("`--sheet`", options.sheet, ".png")
    check_outputs({"`--sheet`": options.sheet}, [options.path])

    from tqdm import tqdm

    from fer.data.overview import format_overview, survey
    from fer.data.sheet import COLUMNS, draw_sheet

    def progress(items, total):
        return tqdm(items, total=total, unit=" pictures", disable=None, delay=1)

    samples = COLUMNS if options.sheet else 0
    model = _load(options.model) if options.model else None
    overview = survey(options.path, options.classes, options.layout, model, samples, progress)
    if options.json:
        print(to_json(overview.to_record(options.most), indent=2))
    else:
        print(format_overview(overview, options.most))
    failures = []
    if options.sheet:
        with kept(failures), written_whole(options.sheet) as file:
            draw_sheet(overview.samples, overview.counts.get("train", {})).save(file, "PNG")
        print(f"Contact sheet: {options.sheet}", file=sys.stderr)
    return finish(failures) or (2 if overview.unreadable or overview.problem else 0)


def _load(name):
    """Return the function, the labels and the image size that `fer.data.overview.survey` takes as a model."""
    from fer.hub.client import resolve_model
    from fer.models.model_folder import load_model
    from fer.recognition.classification import classify

    network, config = load_model(resolve_model(name).folder)
    return lambda crops: config.calibration.apply(classify(network, crops)), config.labels, config.image_size
