"""Write a model as one file for another runtime."""

HELP = "write a model as one file for another runtime"


def add_options(parser):
    """Add this command's options to its parser."""
    parser.add_argument("model", metavar="MODEL", help="`bundled`, a model folder, or OWNER/NAME[@REVISION] of the Hub")
    parser.add_argument("--format", required=True, metavar="FORMAT", help="onnx or litert")
    parser.add_argument("--output", required=True, metavar="FILE", help="where the file goes")
    parser.add_argument("--quantize", action="store_true", help="litert: weights as float16, half the size")
    parser.add_argument("--data", metavar="PATH", help="folder, zip or CSV of FER2013: the accuracy on validation too")
    parser.add_argument("--skip-bad", action="store_true", help="leave unreadable pictures out")


def run(options):
    """Write a model as one file and print how far it is from Keras."""
    from fer.export.convert import export_model
    from fer.hub.client import resolve_model

    folder = resolve_model(options.model).folder
    export = export_model(folder, options.format, options.output, options.quantize, options.data, options.skip_bad)
    print(f"{options.output}: {export.size / 1e6:.1f} MB")
    print(f"largest difference from Keras' probabilities on 64 crops: {export.difference:.1g}")
    if export.accuracy:
        n, keras, file = (export.accuracy[name] for name in ("n", "keras", "file"))
        print(f"accuracy on {n} pictures of the validation split: Keras {keras:.2%}, this file {file:.2%}")
    return 0
