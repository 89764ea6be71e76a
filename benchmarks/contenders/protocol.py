"""Protocol of the contenders: processes that answer requests about photos and crops, and time each answer.

Each contender runs in the virtual environment of its library. A request is a line of JSON on standard input, an answer
is a line of JSON on standard output.
"""

import json
import os
import re
import sys
import time
from pathlib import Path


def answer(read_photo, read_crop, libraries):
    """Answer requests until standard input ends.

    Args:
        read_photo: function from the path of a file to a list of `(box, probabilities)`; a box is left, top, right,
            bottom, and the probabilities are a dict by label.
        read_crop: function from a grey uint8 array `(48, 48)` to a label.
        libraries: seconds that the import of the libraries took.
    """
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Output of libraries goes to standard error.
    for line in sys.stdin:
        request = json.loads(line)
        if "photos" in request:
            reply = _time(read_photo, request["photos"])
        elif "crops" in request:
            import numpy as np

            reply = _time(read_crop, np.load(request["crops"])[: request["most"]])
        else:
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1000
            reply = {"peak": peak, "libraries": libraries}
        print(json.dumps(reply), file=out, flush=True)


def _time(read, inputs):
    seconds, answers = [], []
    for value in inputs:
        start = time.perf_counter()
        answers.append(read(value))
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "answers": answers}
