"""What every contender does: read photos and crops that it is told of, and say how long each took.

Each runs as a process of its own, in the virtual environment of its library: a line of JSON in, a line out.
"""

import json
import os
import re
import sys
import time
from pathlib import Path


def answer(read_photo, read_crop, libraries):
    """Answers requests until standard input ends.

    Args:
        read_photo: from a file's path to a list of `(box, label)`, the box as left, top, right, bottom.
        read_crop: from a grey uint8 array `(48, 48)` to a label.
        libraries: seconds that their import took.
    """
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What libraries print is no answer.
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
