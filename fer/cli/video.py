"""Command `fer video`: recognize and track the faces in a clip."""

import sys
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack, contextmanager
from functools import partial

from fer.cli.messages import count, finish, printed, stream_beside, tell_left_out, tell_written
from fer.cli.options import add_model
from fer.errors import UserError
from fer.images.sampling import MAX_EVERY, MIN_EVERY
from fer.outputs import check_outputs, check_suffix, kept, write_json, written_until_interrupted

HELP = "find the faces in a clip, frame by frame, and estimate their expressions"
"""Help text of the command."""


def add_options(parser: ArgumentParser) -> None:
    """Add this command's options to its parser."""
    add_model(parser)
    parser.add_argument("clip", metavar="CLIP", help="MP4, MOV, WebM, MKV, AVI or MPEG-TS file")
    parser.add_argument(
        "--every",
        type=float,
        default=0.2,
        metavar="S",
        help=f"seconds between frames, {MIN_EVERY:g} to {MAX_EVERY:g} (default: %(default)s)",
    )
    parser.add_argument(
        "--csv",
        metavar="FILE",
        help="write one row per face and frame to this file; Ctrl+C, or damage to the clip, keeps its rows so far",
    )
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write a summary of each face to this file: seconds in sight, share of each expression, episodes",
    )
    parser.add_argument(
        "--annotated",
        metavar="FILE",
        help="write the frames with the boxes of their faces to this file, as MP4 without sound",
    )


def run(options: Namespace) -> int:
    """Recognize the faces in a clip, and write the requested files; return the exit code."""
    from fer.hub.client import resolve_model
    from fer.images.clip_writing import write_video
    from fer.images.clips import open_clip, read_frames
    from fer.images.drawing import draw_faces
    from fer.images.sampling import check_every
    from fer.models.model_folder import find_model, possible_files
    from fer.recognition.clip_reading import ClipSummary, read_faces
    from fer.recognition.recognizer import Recognizer

    check_every(options.every)
    check_suffix("`--annotated`", options.annotated, ".mp4")
    read = [options.clip, *possible_files(find_model(options.model))]
    outputs = {"`--csv`": options.csv, "`--json`": options.json, "`--annotated`": options.annotated}
    check_outputs(outputs, read)
    clip = open_clip(options.clip)
    source = resolve_model(options.model)
    recognizer = Recognizer.load(source.folder, str(source))
    summary, failures = ClipSummary(), []
    with ExitStack() as stack:
        add_rows = add_frame = None
        # A failure of an output, at its beginning or its end, takes no other output with it.
        if options.csv:
            stack.enter_context(kept(failures))
            with kept(failures):
                add_rows = stack.enter_context(_write_rows(options.csv, recognizer.labels))
        if options.annotated:
            stack.enter_context(kept(failures))
            with kept(failures):
                add_frame = stack.enter_context(write_video(options.annotated, options.every))
        bar = stack.enter_context(_progress(clip.seconds))
        frames = read_frames(clip, options.every, on_damaged=summary.add_damaged)
        for answer in read_faces(frames, recognizer, options.every):
            frame, faces, numbers, rows = answer
            summary.add(answer)
            if add_rows:
                add_rows(rows)
            if add_frame:
                add_frame(frame.seconds, draw_faces(frame.image, faces, numbers))
            bar.update(min(frame.seconds, clip.seconds) - bar.n)
        bar.close()
        found = summary.faces(clip.seconds)
        amount = count(len(found), "face") if found else "no faces"
        say = partial(print, file=stream_beside(options.csv, options.json, options.annotated))
        say(f"{printed(options.clip)}: {count(summary.frames, 'frame')}, {amount}{tell_left_out(summary.left_out)}")
        for face in found:
            answers = ", ".join(f"{label} {share:.0%}" for label, share in face["shares"].items())
            say(f"  {face['face']}. {face['first']:g}-{face['last']:g} s, {count(face['frames'], 'frame')}: {answers}")
    if summary.damaged:
        print(f"{printed(options.clip)}: {summary.message(clip)}", file=sys.stderr)
    if options.json and summary.frames:
        with kept(failures):
            write_json(options.json, summary.record(clip, options.every, recognizer.model))
    return finish(failures, options.csv, options.json if summary.frames else None, options.annotated)


@contextmanager
def _write_rows(path, labels):
    """Yield a function that writes rows of a clip to a CSV file, which appears at the end of the block.

    If the clip turns out to be damaged, the rows so far are kept. After a failure to write, the rows are dropped, so
    that the clip is read to its end; the error is raised at the end.
    """
    from fer.recognition.records import start_clip_csv

    failures, written, damage = [], 0, None
    with written_until_interrupted(path) as file:
        add = start_clip_csv(file, labels)

        def write(rows):
            nonlocal written
            if not failures:
                try:
                    add(rows)
                    written += len(rows)
                except OSError as error:
                    failures.append(error)

        try:
            yield write
        except UserError as error:
            if failures or not written:
                raise
            damage = error
        if failures:
            raise failures[0]
    if damage:
        tell_written(path)
        raise damage


def _progress(seconds):
    """Return a progress bar of the clip's seconds on standard error, hidden unless this is a terminal."""
    from tqdm import tqdm

    shape = "{percentage:3.0f}%|{bar}| {n:.0f} of {total:.0f} s read, {remaining} left"
    return tqdm(total=seconds, disable=not sys.stderr.isatty(), bar_format=shape, dynamic_ncols=True, leave=False)
