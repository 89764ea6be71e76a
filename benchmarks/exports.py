"""Size, speed and accuracy of Keras and of the files that `python -m fer export` writes, as a Markdown table.

    python -m benchmarks.exports --data fer2013.zip

The time is that of one face. Each of `RUNS` runs gives the median over `CALLS` calls; the table has the median run, and
the fastest and the slowest in brackets. The runtimes take turns, call by call: a busy machine slows all of them.
8-bit weights (TensorFlow's dynamic-range quantisation) are measured too, to show why they are not offered.
Takes two and a half minutes of processor time.
"""

import argparse
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.tables import spread, table
from fer.cli.console import quiet_libraries

RUNS, CALLS, WARM_UP = 7, 100, 10
"""Number of runs, of calls per run, and of calls before the first run."""
FORMATS = {"ONNX": "onnx", "LiteRT": "litert", "LiteRT, float16 weights": "litert", "LiteRT, 8-bit weights": "litert"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="PATH", help="folder, zip or CSV of FER2013")
    parser.add_argument("--model", default="bundled", metavar="FOLDER", help="model folder")
    options = parser.parse_args()
    quiet_libraries()
    print(measure_exports(options.data, options.model))


def measure_exports(data, model="bundled"):
    """Measure, and return the table; `data` is FER2013, as `fer.data.faces.load_faces` takes it."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{number}.file" for number, name in enumerate(FORMATS)}
        sizes, differences, accuracies = in_own_process(export, model, files, data)
        speeds = [in_own_process(measure_speed, model, files, threads) for threads in (1, 2)]
    return table(
        ["", "MB", "largest difference", "accuracy on validation", "ms per face, 1 thread", "2 threads"],
        [
            [
                name, f"{sizes[name] / 1e6:.1f}", differences[name], f"{accuracies[name]:.2%}",
                *(spread(times[name], 2) for times in speeds),
            ]
            for name in ("Keras", *files)
        ],
    )  # fmt: skip


def in_own_process(function, *arguments):
    """Run a function in a subprocess, since TensorFlow's number of threads can only be set at its start."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def export(model, files, data):
    """Export the model to all files.

    Returns:
        Three dicts by name: sizes in bytes, largest differences of a probability as text, and accuracies.
    """
    import tensorflow as tf

    from fer.data.faces import load_faces
    from fer.export.convert import build_export_network, export_model, open_export
    from fer.export.parity import build_crops
    from fer.models.config import WEIGHTS
    from fer.models.model_folder import find_model, load_model
    from fer.recognition.classification import BATCH_SIZE, classify

    onnx, litert, half, eight = files
    export_model(model, "onnx", files[onnx])
    export_model(model, "litert", files[litert])
    export_model(model, "litert", files[half], quantize=True)
    network, config = load_model(model)
    file = files[eight].with_suffix(".tflite")
    export_network = build_export_network(network, config.calibration)
    export_network.export(file, format="litert", verbose=False, optimizations=[tf.lite.Optimize.DEFAULT])
    file.rename(files[eight])

    faces = load_faces(data, "validation", classes=config.labels, image_size=config.image_size)
    images, crops = faces.images[..., 0], build_crops(config.image_size)

    def answer(crops):
        return config.calibration.apply(classify(network, crops))

    def accuracy(answers):
        return float((answers.argmax(axis=1) == faces.labels).mean())

    by_keras = answer(crops)
    sizes = {"Keras": (find_model(model) / WEIGHTS).stat().st_size}
    differences = {"Keras": ""}
    accuracies = {"Keras": accuracy(answer(images))}
    for name, path in files.items():
        run = open_export(path, FORMATS[name])
        answers = [run(images[start : start + BATCH_SIZE]) for start in range(0, len(images), BATCH_SIZE)]
        sizes[name] = path.stat().st_size
        differences[name] = f"{np.abs(run(crops) - by_keras).max():.1g}"
        accuracies[name] = accuracy(np.concatenate(answers))
    return sizes, differences, accuracies


def measure_speed(model, files, threads):
    """Return the milliseconds per face by name: a list with the median of each run."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)

    from fer.export.convert import open_export
    from fer.export.parity import build_crops
    from fer.models.model_folder import load_model
    from fer.recognition.classification import classify

    network, config = load_model(model)
    ways = {"Keras": lambda crops: classify(network, crops)}
    ways |= {name: open_export(path, FORMATS[name], threads) for name, path in files.items()}
    crops = build_crops(config.image_size)
    time_calls(ways, crops, WARM_UP)
    runs = [time_calls(ways, crops, CALLS) for _ in range(RUNS)]
    return {name: [1000 * statistics.median(run[name]) for run in runs] for name in ways}


def time_calls(ways, crops, count):
    """Return the seconds of each call, a list by name."""
    seconds = {name: [] for name in ways}
    for number in range(count):
        crop = crops[number % len(crops)][None]
        for name, run in ways.items():
            start = time.perf_counter()
            run(crop)
            seconds[name].append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    main()
