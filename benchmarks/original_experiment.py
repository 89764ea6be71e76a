"""The extended original experiment: train the networks of its table and curves, and write both.

    python -m benchmarks.original_experiment --data fer2013.zip --imagenet efficientnet-lite0-57934424.pth --resume

`make experiment DATA=fer2013.zip` fetches the ImageNet weights and runs this. A finished training is skipped, an
interrupted one is resumed, and the table in docs/original-experiment.md and its figure are written again after each.
`--list` prints the plan (`benchmarks.experiment_plan`) with commands and estimated minutes, `--only` selects rows of
it, and `--report` writes table and figure from finished runs, without training.
"""

import argparse
import fnmatch
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from benchmarks.experiment_plan import MIXED_PRECISION, PLAN
from benchmarks.experiment_report import COSTS, read_document, read_results, write_report
from fer.cli.console import Terminated, exit_on_user_error, own_terminal
from fer.errors import UserError, check
from fer.outputs import is_new_or_empty, write_json

ROOT = Path(__file__).parents[1]
"""Folder of `train.py`."""
LAST = "README.md"
"""Last file that a training writes: a run with it is finished."""


def main(arguments=None):
    """Run `python -m benchmarks.original_experiment`; `arguments` are its words, by default those of this process."""
    parser = argparse.ArgumentParser("python -m benchmarks.original_experiment", description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="PATH", help="folder, zip or CSV of FER2013")
    parser.add_argument("--imagenet", metavar="FILE", help="EfficientNet-Lite0's weights (*.pth); its rows need them")
    parser.add_argument("--runs", default="runs/experiment", type=Path, metavar="FOLDER", help="(default: %(default)s)")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="names or patterns, such as 'resnet50*'; default: all")
    parser.add_argument("--resume", action="store_true", help="skip finished runs, go on with an interrupted one")
    parser.add_argument("--float32", action="store_true", help="no bfloat16; faster on processors that lack it")
    parser.add_argument("--list", action="store_true", help="print the rows, and train nothing")
    parser.add_argument("--report", action="store_true", help="write table and figure, and train nothing")
    parser.add_argument(
        "--document",
        default=ROOT / "docs" / "original-experiment.md",
        type=Path,
        metavar="FILE",
        help="where the table goes; the figure goes beside it (default: docs/original-experiment.md)",
    )
    options = parser.parse_args(arguments)
    rows = select_rows(options.only, options.runs)
    if options.list:
        print(describe_rows(rows, options))
        return 0
    if options.report:
        read_document(options.document)
        results = read_results(options.runs, is_finished, options.document)
        check(results, "--runs", "a folder that holds a finished run", options.runs)
        write_report(options.document, results)
        return 0
    return train_rows(rows, options)


def select_rows(only, runs):
    """Return the rows that some names or patterns pick, in the plan's order, with the unfinished ones that they need.

    Args:
        only: names or patterns; None for all rows.
        runs: folder of the runs.

    Raises:
        UserError: if a pattern picks no row.
    """
    if only is None:
        return PLAN
    chosen = set()
    for pattern in only:
        found = fnmatch.filter((row.name for row in PLAN), pattern)
        if not found:
            raise UserError(f"`--only` takes names of rows, which --list prints, or patterns. Received: {pattern}")
        chosen |= set(found)
    chosen |= {row.needs for row in PLAN if row.name in chosen and row.needs and not is_finished(runs / row.needs)}
    return [row for row in PLAN if row.name in chosen]


def is_finished(folder):
    """Return whether the run in a folder is finished."""
    return (folder / LAST).is_file()


def build_command(row, options):
    """Return the words of a row's command, for a process in `ROOT`."""
    output = options.runs.absolute() / row.name
    command = ["train.py", "--data", _absolute(options.data), "--output", str(output), "--resume"]
    return [*command, *_fill(row, options.runs.absolute(), _absolute(options.imagenet), options.float32)]


def _fill(row, runs, imagenet, float32):
    """Return the words of a row's options, with the folder of the runs and the file of the ImageNet weights."""
    words = [word.format(runs=runs, imagenet=imagenet) for word in shlex.split(row.options)]
    return [word for word in words if not (float32 and word == MIXED_PRECISION)]


def _absolute(path):
    """Return a path as an absolute one, since the commands run in another folder; "" for None."""
    return str(Path(path).absolute()) if path else ""


def describe_rows(rows, options):
    """Return the rows as text, with their commands as people type them."""
    lines, total = [], 0
    for row in rows:
        done = is_finished(options.runs / row.name)
        total += 0 if done else row.minutes
        state = "finished" if done else f"about {row.minutes:.0f} min"
        command = ["python", "train.py", "--data", options.data or "PATH", "--output", str(options.runs / row.name)]
        command += _fill(row, options.runs, options.imagenet or "FILE.pth", options.float32)
        lines.append(f"{row.name} ({state})\n    {shlex.join(command)}")
    return "\n".join([*lines, f"{len(rows)} rows; about {total / 60:.1f} hours are left."])


def train_rows(rows, options):
    """Train what is not finished, and write the report after each row.

    Returns:
        0; 1 if a training failed, was left out for one that did, or lacked the ImageNet weights.

    Raises:
        UserError: if an option is missing, the document has no place for the table, or the folder of the runs is not
            empty and `--resume` is not given.
    """
    if not options.data:
        raise UserError("--data PATH is needed to train. Received: none")
    free = options.resume or is_new_or_empty(options.runs)
    check(free, "--runs", "a new or empty folder, or --resume must be given", options.runs)
    read_document(options.document)  # Fails before hours of training, not after them.
    options.runs.mkdir(parents=True, exist_ok=True)
    left_out = []
    for number, row in enumerate(rows, start=1):
        if is_finished(options.runs / row.name):
            continue
        title = f"[{number}/{len(rows)}] {row.name}"
        if reason := find_obstacle(row, options):
            print(f"{title}: left out, {reason}", flush=True)
            left_out.append(row.name)
            continue
        print(f"{title}: about {row.minutes:.0f} minutes", flush=True)
        code, memory = run_process([sys.executable, *build_command(row, options)])
        keep_memory(options.runs, row.name, memory)
        if code:
            print(f"{title}: train.py ended with code {code}", flush=True)
            left_out.append(row.name)
            continue
        # A run of the other five expressions is no result.
        if results := read_results(options.runs, is_finished, options.document):
            write_report(options.document, results)
    if left_out:
        print(f"Not finished: {', '.join(left_out)}", flush=True)
    return 1 if left_out else 0


def find_obstacle(row, options):
    """Return the reason why a row cannot be trained; "" if it can."""
    if row.needs and not is_finished(options.runs / row.needs):
        return f"it starts from {row.needs}, which is not finished"
    if "{imagenet}" in row.options and not options.imagenet:
        return "it needs --imagenet FILE"
    return ""


def run_process(command):
    """Run a command in `ROOT`.

    Returns:
        Its exit code, and the largest memory that it or one of its processes had, in bytes.

    Raises:
        KeyboardInterrupt: if it was interrupted, once it has ended.
    """
    process = subprocess.Popen(command, cwd=ROOT)
    interruption = None
    while True:
        try:
            _, status, usage = os.wait4(process.pid, 0)
            break
        except KeyboardInterrupt as error:
            interruption = error
            if isinstance(error, Terminated):  # Ctrl+C reaches the process itself.
                process.terminate()
    process.returncode = os.waitstatus_to_exitcode(status)  # Otherwise `Popen` would wait for the process again.
    if interruption:
        raise type(interruption)("interrupted. The same command with --resume goes on.")
    return process.returncode, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def keep_memory(runs, name, memory):
    """Record the peak memory of a run: the largest of all processes that trained it, if it was resumed."""
    file = runs / COSTS
    costs = json.loads(file.read_text()) if file.exists() else {}
    costs[name] = max(memory, costs.get(name, 0))
    write_json(file, costs)


if __name__ == "__main__":
    with own_terminal(), exit_on_user_error("python -m benchmarks.original_experiment"):
        sys.exit(main())
