import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import ROOT, wait_for
from PIL import Image

from fer.cli.commands import main
from fer.labels import EMOTIONS
from fer.recognition.records import NO_FACE
from fer.scoring import job as scoring
from fer.scoring.scorer import Scorer
from scoring.conftest import check_refusal, read_output

pytestmark = pytest.mark.xdist_group("ray")


@pytest.fixture(scope="module")
def cluster(offline):
    """A Ray cluster of two nodes, each with its own processes and one CPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 1, "object_store_memory": 100_000_000}
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        try:
            cluster.add_node(**node)
            cluster.wait_for_nodes()
            yield cluster
        finally:
            cluster.shutdown()


@pytest.mark.slow(reason="starts Ray")
def test_a_folder_is_scored_and_then_only_new_and_replaced_pictures(cluster, astronaut, tmp_path, capsys):
    folder, output = tmp_path / "pictures", tmp_path / "scored"
    (folder / "deep").mkdir(parents=True)
    photo = folder / "deep" / "astronaut.JPG"
    photo.write_bytes(astronaut.read_bytes())
    (folder / "broken.png").write_text("hello")
    (folder / "notes.txt").write_text("no picture")
    Image.new("RGB", (64, 48), "white").save(folder / "wall.png")
    arguments = ["score", str(folder), str(output), "--address", cluster.address]
    assert main(arguments) == 2
    assert "3 pictures, 1 face; 1 picture without a face, 1 not read" in capsys.readouterr().out
    broken, face, wall = read_output(output)
    assert broken["path"] == str(folder / "broken.png")
    assert broken["error"].startswith(f"{folder / 'broken.png'}: not a picture")
    for row, path in ((broken, folder / "broken.png"), (face, photo), (wall, folder / "wall.png")):
        assert row.pop("file_size") == path.stat().st_size
        assert row.pop("file_modified").timestamp() == pytest.approx(path.stat().st_mtime, abs=1e-5)
    assert wall == {**dict.fromkeys(broken), "path": str(folder / "wall.png"), "error": NO_FACE, "unopened": False}
    left, top, right, bottom = face.pop("box")
    assert 0 < left < right < 512
    assert 0 < top < bottom < 512
    probabilities = face.pop("probabilities")
    assert list(probabilities) == list(EMOTIONS)
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert face.pop("label") == "happy"
    expected = {"path": str(photo), "face": 1, "confident": True, "error": None, "unopened": False, "note": None}
    assert face == expected

    before = {path: path.stat().st_mtime_ns for path in output.glob("*.parquet")}
    (folder / "second.jpg").write_bytes(astronaut.read_bytes())
    (output / ".left.tmp").write_text("a person's")
    assert main(arguments) == 0
    assert "1 picture, 1 face" in capsys.readouterr().out
    assert before.items() <= {path: path.stat().st_mtime_ns for path in output.glob("*.parquet")}.items()
    assert Counter(row["path"] for row in read_output(output)) == Counter(
        map(str, (folder / "broken.png", photo, folder / "second.jpg", folder / "wall.png"))
    )
    assert [path.name for path in output.glob(".*")] == [".left.tmp"]

    photo.write_bytes((folder / "wall.png").read_bytes())
    assert main(arguments) == 0
    said = "1 picture, 0 faces; 1 picture without a face, 0 not read; 3 answered by an earlier run; 1 read again"
    assert capsys.readouterr().out == f"{output}: {said}\n"
    assert [row["error"] for row in read_output(output) if row["path"] == str(photo)] == [NO_FACE]


@pytest.mark.slow(reason="starts a Ray cluster of two nodes")
def test_each_picture_is_scored_once_even_if_a_worker_is_killed(cluster, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "SHARD_SIZE", (4, 4))
    output, listed, killed = tmp_path / "scored", tmp_path / "list.txt", []
    paths = sorted(faces(31).rglob("*.png"))
    listed.write_text("\n".join(map(str, paths)))
    last, go_on = str(paths[-1]), tmp_path / "go on"

    class WaitingScorer(Scorer):
        def __call__(self, shard):
            while last in shard["path"].to_pylist() and not go_on.exists():
                time.sleep(0.1)
            return super().__call__(shard)

    monkeypatch.setattr(scoring, "Scorer", WaitingScorer)

    def kill():
        try:
            wait_for(lambda: len(list(output.glob("*.parquet"))) == 7, 240)  # The eighth shard waits, or will.
            killed.extend(pid for node in cluster.list_all_nodes() for pid in find_scorers(node))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
        finally:
            go_on.touch()  # For the next worker.

    killer = threading.Thread(target=kill)
    killer.start()
    assert main(["score", str(listed), str(output), "--already-cropped", "--address", cluster.address]) == 0
    killer.join()
    assert killed
    written = pq.read_table(output)
    assert Counter(written["path"].to_pylist()) == Counter(map(str, paths))
    assert written["error"].null_count == len(paths)


def find_scorers(node):
    """Return the process ids of the scoring actors of a node."""
    raylet, found = node.all_processes["raylet"][0].process.pid, []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            if parent == raylet and b"Scorer" in (status.parent / "cmdline").read_bytes():
                found.append(int(status.parent.name))
    return found


@pytest.mark.slow(reason="starts Ray")
def test_without_a_cluster_a_local_ray_is_started_and_ended(faces, tmp_path):
    folder, output, listed = faces(2), tmp_path / "scored", tmp_path / "list.txt"
    lines = [
        *sorted(folder.rglob("*.png")),
        folder / "nowhere.png",
        folder,
        "http://x/y.png",
        sorted(folder.rglob("*.png"))[0],
    ]
    listed.write_text("\r\n".join(map(str, lines)) + "\n\n")
    command = [sys.executable, "-m", "fer", "score", str(listed), str(output), "--already-cropped"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert run.returncode == 2, run.stderr
    assert "Traceback" not in run.stderr
    rows = read_output(output)
    assert len(rows) == 5
    errors = {row["path"]: row["error"] for row in rows}
    assert errors[str(folder / "nowhere.png")] == f"{folder / 'nowhere.png'}: no such file."
    assert errors["http://x/y.png"].startswith("http://x/: cannot be read: ")


def test_without_ray_the_command_that_installs_it_is_printed(monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ray" else find(name))
    for module in [name for name in sys.modules if name.startswith("fer.scoring")]:
        monkeypatch.delitem(sys.modules, module)
    check_refusal(["score", "in", "out"], 'pip install ".[scale]"', capsys)
