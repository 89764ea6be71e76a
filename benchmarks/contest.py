"""Comparison with PyPI's `fer` 25.10.3 on the same pictures: accuracy, faces found, time, memory, disk space."""

import json
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack

import numpy as np
from PIL import Image

from benchmarks.app_client import PHOTO, ROOT
from benchmarks.tables import RUNS, share, spread, table
from fer.data.faces import load_faces
from fer.data.scenes import SCENE_SIZE, SEED, build_scene
from fer.labels import EMOTIONS

CONTENDERS = ROOT / "benchmarks" / "contenders"
"""Path of the folder with one program per library."""
OURS = "this project"
"""Name of this project in the tables."""
WAYS = {
    "`fer`, Haar, quantised": ("haar", "quantised"),
    "`fer`, Haar, Keras": ("haar", "keras"),
    "`fer`, MTCNN, quantised": ("mtcnn", "quantised"),
}
"""Arguments of `contenders/peer.py`, the detector and the network, by the name of the row."""
SCENES, TIMED, CROPS = 300, 40, 100
"""Number of scenes with one face, of the scenes that are timed in each run, and of the crops that are timed."""
CROWDS, CROWD_SIDE = 20, 110
"""Number of pictures with eight faces, and the side of each face in pixels."""


class Contender:
    """Process that recognizes pictures with one of the libraries (`contenders/protocol.py`)."""

    def __init__(self, command, environment):
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()

    def ask(self, **request):
        """Send a request and return the answer."""
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"A contender ended: {self._process.args}")
        return json.loads(line)


def measure_contest(data, peer, astronaut, folder):
    """Measure all contenders, and return the tables as Markdown.

    Args:
        data: FER2013, as `fer.data.faces.load_faces` takes it.
        peer: interpreter of the virtual environment in which PyPI's `fer` is installed.
        astronaut: path of the photo that `write_astronaut` wrote.
        folder: path of a folder for temporary pictures.
    """
    commands = list_commands(peer)

    def start(name):
        return Contender(*commands[name])

    pictures = load_faces(data, "validation")
    crops = folder / "crops.npy"
    np.save(crops, pictures.images[..., 0])
    scenes, labels = write_scenes(pictures, folder)
    crowds = write_crowds(pictures.images[..., 0], folder)

    rows = []
    first, imports = measure_starts(start, commands, scenes[0][0])
    with ExitStack() as stack:
        contenders = {name: stack.enter_context(start(name)) for name in commands}
        for name, contender in contenders.items():
            answers = contender.ask(crops=str(crops), most=len(pictures))["answers"]
            right = sum(answer == EMOTIONS[label] for answer, label in zip(answers, pictures.labels, strict=True))
            found, read = count_found(contender, scenes, labels)
            rows.append([name, share(right, len(pictures)), share(found, len(scenes)), share(read, len(scenes))])
        timings = [
            ("a crop", {"crops": str(crops), "most": CROPS}),
            ("one face", {"photos": [str(path) for path, _ in scenes[:TIMED]]}),
            ("one face, NASA's astronaut", {"photos": [str(astronaut)] * TIMED}),
            ("eight faces", {"photos": [str(path) for path in crowds]}),
        ]
        times = {}
        for title, request in timings:
            runs = [
                {name: statistics.median(contender.ask(**request)["seconds"]) for name, contender in contenders.items()}
                for _ in range(RUNS)
            ]
            times[title] = {name: [run[name] for run in runs] for name in commands}
        peaks = {name: contender.ask()["peak"] for name, contender in contenders.items()}

    sizes = dict.fromkeys(WAYS, install_size(peer, "fer")) | {OURS: install_size(sys.executable, *read_requirements())}
    accuracy = table(
        ["", "accuracy on crops", "faces found in scenes", "accuracy on all scenes"],
        rows,
    )
    speed = table(
        ["milliseconds", *times],
        [[name, *(spread(of[name], 1, 1000) for of in times.values())] for name in commands],
    )
    ratios = table(
        ["times as long as this project", *times],
        [
            [
                name,
                *(
                    spread([one / ours for one, ours in zip(of[name], of[OURS], strict=True)], 2)
                    for of in times.values()
                ),
            ]
            for name in WAYS
        ],
    )
    start_up = table(
        ["", "import, s", "first answer after process start, s", "peak memory, MB", "installed, MB"],
        [
            [
                name, spread(imports[name], 2), spread(first[name], 2), f"{peaks[name]:,.0f}",
                f"{sizes[name] / 1e6:,.0f}",
            ]
            for name in commands
        ],
    )  # fmt: skip
    return f"""\
Accuracy on the official validation pictures ({len(pictures):,}), and end to end on {SCENES} of them, pasted into scenes
of 640x480 pixels as `python -m fer evaluate --end-to-end` pastes them. A scene is right if its face is found and
classified correctly; brackets hold 95% intervals:

{accuracy}

Time of a photo of 640x480 pixels from its JPEG file, and of a crop of 48x48 pixels from memory, one at a time. Each run
gives a median; the table has the median, the lowest and the highest of {RUNS} runs. The contenders take turns, run by
run.

{speed}

The ratios, run by run:

{ratios}

{start_up}

Peak memory is that of the process over all measurements above. `fer` requires TensorFlow, PyTorch and OpenCV; the
requirements of this project include Gradio and all that the app and training need."""


def list_commands(peer):
    """Return the arguments of `Contender` by name; `peer` is the interpreter that has PyPI's `fer`."""
    environment = {"PATH": "/usr/bin:/bin"}
    commands = {OURS: ([sys.executable, str(CONTENDERS / "ours.py")], {**environment, "PYTHONPATH": str(ROOT)})}
    return commands | {
        name: ([str(peer), str(CONTENDERS / "peer.py"), *way], environment) for name, way in WAYS.items()
    }


def measure_starts(start, names, photo):
    """Return the seconds from process start to the first answer, and those of the import: lists of `RUNS`, by name."""
    first, imports = {name: [] for name in names}, {name: [] for name in names}
    for _ in range(RUNS):
        for name in names:
            began = time.perf_counter()
            with start(name) as contender:
                contender.ask(photos=[str(photo)])
                first[name].append(time.perf_counter() - began)
                imports[name].append(contender.ask()["libraries"])
    return first, imports


def write_scenes(pictures, folder):
    """Write `SCENES` scenes with one face each.

    Returns:
        Pairs of path and `fer.data.scenes.Scene`, and the labels of the faces.
    """
    random, scenes = np.random.default_rng(SEED), []
    chosen = np.random.default_rng(0).choice(len(pictures), SCENES, replace=False)
    for number, index in enumerate(chosen):
        scene = build_scene(pictures.images[index, ..., 0], random)
        path = folder / f"scene-{number}.jpg"
        scene.image.save(path, quality=95)
        scenes.append((path, scene))
    return scenes, [EMOTIONS[pictures.labels[index]] for index in chosen]


def write_crowds(images, folder):
    """Write `CROWDS` pictures with eight faces each, and return their paths."""
    random, paths = np.random.default_rng(SEED), []
    for number in range(CROWDS):
        crowd = Image.new("RGB", SCENE_SIZE, (120, 130, 140))
        for place, index in enumerate(random.choice(len(images), 8, replace=False)):
            face = Image.fromarray(images[index]).resize((CROWD_SIDE, CROWD_SIDE), Image.Resampling.BICUBIC)
            crowd.paste(face, (25 + 160 * (place % 4), 65 + 240 * (place // 4)))
        paths.append(folder / f"crowd-{number}.jpg")
        crowd.save(paths[-1], quality=90)
    return paths


def write_astronaut(folder):
    """Write NASA's astronaut as a JPEG of 640x480 pixels, and return its path."""
    path = folder / "astronaut.jpg"
    with Image.open(PHOTO) as photo:
        photo.convert("RGB").resize((640, 640)).crop((0, 0, 640, 480)).save(path, quality=90)
    return path


def count_found(contender, scenes, labels):
    """Return the number of scenes whose face was found, and of those whose face was also classified correctly."""
    found = right = 0
    answers = contender.ask(photos=[str(path) for path, _ in scenes])["answers"]
    for faces, (_, scene), label in zip(answers, scenes, labels, strict=True):
        read = next((probabilities for box, probabilities in faces if scene.is_in(box)), None)
        found += read is not None
        right += read is not None and max(read, key=read.get) == label
    return found, right


def read_requirements():
    """Return the requirements of this project."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def install_size(python, *requirements):
    """Return the size in bytes of the installed requirements of an interpreter."""
    command = [python, ROOT / "benchmarks" / "install_size.py", *requirements]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
