import fcntl
import hashlib
import importlib.util
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, draw_face, wait_for
from PIL import Image

from fer.cli.commands import main
from fer.errors import UserError
from fer.labels import EMOTIONS
from fer.models.config import CONFIG, EXPORTS, WEIGHTS, ExportRecord, ModelConfig, ModelFolderError
from fer.models.exports import save_exports
from fer.models.model_folder import BUNDLED, save_model
from fer.recognition.records import NO_FACE
from fer.scoring import job as scoring
from fer.scoring.scorer import Scorer
from fer.scoring.storage import DESCRIPTION, Run

pytestmark = pytest.mark.xdist_group("ray")


@pytest.fixture(scope="module", autouse=True)
def offline():
    """Set a proxy that does not exist, so that Ray's requests to metadata servers of clouds fail on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for scheme in ("http", "https"):
            patch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
        yield


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


@pytest.fixture
def faces(tmp_path):
    """Function that draws `count` pictures of one face each into subfolders of a folder, and returns the folder."""

    def draw(count):
        folder = tmp_path / "faces"
        for number in range(count):
            path = folder / f"{number % 3}" / f"{number} a#b.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            draw_face("happy", number).save(path)
        return folder

    return draw


def to_png(emotion, number):
    file = io.BytesIO()
    draw_face(emotion, number).save(file, "PNG")
    return file.getvalue()


def read_output(output):
    """Return the rows of an output folder, sorted by path and face."""
    return pq.read_table(output).sort_by([("path", "ascending"), ("face", "ascending")]).to_pylist()


@pytest.mark.slow(reason="starts Ray")
def test_a_folder_is_scored_and_then_only_new_pictures(cluster, astronaut, tmp_path, capsys):
    folder, output = tmp_path / "pictures", tmp_path / "scored"
    (folder / "deep").mkdir(parents=True)
    photo = folder / "deep" / "astronaut.JPG"
    photo.write_bytes(astronaut.read_bytes())
    (folder / "broken.png").write_text("hello")
    (folder / "notes.txt").write_text("no picture")
    Image.new("RGB", (64, 48), "white").save(folder / "wall.png")
    arguments = ["score", str(folder), str(output), "--address", cluster.address]
    assert main(arguments) == 2
    assert "3 pictures, 1 faces; 1 pictures without a face, 1 not read" in capsys.readouterr().out
    broken, face, wall = read_output(output)
    assert broken["path"] == str(folder / "broken.png")
    assert broken["error"].startswith(f"{folder / 'broken.png'}: not a picture")
    assert wall == {**dict.fromkeys(broken), "path": str(folder / "wall.png"), "error": NO_FACE}
    left, top, right, bottom = face.pop("box")
    assert 0 < left < right < 512
    assert 0 < top < bottom < 512
    probabilities = face.pop("probabilities")
    assert list(probabilities) == list(EMOTIONS)
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert face == {"path": str(photo), "face": 1, "label": "happy", "confident": True, "error": None, "note": None}

    before = {path: path.stat().st_mtime_ns for path in output.glob("*.parquet")}
    (folder / "second.jpg").write_bytes(astronaut.read_bytes())
    (output / ".left.tmp").write_text("a person's")
    assert main(arguments) == 0
    assert "1 pictures, 1 faces" in capsys.readouterr().out
    assert before.items() <= {path: path.stat().st_mtime_ns for path in output.glob("*.parquet")}.items()
    assert Counter(row["path"] for row in read_output(output)) == Counter(
        map(str, (folder / "broken.png", photo, folder / "second.jpg", folder / "wall.png"))
    )
    assert [path.name for path in output.glob(".*")] == [".left.tmp"]


@pytest.mark.slow(reason="starts a Ray cluster of two nodes")
def test_each_picture_is_scored_once_even_if_a_worker_is_killed(cluster, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "SHARD_SIZE", (4, 4))
    output, listed, waited_for = tmp_path / "scored", tmp_path / "list.txt", tmp_path / "pipe.png"
    os.mkfifo(waited_for)  # A reader waits until somebody writes.
    paths = [*sorted(faces(30).rglob("*.png")), waited_for]
    listed.write_text("\n".join(map(str, paths)))
    killed = []

    def kill():
        try:
            wait_for(lambda: len(list(output.glob("*.parquet"))) == 7, 240)  # The eighth shard waits, or will.
            killed.extend(pid for node in cluster.list_all_nodes() for pid in find_scorers(node))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
        finally:
            draw_face("happy", 30).save(tmp_path / "face.png")
            os.link(waited_for, tmp_path / "pipe")
            (tmp_path / "face.png").replace(waited_for)  # For the next worker.
            os.close(os.open(tmp_path / "pipe", os.O_RDWR))  # This releases those who wait.

    killer = threading.Thread(target=kill)
    killer.start()
    assert main(["score", str(listed), str(output), "--already-cropped", "--address", cluster.address]) == 0
    killer.join()
    assert killed
    written = pq.read_table(output)
    assert Counter(written["path"].to_pylist()) == Counter(map(str, paths))
    assert written["error"].null_count == len(paths)


@pytest.fixture
def score(monkeypatch):
    """Function that scores a source into an output without Ray, in one shard, and returns its tally."""
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get=lambda reference: reference))  # Enough for one actor.

    def run(source, output):
        plan = scoring.plan_scoring(str(source), str(output))
        shard = pa.table({"path": plan.names})
        scorer = Scorer(plan.model_file, plan.run.destination, plan.parquet, plan.already_cropped)
        (tally,) = scorer(shard).to_pylist() if len(plan.names) else [None]
        plan.run.close()
        return tally

    return run


def test_pictures_that_could_not_be_opened_are_read_again_and_have_one_row(score, faces, tmp_path):
    """A picture that was not there yet, or whose disk was not mounted, counted as answered for ever."""
    output, listed = tmp_path / "scored", tmp_path / "list.txt"
    there, late, later = (tmp_path / "faces" / "0" / "0 a#b.png", tmp_path / "late.png", tmp_path / "3\u202fPM.png")
    faces(1)
    (tmp_path / "broken: cannot be read: no.png").write_text("no picture")
    listed.write_text(f"{there}\n{late}\n{tmp_path}/broken: cannot be read: no.png\n{tmp_path / 'faces'}\n{later}")
    assert score(listed, output)["unread"] == 4
    late.write_bytes(there.read_bytes())
    again = score(listed, output)
    assert (again["pictures"], again["unread"], again["faces"]) == (3, 2, 1)
    listed.write_text(f"{there}\n{late}\n{later}")
    later.write_bytes(there.read_bytes())
    assert score(listed, output)["pictures"] == 1
    assert score(listed, output) is None
    rows = read_output(output)
    assert len(rows) == len({row["path"] for row in rows}) == 5
    assert {Path(row["path"]).name for row in rows if row["error"] is None} == {there.name, late.name, later.name}


def test_pictures_that_cannot_be_decoded_stay_answered(score, faces, tmp_path):
    folder = faces(2)
    (folder / "broken.png").write_text("no picture")
    assert score(folder, tmp_path / "scored")["unread"] == 1
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "scored").iterdir()}
    assert score(folder, tmp_path / "scored") is None
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "scored").iterdir()} == before


def test_a_run_reads_no_picture_again_that_another_run_is_answering(score, faces, tmp_path):
    folder, listed = faces(1), tmp_path / "list.txt"
    (there,) = folder.rglob("*.png")
    listed.write_text(f"{there}\n{tmp_path / 'nowhere.png'}")
    score(listed, tmp_path / "scored")
    first, second = (scoring.plan_scoring(str(listed), str(tmp_path / "scored")) for _ in range(2))
    assert (len(first.names), first.answered) == (1, 1)
    assert (len(second.names), second.claimed) == (0, 1)
    for each in (first, second):
        each.run.close()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("table.csv", "path\n{there}\n", "without a header. Received: table.csv, which begins with path"),
        ("table.csv", "file,label\n{there},happy\n", "Received: table.csv, which begins with file,label"),
        ("list.txt", "{there},happy\n", "Received: list.txt, which names no file that exists, such as /"),
        ("list.txt", "emotion,pixels\n" + "0," + "1 " * 3000, "which names no file that exists, such as /"),
        ("list.txt", "none/a.png\nhttp://x/y.png\n", "with one path per line. Received: list.txt, which names no file"),
    ],
)
def test_a_text_that_lists_no_pictures_is_refused(faces, tmp_path, monkeypatch, capsys, name, content, message):
    (there,) = faces(1).rglob("*.png")
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(content.format(there=there))
    check_refusal(["score", name, "scored"], message, capsys)
    assert not Path("scored").exists()
    Path(name).write_text(f"{there}\n")
    plan = scoring.plan_scoring(name, "scored")
    assert plan.names.to_pylist() == [str(there)]
    plan.run.close()


def test_rows_have_the_note_of_their_picture(score, astronaut, tmp_path):
    folder, output = tmp_path / "pictures", tmp_path / "scored"
    folder.mkdir()
    (folder / "cut.jpg").write_bytes(astronaut.read_bytes()[:-400])
    (folder / "whole.jpg").write_bytes(astronaut.read_bytes())
    wall = io.BytesIO()
    Image.linear_gradient("L").save(wall, "JPEG")
    (folder / "wall.jpg").write_bytes(wall.getvalue()[:-30])
    tally = score(folder, output)
    assert tally == {"pictures": 3, "faces": 2, "faceless": 1, "unread": 0, "reason": ""}
    rows = {Path(row["path"]).name: row for row in read_output(output)}
    assert rows["cut.jpg"]["note"].startswith("The file lacks its last bytes")
    assert (rows["cut.jpg"]["label"], rows["cut.jpg"]["error"]) == ("happy", None)
    assert rows["whole.jpg"]["note"] is None
    assert rows["wall.jpg"]["note"].startswith("The file lacks its last bytes")
    assert (rows["wall.jpg"]["face"], rows["wall.jpg"]["error"]) == (None, NO_FACE)


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


def test_rows_of_parquet_are_pictures(tmp_path):
    for number, column in enumerate(("image", "bytes")):
        pictures = [to_png("happy", 1), None]
        values = [{"bytes": picture, "path": None} for picture in pictures] if column == "image" else pictures
        pq.write_table(pa.table({"id": [1, 2], column: values}), tmp_path / f"{number}.parquet")
    plan = scoring.plan_scoring(str(tmp_path), str(tmp_path.parent / f"{tmp_path.name}-scored"))
    assert plan.parquet
    assert plan.names.to_pylist() == [f"{tmp_path}/{number}.parquet#{row}" for number in (0, 1) for row in (0, 1)]


@pytest.mark.parametrize(
    ("source", "more", "message"),
    [
        ("nowhere", [], "no such file or folder."),
        ("empty", [], "holds no pictures."),
        ("other.parquet", [], "must have a column image or bytes with pictures as bytes. Received: text"),
        ("face.png", [], "or a text file in UTF-8 with one path per line. Received:"),
        ("faces", ["--model", "empty"], "config.json is missing."),
        ("faces", ["--address", "here"], "must be `auto` or HOST:PORT of a Ray cluster. Received: here"),
        ("faces", ["--address", "127.0.0.1:1"], "127.0.0.1:1: no Ray cluster answers there"),
    ],
)
def test_other_sources_are_refused_in_one_sentence(tmp_path, monkeypatch, capsys, source, more, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "face.png").write_bytes(to_png("happy", 1))
    (tmp_path / "face.png").write_bytes(to_png("happy", 1))
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "other.parquet")
    check_refusal(["score", source, "scored", *more], message, capsys)


def test_an_output_that_is_not_writable_or_has_other_results_is_refused(tmp_path, faces, capsys):
    source, taken, scored = str(faces(1)), tmp_path / "taken", tmp_path / "scored"
    taken.write_text("a file")
    check_refusal(["score", source, str(taken)], "cannot be written", capsys)
    scoring.plan_scoring(source, str(scored))
    check_refusal(["score", source, str(scored), "--already-cropped"], "other answers need another output", capsys)
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "other.parquet")
    check_refusal(["score", source, str(tmp_path)], "holds Parquet that is not of this command", capsys)


def test_two_runs_into_one_output_share_the_pictures_and_keep_their_files(tmp_path, faces):
    source, output = str(faces(3)), tmp_path / "scored"
    first = scoring.plan_scoring(source, str(output))
    (own,) = output.glob(".scoring-*")
    (own / "half").write_text("of a file that is being written")
    (output / "thesis.tmp").write_text("a person's")
    draw_face("sad", 9).save(tmp_path / "faces" / "new.png")
    second = scoring.plan_scoring(source, str(output))
    assert (len(first.names), first.claimed) == (3, 0)
    assert (second.names.to_pylist(), second.claimed) == ([str(tmp_path / "faces" / "new.png")], 3)
    second.run.close()
    assert (own / "half").exists()
    first.run.close()
    assert {path.name for path in output.iterdir()} == {"_scoring.json", "thesis.tmp"}


def test_files_of_a_killed_run_are_deleted_only_on_its_own_host(tmp_path, faces):
    source, output = str(faces(1)), tmp_path / "scored"
    killed, elsewhere = (scoring.plan_scoring(source, str(output)) for _ in range(2))
    dead, unknown = (output / plan.run.destination.folder for plan in (killed, elsewhere))
    (unknown / "lock").write_text("another host")
    for plan in (killed, elsewhere):
        plan.run._lock.close()  # The system does this when a process ends.
    (output / ".scoring-mine").mkdir()
    plan = scoring.plan_scoring(source, str(output))
    assert not dead.exists()
    assert unknown.exists()
    assert (output / ".scoring-mine").exists()
    assert len(plan.names) == 1  # The claim of the second run says that it scores no pictures.
    plan.run.close()


def test_output_files_appear_completely(tmp_path, faces):
    output = tmp_path / "scored"
    plan = scoring.plan_scoring(str(faces(2)), str(output), already_cropped=True)
    destination = plan.run.destination
    destination.write("a.parquet", b"all")
    assert (output / "a.parquet").read_bytes() == b"all"
    assert {path.name for path in (output / destination.folder).iterdir()} == {"lock", "claim"}
    destination.write("_scoring.json", b"another", first=True)
    assert json.loads((output / "_scoring.json").read_text())["already_cropped"]
    plan.run.close()


def test_a_file_name_that_is_not_utf8_is_left_out_and_counted(tmp_path, faces):
    folder = Path(faces(1).parent, "faces")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).write_bytes(to_png("happy", 1))
    plan = scoring.plan_scoring(str(folder), str(folder / "scored"))
    assert plan.names.to_pylist() == [str(folder / "0" / "0 a#b.png")]
    assert plan.left_out == f"{folder}: 1 file left out: 1 whose name is no UTF-8."
    again = scoring.plan_scoring(str(folder), str(folder / "scored"))  # The output of the first run is not scored.
    assert (len(again.names), again.claimed) == (0, 1)
    for each in (plan, again):
        each.run.close()


def test_answers_of_a_run_that_ends_while_another_begins_are_not_given_twice(faces, tmp_path, monkeypatch):
    source, output = str(faces(4)), str(tmp_path / "scored")
    first = scoring.plan_scoring(source, output)
    listed = scoring.list_rows

    def list_and_end(folder):
        answered = listed(folder)
        first.run.close()  # The first run ends between the two look-ups of the second one.
        return answered

    monkeypatch.setattr(scoring, "list_rows", list_and_end)
    second = scoring.plan_scoring(source, output)
    assert (len(first.names), len(second.names)) == (4, 0)
    second.run.close()


def test_a_run_plans_while_no_other_one_does(faces, tmp_path, monkeypatch):
    """Two runs that began together claimed the same pictures."""
    claim, locked = Run.claim, []

    def can_lock(output):
        with open(f"{output}/{DESCRIPTION}") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    def claim_locked(self, names):
        locked.append(not can_lock(tmp_path / "scored"))
        claim(self, names)

    monkeypatch.setattr(Run, "claim", claim_locked)
    scoring.plan_scoring(str(faces(2)), str(tmp_path / "scored")).run.close()
    assert locked == [True]
    assert can_lock(tmp_path / "scored")


def test_without_ray_the_command_that_installs_it_is_printed(monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ray" else find(name))
    for module in [name for name in sys.modules if name.startswith("fer.scoring")]:
        monkeypatch.delitem(sys.modules, module)
    check_refusal(["score", "in", "out"], 'pip install ".[scale]"', capsys)


def check_refusal(command, message, capsys):
    """Run a command that must end with code 2 and one line on standard error that contains a message."""
    with pytest.raises(SystemExit) as end:
        main(command)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert error.count("\n") == 1


def test_a_changed_litert_file_is_refused_before_the_scoring(faces, tmp_path):
    model = shutil.copytree(BUNDLED, tmp_path / "model")
    with (model / EXPORTS["litert"]).open("r+b") as file:
        file.seek(4_000_000)
        file.write(bytes(28))
    with pytest.raises(ModelFolderError, match="model.tflite: sha256 .* expected by config.json"):
        scoring.plan_scoring(str(faces(1)), str(tmp_path / "scored"), model)
    assert not (tmp_path / "scored").exists()


@pytest.mark.usefixtures("conversion_here", "conversion_of_another")
def test_a_new_export_does_not_make_another_model(faces, tmp_path):
    model, output = tmp_path / "model", tmp_path / "scored"
    model.mkdir()
    config = ModelConfig("se_resnet", ("happy", "sad"), 16, {"stem": 8, "widths": [8], "depth": 1})
    save_model(model, config.build(), config)
    before = hashlib.sha256((model / CONFIG).read_bytes() + (model / WEIGHTS).read_bytes()).hexdigest()
    scoring.plan_scoring(str(faces(1)), str(output), model)
    assert json.loads((output / DESCRIPTION).read_text())["sha256"] == before
    save_exports(model, {"litert": ExportRecord(1, "0", "weights 0, temperature 1")})
    scoring.plan_scoring(str(faces(1)), str(output), model)


def test_pictures_are_recognized_by_content_and_other_files_are_counted(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    for name in ("saved.jfif", "suffixless", "odd.data", ".hidden"):
        (folder / name).write_bytes(to_png("happy", 0))
    for name in ("clip.mov", "a.txt", "b.txt"):
        (folder / name).write_bytes(b"no picture")
    plan = scoring.plan_scoring(str(folder), str(tmp_path / "scored"))
    assert sorted(Path(name).name for name in plan.names.to_pylist()) == ["odd.data", "saved.jfif", "suffixless"]
    assert plan.left_out == f"{folder}: 3 files left out: 2 .txt, 1 .mov."


def test_linked_folders_are_scored_once_and_hidden_ones_not(tmp_path):
    folder, real = tmp_path / "faces", tmp_path / "real"
    for path in (folder / ".thumbs" / "a.png", folder / "own.png", real / "b.png"):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(to_png("happy", 0))
    (folder / "linked").symlink_to(real)
    (folder / "loop").symlink_to(folder)
    plan = scoring.plan_scoring(str(folder), str(tmp_path / "scored"))
    assert plan.names.to_pylist() == [str(folder / "linked" / "b.png"), str(folder / "own.png")]


def test_a_folder_without_pictures_is_refused_with_what_it_has(tmp_path):
    (tmp_path / "clip.mov").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"holds no pictures; 1 file left out: 1 \.mov\.$"):
        scoring.plan_scoring(str(tmp_path), str(tmp_path / "scored"))


def test_other_files_beside_parquet_are_counted(tmp_path):
    folder = tmp_path / "table"
    folder.mkdir()
    pq.write_table(pa.table({"image": [to_png("happy", 0)]}), folder / "a.parquet")
    (folder / "README.md").write_text("about")
    plan = scoring.plan_scoring(str(folder), str(tmp_path / "scored"))
    assert len(plan.names) == 1
    assert plan.left_out == f"{folder}: 1 file left out: 1 .md."
