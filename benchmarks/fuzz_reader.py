"""Process that reads malformed inputs for benchmarks/fuzz.py, and reports the result, time and memory of each."""

import io
import os
import re
import resource
import sys
import time
import traceback
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from benchmarks import odd_inputs
from benchmarks.fuzz import COLUMNS, MEGABYTES, MOST_MEMORY, SECONDS
from benchmarks.fuzz_app import UNHELPFUL, App, call_function, send_request
from fer.app.server.batch import list_pictures, open_picture
from fer.app.server.limits import CLIP_EVERY, CLIP_SECONDS
from fer.cli.console import quiet_libraries
from fer.errors import UserError
from fer.images.clips import open_clip, read_frames
from fer.images.decoding import DecodingPool
from fer.images.loading import load_image
from fer.recognition.recognizer import Recognizer

FOLDER = Path(os.environ["GRADIO_TEMP_DIR"])
"""Path of the folder for temporary files."""


def main():
    connection, seed = Connection(int(sys.argv[1])), sys.argv[2]
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    quiet_libraries()
    log = Path(os.environ["FER_FUZZ_LOG"])
    while True:
        try:
            kind, number = connection.recv()
        except EOFError:
            return
        os.truncate(log, 0)
        run = READERS[kind](Random(f"{seed} {kind} {number}"))  # Generating the input is not measured.
        for pid in ("self", *_decoders()):
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # Resets the peak memory.
        before = _memory("self", "VmRSS")
        connection.send("made")
        text, began = "", _work()
        try:
            result, text = "ok", run() or ""
        except UserError as error:
            result, text = "exception" if UNHELPFUL.search(str(error)) else "refused", str(error)
        except Exception:
            result, text = "exception", f"{log.read_text(errors='replace')}\n{traceback.format_exc()}"
        seconds, megabytes = _work() - began, _added_memory(before)
        said = log.read_text(errors="replace")
        if "Traceback" in said:
            result, text = "exception", f"{text}\n{said}"
        elif result != "exception" and seconds > SECONDS:
            result = COLUMNS[4]
        elif result != "exception" and megabytes > MEGABYTES:
            result = COLUMNS[5]
        connection.send({"result": result, "seconds": seconds, "megabytes": megabytes, "text": text[-4000:]})


def _photo(random, make=odd_inputs.photo, pooled=False):
    content = make(random)
    if pooled:
        _pool().warm_up()
    decode = _pool().load_image if pooled else load_image

    def run():
        image = decode(io.BytesIO(content), "photo")
        if image.mode != "RGB":
            raise TypeError(image.mode)

    return run


def _archive(random):
    path = _write(odd_inputs.archive(random), "a.zip")

    def run():
        refused = []
        for picture in list_pictures([path]).pictures:
            try:
                open_picture(picture, load_image)
            except UserError as error:
                refused.append(error)
        for error in refused:
            if "\n" in str(error).replace(picture.name, ""):
                raise ValueError(str(error))
        if refused:
            raise refused[0]

    return run


def _clip(random):
    path = _write(odd_inputs.clip(random), "clip")

    def run():
        for frame in read_frames(open_clip(path, "clip", CLIP_SECONDS), CLIP_EVERY):
            frame.image.load()

    return run


def _picture(random):
    image, cropped, recognizer = odd_inputs.picture(random), random.random() < 0.1, _recognizer()
    return lambda: recognizer.recognize(image, cropped) and None


@cache
def _pool():
    return DecodingPool(1)


@cache
def _recognizer():
    recognizer = Recognizer.load()
    recognizer.warm_up()
    return recognizer


@cache
def _app():
    return App(_recognizer(), _pool())


def _write(content, name):
    path = FOLDER / name
    path.write_bytes(content)
    return path


def _work():
    """Return the processor time so far of this process and its decoder processes, in seconds."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in _decoders()]
    ticks = sum(int(stat[11]) + int(stat[12]) for stat in stats)
    return time.process_time() + ended.ru_utime + ended.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


def _decoders():
    return [worker._process.pid for worker in _pool()._idle]


def _added_memory(before):
    """Return the peak memory in MB that the last input added to this process, or that of a decoder if that is more."""
    return max(_memory("self", "VmHWM") - before, *(_memory(pid, "VmHWM") for pid in _decoders()), 0)


def _memory(pid, name):
    return int(re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) / 1000


READERS = {
    "photos": _photo,
    "photos, in the app": lambda random: _photo(random, pooled=True),
    "bombs": lambda random: _photo(random, odd_inputs.bomb, pooled=True),
    "zips": _archive,
    "clips": _clip,
    "pictures": _picture,
    "values": lambda random: call_function(random, _app()),
    "requests": lambda random: send_request(random, _app()),
}

if __name__ == "__main__":
    main()
