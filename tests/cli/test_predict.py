import csv
import json
import os
import shutil
import sys
import threading
import unicodedata
import zipfile
from pathlib import PurePosixPath

import pytest
from PIL import Image

from fer.cli.commands import main
from fer.cli.picture_folder import PictureFolder
from fer.images.loading import load_image
from fer.images.sources import Found


@pytest.fixture
def photos(astronaut, tmp_path):
    """A folder with a face, a picture without a face, a truncated photo, a broken one and a text file."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    shutil.copy(astronaut, folder / "face.jpg")
    Image.new("RGB", (64, 48), "white").save(folder / "more" / "=wall.png")
    (folder / "more" / "short.jpg").write_bytes(astronaut.read_bytes()[:-2])
    (folder / "broken.jpg").write_text("text")
    (folder / "notes.txt").write_text("text")
    return folder


def refused(arguments, capsys):
    """Run `fer predict`, which must end with code 2, and return its standard error."""
    with pytest.raises(SystemExit) as end:
        main(["predict", *map(str, arguments)])
    assert end.value.code == 2
    return capsys.readouterr().err


def test_a_folder_is_read_to_its_end_and_unreadable_files_are_reported(photos, capsys):
    assert main(["predict", str(photos)]) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.out.splitlines() if not line.startswith("  1.")]
    assert lines == [
        f"{photos}/face.jpg: 1 face",
        f"{photos}/more/=wall.png: no face found",
        f"{photos}/more/short.jpg: 1 face",
        "  The file lacks its last bytes.",
    ]
    broken, left_out = captured.err.splitlines()[-2:]
    assert broken.startswith(f"{photos}/broken.jpg: not a picture that can be read here; send JPEG, PNG, WebP, ")
    assert left_out == f"{photos}: 1 file left out: 1 .txt."


def test_unreadable_files_have_a_json_document_and_a_csv_row(photos, tmp_path, capsys):
    table = tmp_path / "faces.csv"
    assert main(["predict", "--json", "--csv", str(table), str(photos)]) == 2
    captured = capsys.readouterr()
    documents = [json.loads(line) for line in captured.out.splitlines()]
    assert [len(document["faces"]) for document in documents] == [0, 1, 0, 1]
    assert [document.get("message", "")[:20] for document in documents] == [
        f"{photos}/broken.jpg: not a picture"[:20], "", "", "The file lacks its l"
    ]  # fmt: skip
    assert (documents[0]["width"], documents[1]["width"]) == (None, 512)
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    names = [row["file"].removeprefix(f"{photos}/") for row in rows]
    assert names == ["broken.jpg", "face.jpg", "more/=wall.png", "more/short.jpg", str(photos)]
    assert [row["label"] for row in rows] == ["", "happy", "", "happy", ""]
    assert [row["message"].removeprefix(f"{photos}") for row in rows][1:] == [
        "", "No face found.", "The file lacks its last bytes.", ": 1 file left out: 1 .txt."
    ]  # fmt: skip
    assert captured.err.splitlines()[-2:] == ["4 pictures, 1 of them unreadable; 2 faces", f"Written: {table}"]


def test_with_csv_only_a_summary_is_printed(photos, tmp_path, capsys):
    assert main(["predict", "--csv", str(tmp_path / "faces.csv"), str(photos / "face.jpg")]) == 0
    assert capsys.readouterr().out == "1 picture; 1 face\n"


def test_the_csv_can_be_a_pipe(astronaut, tmp_path, capsys):
    pipe, content = tmp_path / "rows", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: content.append(pipe.read_text()), daemon=True)
    reader.start()
    assert main(["predict", str(astronaut), "--csv", str(pipe)]) == 0
    reader.join(timeout=60)
    assert [row["label"] for row in csv.DictReader(content[0].splitlines())] == ["happy"]
    assert "Written" not in capsys.readouterr().err


def test_the_written_paths_are_printed(astronaut, tmp_path, capsys):
    table, drawn = tmp_path / "faces.csv", tmp_path / "drawn"
    assert main(["predict", str(astronaut), "--csv", str(table), "--annotated", str(drawn)]) == 0
    assert f"Written: {table}, {drawn}" in capsys.readouterr().err


def test_annotated_pictures_have_distinct_names_below_the_folder(photos, tmp_path, capsys):
    packed, other = tmp_path / "packed.zip", tmp_path / "other" / "face.jpg"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(photos / "face.jpg", "../../face.jpg")
    other.parent.mkdir()
    shutil.copy(photos / "face.jpg", other)
    out = tmp_path / "drawn" / "here"
    sources = [photos, packed, other, photos / "face.jpg"]
    assert main(["predict", "--annotated", str(out), *map(str, sources)]) == 2
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert written == [
        "face-2.jpg", "face.jpg", "packed.zip/face.jpg",
        "photos/face.jpg", "photos/more/=wall.png.jpg", "photos/more/short.jpg",
    ]  # fmt: skip
    drawn = load_image(out / "photos" / "face.jpg")
    assert drawn.size == (512, 512)
    assert drawn.tobytes() != load_image(photos / "face.jpg").tobytes()
    assert not [path for path in tmp_path.rglob(".fer-*")]


def test_crops_have_distinct_names_where_letter_case_and_unicode_form_do_not_count(tmp_path):
    """On macOS the second of them replaced the first, and both were counted."""
    folder = PictureFolder(tmp_path / "out", ".jpg", several=False)
    for name in ("A.jpg", "a.JPG", "caf\u00e9.jpg", "cafe\u0301.jpg"):
        folder.write(Found(name, PurePosixPath(name), b""), lambda path: path.write_bytes(b"x"))
    written = [unicodedata.normalize("NFC", path.name).casefold() for path in (tmp_path / "out").iterdir()]
    assert len(set(written)) == 4


def test_annotated_pictures_of_zips_of_any_name_have_a_folder_each(photos, tmp_path):
    for name in ("first", "second"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.write(photos / "face.jpg", "face.jpg")
    out = tmp_path / "drawn"
    assert main(["predict", str(tmp_path / "first"), str(tmp_path / "second"), "--annotated", str(out)]) == 0
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.jpg")) == ["first/face.jpg", "second/face.jpg"]


def test_crops_are_pictures_to_train_on(astronaut, tmp_path, capsys):
    """There was no way to cut faces out, and whole photos were trained on without a word."""
    folder, crops = tmp_path / "photos", tmp_path / "crops"
    for label in ("wink", "yawn"):
        (folder / label).mkdir(parents=True)
        for number in range(2):
            shutil.copy(astronaut, folder / label / f"{number}.jpg")
    Image.new("RGB", (64, 48), "white").save(folder / "wink" / "wall.png")
    assert main(["predict", str(folder), "--crops", str(crops)]) == 0
    assert "5 pictures; 4 faces; 4 crops" in capsys.readouterr().out
    written = sorted(path.relative_to(crops).as_posix() for path in crops.rglob("*.png"))
    assert written == [f"{label}/{number}.jpg.png" for label in ("wink", "yawn") for number in range(2)]
    with Image.open(crops / written[0]) as crop:
        assert (crop.size, crop.mode) == ((48, 48), "L")
    said = (
        "of them the face takes 20% of the side (median). Each is read as one face; `fer predict PHOTOS --crops FOLDER`"
    )
    for source in (folder, crops):
        main(["data", str(source), "--classes", "wink", "yawn"])
        assert (said in capsys.readouterr().out) == (source == folder)


def test_crops_and_annotated_pictures_have_a_folder_each(photos, tmp_path, capsys):
    rule = "must be outside the folder of"
    for crops in (tmp_path / "out", tmp_path / "out" / "crops"):
        assert rule in refused([photos, "--annotated", tmp_path / "out", "--crops", crops], capsys)
    rule = "`--crops` must be a new or empty folder, outside the folders that are read"
    assert rule in refused([photos, "--crops", photos / "crops"], capsys)


def test_an_output_that_would_replace_an_input_is_refused(photos, tmp_path, capsys):
    face = photos / "face.jpg"
    rule = "`--csv` must be a file that is not read"
    assert rule in refused([photos, "--csv", face], capsys)
    assert rule in refused([face, "--csv", face], capsys)
    rule = "`--annotated` must be a new or empty folder, outside the folders that are read"
    for source, folder in ((photos, photos), (photos, photos / "drawn"), (face, photos), (photos, tmp_path)):
        assert rule in refused([source, "--annotated", folder], capsys)
    assert "`--csv` must be in an existing folder" in refused([face, "--csv", tmp_path / "no" / "a.csv"], capsys)
    assert "Standard input (`-`) can be given once. Received: 2 times" in refused(["-", "-"], capsys)


def test_a_csv_that_would_replace_standard_input_is_refused(photos, tmp_path, monkeypatch, capsys):
    face, hard, link, fstat = photos / "face.jpg", tmp_path / "hard.jpg", tmp_path / "link.jpg", os.fstat
    os.link(face, hard)
    link.symlink_to(face)
    before = face.read_bytes()
    monkeypatch.setattr(os, "fstat", lambda number: os.stat(face) if number == 0 else fstat(number))
    for table in (face, hard, link):
        said = refused(["-", "--csv", table], capsys)
        assert f"`--csv` must be a file that is not read. Received: {table}, which is standard input" in said
    assert face.read_bytes() == hard.read_bytes() == before


def test_the_csv_and_the_annotated_pictures_never_have_the_same_place(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("fer.recognition.recognizer.Recognizer.open", lambda *_: pytest.fail("the work has begun"))
    face, out, empty, link = photos / "face.jpg", tmp_path / "out", tmp_path / "empty", tmp_path / "link"
    empty.mkdir()
    link.symlink_to(out)
    rule = "`--csv` must be a file that is neither the folder of `--annotated` nor above it"
    for table, drawn in ((out, out), (out, out / "drawn"), (link, out), (empty / ".." / "out", out)):
        assert f"{rule}. Received: {table} and {drawn}" in refused([face, "--csv", table, "--annotated", drawn], capsys)
    said = refused([face, "--csv", empty / "face.jpg", "--annotated", empty], capsys)
    assert "`--csv` in the folder of `--annotated` must end in .csv" in said
    assert sorted(tmp_path.iterdir()) == [empty, link, photos]


def test_a_csv_beside_the_annotated_pictures_is_written(photos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    assert main(["predict", str(photos / "face.jpg"), "--csv", str(out / "faces.csv"), "--annotated", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["face.jpg", "faces.csv"]


def test_a_csv_that_cannot_be_written_is_reported_in_one_sentence(photos, capsys):
    err = refused([photos / "face.jpg", "--csv", "/dev/full"], capsys)
    assert err.splitlines()[-1] == "python -m fer predict: /dev/full: cannot be written: No space left on device"


def test_an_interrupted_predict_leaves_no_csv(photos, tmp_path, monkeypatch, capsys):
    from fer.recognition.recognizer import Recognizer

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Recognizer, "recognize_batch", interrupted)
    with pytest.raises(SystemExit, match="130"):
        main(["predict", "--csv", str(tmp_path / "faces.csv"), str(photos)])
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_folder_without_pictures_ends_with_code_2_and_one_sentence(tmp_path, capsys):
    assert main(["predict", str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"{tmp_path}: no pictures in this folder."


def test_file_names_that_are_not_utf8_are_read_and_written(astronaut, tmp_path, capsys):
    folder, table = tmp_path / "photos", tmp_path / "faces.csv"
    folder.mkdir()
    shutil.copy(astronaut, os.fsdecode(os.fsencode(folder) + b"/\xff.jpg"))
    assert main(["predict", "--csv", str(table), "--annotated", str(tmp_path / "out"), str(folder)]) == 0
    assert "\\udcff.jpg,1,happy" in table.read_text(encoding="utf-8")
    assert os.listdir(os.fsencode(tmp_path / "out")) == [b"\xff.jpg"]


@pytest.mark.parametrize("terminal", [False, True])
def test_the_progress_bar_is_only_shown_on_a_terminal(photos, terminal, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    main(["predict", str(photos)])
    captured = capsys.readouterr()
    assert ("4/4" in captured.err) is terminal
    assert len(captured.out.splitlines()) == 6


def test_annotated_pictures_keep_their_colour_profile(astronaut, tmp_path):
    """iPhones take photos in Display P3. A profile of grey pictures does not fit the annotated one."""
    rgb, grey = (bytes(16) + space + bytes(108) for space in (b"RGB ", b"GRAY"))
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    with Image.open(astronaut) as photo:
        photo.save(folder / "phone.jpg", icc_profile=rgb)
        photo.convert("L").save(folder / "grey.jpg", icc_profile=grey)
    assert main(["predict", str(folder), "--annotated", str(out)]) == 0
    assert Image.open(out / "phone.jpg").info["icc_profile"] == rgb
    assert "icc_profile" not in Image.open(out / "grey.jpg").info


def test_annotated_pictures_never_replace_other_files(photos, tmp_path, capsys):
    kept, packed = tmp_path / "kept" / "face.jpg", tmp_path / "packed.zip"
    kept.parent.mkdir()
    kept.write_text("a person's")
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(photos / "face.jpg", "face.jpg")
    assert "must be a new or empty folder" in refused([packed, "--annotated", kept.parent], capsys)
    assert kept.read_text() == "a person's"


def test_an_annotated_picture_that_cannot_be_written_is_reported_and_the_others_are_written(photos, tmp_path, capsys):
    packed, table, out = tmp_path / "packed.zip", tmp_path / "faces.csv", tmp_path / "drawn"
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("a.jpg", "a.jpg/b.jpg", "z.jpg"):  # The first becomes a file where the second needs a folder.
            archive.write(photos / "face.jpg", name)
    assert main(["predict", str(packed), "--annotated", str(out), "--csv", str(table)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "3 pictures; 3 faces; pictures not written: 1\n"
    assert captured.err.splitlines()[0] == f"{out}/a.jpg/b.jpg: cannot be written: File exists"
    assert sorted(path.name for path in out.iterdir()) == ["a.jpg", "z.jpg"]
    assert len(table.read_text().splitlines()) == 4


def test_the_longest_names_of_files_are_annotated(photos, tmp_path):
    (photos / "face.jpg").rename(photos / f"{'ä' * 125}.jpeg")
    assert main(["predict", str(photos / f"{'ä' * 125}.jpeg"), "--annotated", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{'ä' * 120}.jpg"]


def test_what_is_said_goes_to_standard_error_if_standard_output_is_an_output(photos, capfd):
    assert main(["predict", str(photos / "face.jpg"), "--csv", "/dev/stdout"]) == 0
    captured = capfd.readouterr()
    assert [row["label"] for row in csv.DictReader(captured.out.splitlines())] == ["happy"]
    assert "1 picture; 1 face" in captured.err
    rule = "`--csv` must be another file than standard output, where `--json` goes"
    assert rule in refused([photos / "face.jpg", "--json", "--csv", "/dev/stdout"], capfd)


def test_closed_standard_input_is_reported(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["predict", "-"]) == 2
    assert "Standard input (`-`) must be open. Received: none" in capsys.readouterr().err


def test_characters_of_a_file_name_that_control_terminals_are_not_printed(photos, tmp_path, capsys):
    name = tmp_path / "red\x1b[31m\n.jpg"
    (photos / "face.jpg").rename(name)
    assert main(["predict", str(name)]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}/red [31m .jpg: 1 face\n")


def test_a_clip_of_gigabytes_is_refused_before_it_is_read(photos, tmp_path, capsys):
    clip = tmp_path / "clip.mov"
    with clip.open("wb") as file:
        file.truncate(9 * 10**9)  # Sparse; it takes no room.
    assert main(["predict", str(clip), str(photos / "face.jpg")]) == 2
    captured = capsys.readouterr()
    assert "face.jpg: 1 face" in captured.out
    assert f"{clip}: pictures may have at most 300 MB. Received: 9000.0 MB" in captured.err
