"""The command line, `python -m fer COMMAND`; `python -m fer --help` lists them."""

import argparse
import sys
from contextlib import closing, nullcontext

from fer.cli.console import exit_on_user_error, nobody_reads, quiet_libraries
from fer.documents import to_json
from fer.errors import UserError
from fer.labels import EMOTIONS, check_classes
from fer.outputs import check_folder, check_inputs, check_outputs, check_suffix, kept, write_text


def main(arguments=None):
    """Runs one command; returns its exit code: 0, or 2 where a picture or an argument could not be used."""
    quiet_libraries()
    options = _parser().parse_args(arguments)
    with exit_on_user_error(f"python -m fer {options.command}"):
        return options.run(options)


def _parser():
    parser = argparse.ArgumentParser("python -m fer", description="Facial expression recognition.")
    commands = parser.add_subparsers(dest="command", required=True)

    predict = _add_command(commands, "predict", _predict, "read the faces in photos")
    _add_model(predict)
    predict.add_argument("photos", nargs="+", metavar="PHOTO", help="picture file")
    predict.add_argument("--json", action="store_true", help="one JSON document a photo, a line each")
    _add_already_cropped(predict)

    video = _add_command(commands, "video", _video, "read the faces in a clip, frame by frame")
    _add_model(video)
    video.add_argument("clip", metavar="CLIP", help="MP4, MOV, WebM, MKV, AVI or MPEG-TS file")
    video.add_argument("--every", type=float, default=0.2, metavar="S", help="seconds between frames (default: 0.2)")
    video.add_argument("--csv", metavar="FILE", help="write a row a frame and face here")
    video.add_argument(
        "--annotated", metavar="FILE", help="write the frames with their boxes here, as MP4 without sound"
    )

    score = _add_command(commands, "score", _score, "read the faces in any number of pictures, on Ray")
    _add_model(score)
    score.add_argument(
        "input",
        metavar="INPUT",
        help="folder of pictures, text file with a path a line, or Parquet (a file, or a folder of such) with pictures "
        "in a column `image` or `bytes`; s3:// and gs:// work as well",
    )
    score.add_argument("output", metavar="OUTPUT", help="folder for Parquet; what has an answer there is left out")
    score.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="a running Ray cluster, or `auto` for the one of this machine (default: this machine alone)",
    )
    _add_already_cropped(score)

    evaluate = _add_command(
        commands, "evaluate", _evaluate, "measure a model on a split of FER2013, or on whole photos"
    )
    _add_model(evaluate)
    on = evaluate.add_mutually_exclusive_group(required=True)
    on.add_argument("--data", metavar="PATH", help="folder, zip or CSV of FER2013")
    on.add_argument(
        "--photos",
        metavar="FOLDER",
        help="whole photos, <label>/* or <set>/<label>/*: found, aligned and read as in the app, the largest face",
    )
    evaluate.add_argument(
        "--prior",
        type=float,
        metavar="X",
        help="divide the probabilities by the classes' training shares to this power, 0 to 2, and not as calibrated",
    )
    evaluate.add_argument(
        "--split", default="validation", choices=("train", "validation", "test"), help="which pictures"
    )
    evaluate.add_argument(
        "--classes",
        nargs="+",
        metavar="EMOTION",
        choices=EMOTIONS,
        help="only pictures of these emotions, and the model chooses among these (default: all that it knows)",
    )
    evaluate.add_argument(
        "--limit", type=int, metavar="N", help="at most so many pictures, classes keeping their shares"
    )
    evaluate.add_argument("--skip-bad", action="store_true", help="leave unreadable pictures out and count them")
    evaluate.add_argument("--votes", metavar="CSV", help="FER+ votes: how far people agree, and the model with them")
    evaluate.add_argument(
        "--duplicates", action="store_true", help="the accuracy without near-duplicates of training pictures too"
    )
    evaluate.add_argument(
        "--allow-duplicates",
        action="store_true",
        help="with --duplicates: measure even where more than half are training pictures, to the pixel",
    )
    evaluate.add_argument(
        "--path",
        choices=("loader", "served"),
        default="loader",
        help="`served`: paste each picture into a scene and let the app's way find, cut and read it",
    )
    evaluate.add_argument("--json", metavar="FILE", help="write the figures here")
    evaluate.add_argument("--figure", metavar="FILE", help="write the confusion matrix, or one per set, here, as PNG")

    calibrate = _add_command(
        commands, "calibrate", _calibrate, "fit a model's confidence on validation, write its card"
    )
    calibrate.add_argument("folder", metavar="FOLDER", help="model folder, or `bundled`")
    calibrate.add_argument("--data", required=True, metavar="PATH", help="folder, zip or CSV of FER2013")
    calibrate.add_argument("--votes", metavar="CSV", help="FER+ votes: how far people agree, and the model with them")
    calibrate.add_argument(
        "--target", type=_share, metavar="X", help="accuracy wanted of what is not `not sure`, 0-1 (default: 0.85)"
    )
    calibrate.add_argument(
        "--served", action="store_true", help="measure faces found and cut as the app does too; some minutes"
    )
    calibrate.add_argument(
        "--photos",
        metavar="FOLDER",
        help="photos, <label>/* or <set>/<label>/*: choose the prior by them, and measure the model on them",
    )
    calibrate.add_argument(
        "--prior",
        type=float,
        metavar="X",
        help="divide the probabilities by the classes' training shares to this power, 0 to 2 (default: as it is)",
    )
    calibrate.add_argument(
        "--allow-duplicates",
        action="store_true",
        help="go on where more than half of the validation pictures are training pictures, to the pixel",
    )
    calibrate.add_argument("--skip-bad", action="store_true", help="leave unreadable pictures out")

    compare = _add_command(commands, "compare", _compare, "set model folders side by side")
    compare.add_argument("folders", nargs="+", metavar="FOLDER", help="model folder, or `bundled`")
    compare.add_argument("--output", required=True, metavar="FILE", help="Markdown document to write the table to")

    export = _add_command(commands, "export", _export, "write a model as one file for another runtime")
    export.add_argument("model", metavar="MODEL", help="`bundled`, a model folder, or OWNER/NAME[@REVISION] of the Hub")
    export.add_argument("--format", required=True, metavar="FORMAT", help="onnx or litert")
    export.add_argument("--output", required=True, metavar="FILE", help="where the file goes")
    export.add_argument("--quantize", action="store_true", help="litert: weights as float16, half the size")
    export.add_argument("--data", metavar="PATH", help="folder, zip or CSV of FER2013: the accuracy on validation too")
    export.add_argument("--skip-bad", action="store_true", help="leave unreadable pictures out")

    push = _add_command(commands, "push", _push, "publish a model folder on the Hugging Face Hub")
    push.add_argument("folder", metavar="FOLDER", help="model folder, or `bundled`")
    push.add_argument("repository", metavar="OWNER/NAME", help="the model's repository; created if it is not there")
    push.add_argument("--private", action="store_true", default=None, help="make a new repository private")
    push.add_argument("--create-pr", action="store_true", help="ask with a pull request instead of committing")
    push.add_argument("--tag", metavar="NAME", help="name the commit, such as v1.0")
    push.add_argument(
        "--export", nargs="+", default=[], metavar="FORMAT", help="onnx, litert: files for other runtimes, too"
    )

    deploy = _add_command(commands, "deploy", _deploy, "serve a model of the Hub with the app, as a Space")
    deploy.add_argument("repository", metavar="OWNER/SPACE", help="the Space; created if it is not there")
    deploy.add_argument("--model", required=True, metavar="OWNER/NAME[@REVISION]", help="what it serves, at its commit")
    deploy.add_argument("--private", action="store_true", default=None, help="make a new Space private")
    deploy.add_argument("--hardware", metavar="NAME", help="such as cpu-basic (default: zero-a10g, which is free)")
    deploy.add_argument("--wait", action="store_true", help="wait until the Space is built and runs")
    return parser


def _add_command(commands, name, run, text):
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    command.set_defaults(run=run)
    return command


def _add_model(command):
    command.add_argument(
        "--model",
        default="bundled",
        metavar="MODEL",
        help="`bundled`, a model folder, or OWNER/NAME or OWNER/NAME@REVISION of the Hub (default: %(default)s)",
    )


def _add_already_cropped(command):
    command.add_argument(
        "--already-cropped",
        action="store_true",
        help="each picture is one face, as FER2013's are: do not look for faces",
    )


def _predict(options):
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
    lines = [f"{photo}: {len(faces)} face{'s' if len(faces) > 1 else ''}{_left_out(faces.left_out)}"]
    for number, face in enumerate(faces, start=1):
        ranked = sorted(face.probabilities.items(), key=lambda item: item[1], reverse=True)
        shares = ", ".join(f"{label} {value:.1%}" for label, value in ranked)
        lines.append(f"  {number}. {face.answer} at {','.join(map(str, face.box))}: {shares}")
    return "\n".join(lines)


def _left_out(count):
    return f"; smaller ones left out: {count}" if count else ""


def _video(options):
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
        print(f"{options.clip}: {frames} frames, {count}{_left_out(left_out)}")
        for number, own, shares in found:
            answers = ", ".join(f"{label or 'not sure'} {share:.0%}" for label, share in shares.items())
            print(f"  {number}. {own[0]['seconds']:g}-{own[-1]['seconds']:g} s, {len(own)} frames: {answers}")
    if options.csv and frames:
        with kept(failures):
            write_text(options.csv, clip_csv(rows, recognizer.labels))
    return _done(failures)


def _done(failures):
    """The exit code of a command all of whose work is done, but for these outputs."""
    if failures:
        raise UserError("\n".join(failures))
    return 0


def _score(options):
    from tqdm import tqdm

    from fer.hub.client import resolve_model
    from fer.scoring.job import Tally, plan_scoring, run_scoring

    source = resolve_model(options.model)
    plan = plan_scoring(options.input, options.output, source.folder, str(source), options.already_cropped)
    if plan.left_out:
        print(plan.left_out, file=sys.stderr)
    total = Tally(0, 0, 0, 0)
    # A second, so that what ends before it has begun shows no bar.
    bar = tqdm(total=plan.answered + len(plan.names), initial=plan.answered, unit=" pictures", delay=1)
    with bar, closing(run_scoring(plan, options.address)) as tallies:
        for tally in tallies:
            total = Tally(*map(sum, zip(total, tally, strict=True)))
            bar.update(tally.pictures)
    print(
        f"{options.output}: {total.pictures} pictures, {total.faces} faces; {total.faceless} pictures without a face, "
        f"{total.unread} not read; {plan.answered} had their answers before"
        + (f"; {plan.claimed} are another run's" if plan.claimed else "")
    )
    return 0


def _evaluate(options):
    if options.classes:
        check_classes(options.classes)
    if options.photos:
        _check_photo_options(options)
    check_inputs(options.data, options.photos, options.votes)
    check_suffix("`--figure`", options.figure, ".png")

    from fer.hub.client import resolve_model
    from fer.models.model_folder import find_model, list_files

    read = [*filter(None, [options.data, options.photos, options.votes]), *list_files(find_model(options.model))]
    check_outputs({"`--json`": options.json, "`--figure`": options.figure}, read)
    source = resolve_model(options.model)
    metrics, save_figure = (_evaluate_photos if options.photos else _evaluate_split)(options, source)
    failures = []
    if options.json:
        with kept(failures):
            write_text(options.json, to_json(metrics, indent=2) + "\n")
    if options.figure:
        with kept(failures):
            save_figure(options.figure)
    return _done(failures)


def _check_photo_options(options):
    given = {"--classes": options.classes, "--limit": options.limit, "--votes": options.votes}
    given |= {"--duplicates": options.duplicates, "--skip-bad": options.skip_bad, "--path": options.path == "served"}
    wrong = [name for name, value in given.items() if value]
    if wrong or options.split != "validation":
        raise UserError(f"--photos goes without options of --data. Received: {', '.join(wrong) or '--split'}")


def _evaluate_photos(options, source):
    from tqdm import tqdm

    from fer.evaluation.evaluate import evaluate_photos
    from fer.evaluation.photos import format_photos
    from fer.evaluation.plots import save_confusion_matrices

    def progress(answers, total):
        return tqdm(answers, total=total, unit=" photos", disable=None, delay=1)

    figures = evaluate_photos(source.folder, options.photos, str(source), options.prior, progress)
    print(format_photos(figures))
    return figures, lambda path: save_confusion_matrices(path, figures)


def _evaluate_split(options, source):
    from fer.evaluation.evaluate import evaluate_model, format_metrics
    from fer.evaluation.plots import save_confusion_matrix

    metrics, skipped = evaluate_model(
        source.folder,
        options.data,
        options.split,
        classes=options.classes,
        limit=options.limit,
        skip_bad=options.skip_bad,
        model=str(source),
        votes=options.votes,
        duplicates=options.duplicates,
        path=options.path,
        allow_duplicates=options.allow_duplicates,
        prior=options.prior,
    )
    for message in skipped:
        print(f"skipped: {message}", file=sys.stderr)
    print(format_metrics(metrics))
    title = f"{metrics['split']}, accuracy {metrics['accuracy']:.1%}"
    return metrics, lambda path: save_confusion_matrix(path, metrics["confusion_matrix"], metrics["labels"], title)


def _share(text):
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1. Received: {text}")
    return value


def _calibrate(options):
    from fer.models.exports import EXPORTS, judge_export
    from fer.models.model_folder import check_weights, find_model, load_config

    folder = find_model(options.folder)
    config, weights = load_config(folder)
    check_weights(folder, weights)
    check_folder("`FOLDER`", folder)
    check_inputs(options.data, options.votes, options.photos)

    from fer.data.duplicates import check_copies
    from fer.data.fer2013 import load_faces
    from fer.evaluation.confidence import TARGET
    from fer.evaluation.evaluate import format_metrics
    from fer.evaluation.report import save_report
    from fer.publishing.card import save_card

    train, validation = (
        load_faces(options.data, split, config.labels, config.image_size, skip_bad=options.skip_bad)
        for split in ("train", "validation")
    )
    check_copies(validation, train, options.allow_duplicates)
    target = options.target or TARGET

    def show(metrics):
        print(format_metrics(metrics))

    more = {"served": options.served, "photos": options.photos, "prior": options.prior, "show": show}
    save_report(folder, train, validation, options.folder, options.votes, target, **more)
    save_card(folder, options.folder)
    for format in EXPORTS:
        _, reason = judge_export(folder, format)
        if reason:
            print(reason, file=sys.stderr)
    return 0


def _compare(options):
    from fer.evaluation.comparison import save_comparison

    save_comparison(options.folders, options.output, print)
    return 0


def _export(options):
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


def _push(options):
    from fer.publishing.push import push_model

    push = push_model(
        options.folder, options.repository, options.private, options.create_pr, options.tag, options.export
    )
    print(f"{push.url}\ncommit {push.revision}\n{push.describe()}")
    return 0


def _deploy(options):
    from fer.publishing.space import deploy, uncommitted

    for path in uncommitted():
        print(f"not committed, so not deployed: {path}", file=sys.stderr)
    print(deploy(options.repository, options.model, options.private, options.hardware, options.wait))
    return 0
