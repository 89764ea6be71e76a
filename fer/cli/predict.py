"""Command `fer predict`: recognize the faces in pictures of files, folders, zips, pipes and web addresses."""

import os
import sys
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from fer.cli.console import nobody_reads
from fer.cli.messages import count, printed, stream_beside, tell_left_out, tell_written
from fer.cli.options import add_already_cropped, add_model
from fer.cli.picture_folder import PictureFolder, check_picture_folders
from fer.documents import to_json
from fer.errors import UserError
from fer.outputs import OutputError, check_outputs, is_special, is_stdin, is_stdout, written_whole

HELP = "find the faces in pictures and estimate their expressions"
"""Help text of the command."""
QUALITY = 90
"""Quality (0-100) of the annotated JPEGs."""


def add_options(parser: ArgumentParser) -> None:
    """Add this command's options to its parser."""
    add_model(parser)
    parser.add_argument(
        "photos",
        nargs="+",
        metavar="PHOTO",
        help="a picture, a folder (with its subfolders), a zip, an address (http:// or https:// of a public server), "
        "or `-` for a picture or zip on standard input",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON per picture")
    parser.add_argument("--csv", metavar="FILE", help="write one row per face to this file, and print only a summary")
    parser.add_argument(
        "--annotated", metavar="FOLDER", help="write each picture with the boxes of its faces to this folder, as JPEG"
    )
    parser.add_argument(
        "--crops",
        metavar="FOLDER",
        help="write the largest face of each picture to this folder as the network reads it, a grey PNG: pictures to "
        "train on",
    )
    add_already_cropped(parser)


def run(options: Namespace) -> int:
    """Recognize the faces in pictures; return the exit code, which is 2 if a picture is unreadable or there is none."""
    from fer.hub.client import resolve_model
    from fer.images.sources import find_pictures
    from fer.models.model_folder import find_model, possible_files
    from fer.recognition.litert_network import read_litert_file
    from fer.recognition.parallel import recognize_in_parallel
    from fer.recognition.recognizer import Recognizer
    from fer.recognition.records import note_rows, start_photos_csv

    _check(options, possible_files(find_model(options.model)))
    source = resolve_model(options.model)
    # Read before an output file is begun, so that an invalid model is reported at once.
    model_file = read_litert_file(source.folder)
    load = partial(Recognizer.open, model_file, str(source))
    outputs = [output for output in (options.csv, options.annotated, options.crops) if output]
    with ExitStack() as stack:
        add_rows, notes = None, []
        if options.csv:
            path = stack.enter_context(written_whole(options.csv))
            # Bytes of a file name that are not UTF-8 are written as escapes.
            file = stack.enter_context(path.open("w", encoding="utf-8", errors="backslashreplace", newline=""))
            add_rows = start_photos_csv(file, model_file.config.labels)
        bar = stack.enter_context(_progress(options.photos))
        write = partial(_print, bar)
        report = _Report(options, str(source), write, add_rows)

        def note(source, message):
            notes.append((source, message))
            write(printed(message), sys.stderr)

        pictures = find_pictures(options.photos, note)
        for answer in recognize_in_parallel(pictures, load, options.already_cropped, keep=bool(options.annotated)):
            report.add(answer)
            bar.update()
            if not outputs and nobody_reads():
                break
        if add_rows:
            add_rows(note_rows(notes))
    if outputs:
        print(report.summary(), file=sys.stderr if options.json else stream_beside(options.csv))
        tell_written(*outputs)
    return 2 if report.unread or report.unwritten or not report.pictures else 0


class _Report:
    """Printer and writer of the answers, one after the other.

    Args:
        options: options of the command line.
        model: name of the model.
        write: function that prints a text, by default to standard output, else to the file of its second argument.
        add_rows: function that writes rows to the CSV file, or None.

    Attributes:
        pictures, faces, unread, unwritten: numbers so far of pictures, of faces, of unreadable pictures, and of
            annotated pictures and crops that could not be written.
    """

    def __init__(self, options, model, write, add_rows=None):
        self.pictures = self.faces = self.unread = self.unwritten = 0
        self._write, self._add_rows = write, add_rows
        self._options, self._model = options, model
        several = len(options.photos) > 1
        self._annotated = options.annotated and PictureFolder(options.annotated, ".jpg", several)
        self._crops = options.crops and PictureFolder(options.crops, ".png", several)

    def add(self, answer):
        """Print and write one `fer.recognition.parallel.Answer`."""
        from fer.recognition.records import photo_record, photo_rows

        name, faces = answer.found.name, answer.faces
        self.pictures += 1
        self.faces += len(faces)
        if answer.problem:
            self.unread += 1
            self._write(answer.problem, sys.stderr)
        if self._add_rows:
            self._add_rows(photo_rows(name, faces, answer.problem, answer.note))
        if self._options.json:
            self._write(to_json(photo_record(name, answer, faces, self._model, answer.problem or answer.note)))
        elif not answer.problem and not self._options.csv:
            self._write(_sentence(name, faces, answer.note))
        if self._annotated and answer.image is not None:
            self._save(self._annotated, answer.found, partial(_draw, answer))
        if self._crops and faces:
            self._save(self._crops, answer.found, partial(_save_crop, faces[0]))

    def summary(self):
        """Return one line with the numbers of pictures and faces."""
        unread = f", {self.unread} of them unreadable" if self.unread else ""
        crops = f"; {count(self._crops.written, 'crop')}" if self._crops else ""
        unwritten = f"; pictures not written: {self.unwritten:,}" if self.unwritten else ""
        return f"{count(self.pictures, 'picture')}{unread}; {count(self.faces, 'face')}{crops}{unwritten}"

    def _save(self, folder, found, save):
        try:
            folder.write(found, save)
        except OutputError as error:
            self.unwritten += 1
            self._write(str(error), sys.stderr)


def _draw(answer, file):
    """Write an annotated picture to a file."""
    from fer.images.drawing import draw_faces

    profile = answer.image.info.get("icc_profile", b"")
    # That of a grey or CMYK picture does not fit: it was converted to RGB without a profile.
    options = {"icc_profile": profile} if profile[16:20] == b"RGB " else {}
    draw_faces(answer.image, answer.faces).save(file, "JPEG", quality=QUALITY, **options)


def _save_crop(face, file):
    """Write the crop of a face to a file."""
    from PIL import Image

    Image.fromarray(face.crop).save(file, "PNG")


def _check(options, model_files):
    """Raise an error, before any work is done, unless all outputs can be written without replacing an input."""
    from fer.images.formats import find_formats, read_head
    from fer.images.sources import STANDARD_INPUT

    if (count := options.photos.count(STANDARD_INPUT)) > 1:
        raise UserError(f"Standard input (`-`) can be given once. Received: {count} times")
    folders = [photo for photo in options.photos if os.path.isdir(photo)]
    files = [photo for photo in options.photos if os.path.isfile(photo)]
    read = [*files, *model_files]
    if options.csv and not is_special(Path(options.csv)) and find_formats(read_head(options.csv)):
        read += folders
    check_outputs({"`--csv`": options.csv}, read)
    if options.csv and STANDARD_INPUT in options.photos and is_stdin(options.csv):
        raise UserError(f"`--csv` must be a file that is not read. Received: {options.csv}, which is standard input")
    if options.json and is_stdout(options.csv):
        raise UserError(
            f"`--csv` must be another file than standard output, where `--json` goes. Received: {options.csv}"
        )
    check_picture_folders({"--annotated": options.annotated, "--crops": options.crops}, options.photos, options.csv)


def _progress(photos):
    """Return a progress bar on standard error, hidden unless this is a terminal and there are several pictures."""
    from tqdm import tqdm

    from fer.images.sources import count_pictures

    total = count_pictures(photos) if sys.stderr.isatty() else 0
    return tqdm(total=total, disable=total < 2, unit=" pictures", dynamic_ncols=True)


def _print(bar, text, file=None):
    """Print a line, above the progress bar if there is one."""
    file = file or sys.stdout
    if bar.disable:
        print(text, file=file)
        return
    with bar.external_write_mode(file=sys.stderr):
        print(text, file=file, flush=True)


def _sentence(photo, faces, note):
    photo, note = printed(photo), f"  {note}" if note else ""
    if not faces:
        return "\n".join(filter(None, [f"{photo}: no face found", note]))
    lines = [f"{photo}: {count(len(faces), 'face')}{tell_left_out(faces.left_out)}"]
    for number, face in enumerate(faces, start=1):
        ranked = sorted(face.probabilities.items(), key=lambda item: item[1], reverse=True)
        shares = ", ".join(f"{label} {value:.1%}" for label, value in ranked)
        lines.append(f"  {number}. {face.answer} at {','.join(map(str, face.box))}: {shares}")
    return "\n".join(filter(None, [*lines, note]))
