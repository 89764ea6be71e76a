"""Read the faces in a clip, frame by frame."""

from contextlib import nullcontext

from fer.cli.options import add_model, finish, tell_left_out
from fer.outputs import check_outputs, check_suffix, kept, write_text

HELP = "read the faces in a clip, frame by frame"


def add_options(parser):
    """Add this command's options to its parser."""
    add_model(parser)
    parser.add_argument("clip", metavar="CLIP", help="MP4, MOV, WebM, MKV, AVI or MPEG-TS file")
    parser.add_argument("--every", type=float, default=0.2, metavar="S", help="seconds between frames (default: 0.2)")
    parser.add_argument("--csv", metavar="FILE", help="write a row a frame and face here")
    parser.add_argument(
        "--annotated", metavar="FILE", help="write the frames with their boxes here, as MP4 without sound"
    )


def run(options):
    """Read the faces in a clip, and write the files that are asked for."""
    from fer.hub.client import resolve_model
    from fer.images.clips import open_clip, read_frames, write_video
    from fer.images.drawing import draw_faces
    from fer.models.model_folder import find_model, list_files
    from fer.recognition.clip_reading import appearances, read_faces
    from fer.recognition.recognizer import Recognizer
    from fer.recognition.records import clip_csv

    check_suffix("`--annotated`", options.annotated, ".mp4")
    read = [options.clip, *list_files(find_model(options.model))]
    check_outputs({"`--csv`": options.csv, "`--annotated`": options.annotated}, read)
    clip = open_clip(options.clip)
    source = resolve_model(options.model)
    recognizer = Recognizer.load(source.folder, str(source))
    rows, frames, left_out, failures = [], 0, 0, []
    with kept(failures), write_video(options.annotated, options.every) if options.annotated else nullcontext() as add:
        for frame, faces, numbers, more in read_faces(read_frames(clip, options.every), recognizer):
            rows += more
            frames += 1
            left_out += faces.left_out
            if add:
                add(frame.seconds, draw_faces(frame.image, faces, numbers))
        found = appearances(rows)
        count = f"{len(found) or 'no'} face{'' if len(found) == 1 else 's'}"
        print(f"{options.clip}: {frames} frames, {count}{tell_left_out(left_out)}")
        for number, own, shares in found:
            answers = ", ".join(f"{label or 'not sure'} {share:.0%}" for label, share in shares.items())
            print(f"  {number}. {own[0]['seconds']:g}-{own[-1]['seconds']:g} s, {len(own)} frames: {answers}")
    if options.csv and frames:
        with kept(failures):
            write_text(options.csv, clip_csv(rows, recognizer.labels))
    return finish(failures)
