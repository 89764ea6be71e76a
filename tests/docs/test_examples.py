"""Tests that the programs accept the commands in the documents and print the outputs that the documents show."""

import importlib
import math
import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from argparse import ArgumentParser

import pytest
from conftest import ROOT
from fences import DOCUMENTS, name_of, read_blocks, read_prose, split_commands
from PIL import Image

from fer.cli.commands import COMMANDS, build_parser
from fer.cli.train_options import add_options
from fer.images.clip_writing import write_video

ADDRESS = "http://127.0.0.1:7860/"
UPDATE = os.environ.get("FER_UPDATE_EXAMPLES") == "1"
"""Whether outputs in the documents are replaced instead of compared: `make examples`."""
WIDTH = 128
"""Largest width of an output in a document; longer lines are wrapped."""
NUMBER = re.compile(r"\d+(?:\.\d+)?")
PROGRAMS = {"sh": ["bash", "-c"], "python": [sys.executable, "-c"]}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
INLINE = re.compile(
    r"`((?:[A-Z_]+=\S+ )*(?:fer|python -m fer|python train\.py|python -m benchmarks[\w.]*|make)\s[^`]+)`"
)


def training_parser():
    """Return the parser of `train.py`."""
    parser = ArgumentParser("python train.py")
    add_options(parser)
    return parser


def read_benchmark(module, arguments):
    """Let a benchmark parse its arguments, and end it then; raise `SystemExit` if they are wrong."""
    found = importlib.import_module(module if module != "benchmarks" else "benchmarks.__main__")
    if "argparse" not in vars(found):
        assert not arguments, module
        return
    read = ArgumentParser.parse_args

    def read_and_end(parser):
        read(parser, arguments)
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ArgumentParser, "parse_args", read_and_end)
        try:
            found.main()
        except SystemExit as end:
            if end.code:
                raise


def check_command(words):
    """Raise `SystemExit` or an `AssertionError` if a program of this project does not accept a command."""
    match words:
        case ["fer", *arguments] | ["python", "-m", "fer", *arguments]:
            build_parser("fer").parse_args(arguments)
        case ["python", "train.py", *arguments]:
            training_parser().parse_args(arguments)
        case ["python", "-m", module, *arguments] if module.split(".")[0] == "benchmarks":
            read_benchmark(module, arguments)
        case ["make", target, *_]:
            assert target in TARGETS, target
        case ["pip", "install", *names]:
            wanted = re.findall(r"^\.\[([\w,]+)\]", " ".join(names))
            assert {extra for extras in wanted for extra in extras.split(",")} <= set(EXTRAS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_in_blocks_are_accepted(document, capsys):
    for block in read_blocks(document):
        for words in split_commands(block.text) if block.language == "sh" else ():
            try:
                check_command(words)
            except SystemExit:
                pytest.fail(f"{words}\n{capsys.readouterr().err}")


def options_of(words):
    """Return the option strings that the program of a command knows; None if it has no own parser."""
    match words:
        case ["fer", name, *_] | ["python", "-m", "fer", name, *_] if not name.isupper():  # fer COMMAND
            parser = ArgumentParser()
            COMMANDS[name].add_options(parser)
        case ["python", "train.py", *_]:
            parser = training_parser()
        case ["python", "-m", module, *_]:
            name = "benchmarks.__main__" if module == "benchmarks" else module
            return set(re.findall(r'"(--[\w-]+)"', (ROOT / f"{name.replace('.', '/')}.py").read_text()))
        case _:
            return None
    return set(parser._option_string_actions)


@pytest.mark.parametrize("document", [one for one in DOCUMENTS if one.stem != "CHANGELOG"], ids=name_of)
def test_options_of_commands_in_sentences_exist(document):
    for span in INLINE.findall(read_prose(document)):
        for words in split_commands(" ".join(span.split())):
            if words[0] == "make":
                check_command(words)
            elif known := options_of(words):
                assert {word for word in words if word.startswith("--")} <= known, span


def test_python_and_javascript_blocks_have_no_syntax_errors(tmp_path):
    node = shutil.which("node")
    for document in DOCUMENTS:
        for block in read_blocks(document):
            if block.language == "python":
                compile(block.text, name_of(document), "exec")
            elif block.language == "js" and node:
                (tmp_path / "block.mjs").write_text(block.text)
                run = subprocess.run([node, "--check", "block.mjs"], cwd=tmp_path, capture_output=True, text=True)
                assert run.returncode == 0, run.stderr


@pytest.fixture
def folder(tmp_path, astronaut):
    """A folder with the files that the examples read, and `bin/` with the programs `fer` and `python`."""
    (tmp_path / "bin").mkdir()
    for name, arguments in {"python": "", "fer": " -m fer"}.items():
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        program.chmod(0o755)
    shutil.copytree(astronaut.parent, tmp_path / "examples")
    with write_video(tmp_path / "clip.mp4", every=0.1) as add, Image.open(astronaut) as photo:
        for step in range(40):
            turned = photo.rotate(8 * math.sin(step / 5), fillcolor="white")
            add(0.1 * step, turned.crop((3 * step, 0, 3 * step + 360, 300)))
    return tmp_path


def run_block(block, folder, url):
    """Return what a block prints, without progress bars and LiteRT's notes."""
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    # Other tests in this process have left settings of Ray and TensorFlow in its environment.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TF_"))}
    environment = {**inherited, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [*PROGRAMS[block.language], block.text.replace(ADDRESS, url)]
    # One pipe for both streams keeps the order in which a terminal shows them.
    run = subprocess.run(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert run.returncode == 0, run.stdout
    lines = re.split(r"[\r\n]+", run.stdout)
    return "\n".join(line.rstrip() for line in lines if not re.search(r"\d%\||^INFO: ", line)).strip() + "\n"


def check_output(printed, written):
    """Compare an output with that in a document.

    Numbers may differ slightly, since their last digits depend on the processor; lines may be wrapped differently.
    """
    printed, written = (" ".join(text.split()) for text in (printed, written))
    assert NUMBER.sub("0", printed) == NUMBER.sub("0", written)
    for one, other in zip(NUMBER.findall(printed), NUMBER.findall(written), strict=True):
        assert float(one) == pytest.approx(float(other), rel=0.02, abs=0.11 if "%" in written else 0.002)


def replace_outputs(document, printed):
    """Replace outputs in a document; `printed` has the new ones by their spans."""
    text = document.read_text()
    for (begin, end), output in sorted(printed.items(), reverse=True):
        lines = [
            textwrap.wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False) if len(line) > WIDTH else [line]
            for line in output.splitlines()
        ]
        text = text[:begin] + "\n".join(sum(lines, [])) + "\n" + text[end:]
    document.write_text(text)


def blocks_with_output(document):
    """Return the blocks of a document that can be run and whose output is shown."""
    return [block for block in read_blocks(document) if block.output is not None and block.language in PROGRAMS]


@pytest.mark.slow  # Runs the programs of all documents, each in its own process; one of them starts Ray.
@pytest.mark.parametrize("document", [one for one in DOCUMENTS if blocks_with_output(one)], ids=name_of)
def test_outputs_in_documents_are_those_of_the_programs(document, folder, app_url):
    drawing = "python -m benchmarks.small_sets draw mine --per-class 30"
    if drawing in document.read_text():
        subprocess.run([sys.executable, *drawing.split()[1:]], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)})
    printed = {block.span: (run_block(block, folder, app_url), block.output) for block in blocks_with_output(document)}
    if UPDATE:
        replace_outputs(document, {span: output for span, (output, _) in printed.items()})
    for output, written in () if UPDATE else printed.values():
        check_output(output, written)
