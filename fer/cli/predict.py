"""Read the faces in photos."""

import sys

from fer.cli.console import nobody_reads
from fer.cli.options import add_already_cropped, add_model, tell_left_out
from fer.documents import to_json

HELP = "read the faces in photos"


def add_options(parser):
    """Add this command's options to its parser."""
    add_model(parser)
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="picture file")
    parser.add_argument("--json", action="store_true", help="one JSON document a photo, a line each")
    add_already_cropped(parser)


def run(options):
    """Read the faces in photos; return 2 where a photo could not be read."""
    from fer.hub.client import resolve_model
    from fer.images.loading import ImageError, load_image
    from fer.recognition.recognizer import Recognizer
    from fer.recognition.records import photo_record

    source = resolve_model(options.model)
    recognizer = Recognizer.load(source.folder, str(source))
    failed = False
    for photo in options.photos:
        try:
            image = load_image(photo)
        except ImageError as error:
            print(error, file=sys.stderr)
            failed = True
            continue
        faces = recognizer.recognize(image, options.already_cropped)
        if options.json:
            print(to_json(photo_record(photo, image, faces, recognizer.model)))
        else:
            print(_sentence(photo, faces))
        if nobody_reads():
            break
    return 2 if failed else 0


def _sentence(photo, faces):
    if not faces:
        return f"{photo}: no face found"
    lines = [f"{photo}: {len(faces)} face{'s' if len(faces) > 1 else ''}{tell_left_out(faces.left_out)}"]
    for number, face in enumerate(faces, start=1):
        ranked = sorted(face.probabilities.items(), key=lambda item: item[1], reverse=True)
        shares = ", ".join(f"{label} {value:.1%}" for label, value in ranked)
        lines.append(f"  {number}. {face.answer} at {','.join(map(str, face.box))}: {shares}")
    return "\n".join(lines)
