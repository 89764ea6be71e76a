import io
import zipfile
from collections import Counter

import pytest
from conftest import encode, write_clip
from PIL import Image

from fer.app import problems
from fer.app.problems import MAX_LENGTH, PATTERNS, say_problem
from fer.app.server.batch import list_pictures
from fer.app.texts import TEXTS
from fer.errors import UserError
from fer.images.clips import Clip, open_clip
from fer.images.formats import describe_contents
from fer.images.loading import FIRST_PAGE, load_image, note_of
from fer.recognition.clip_reading import ClipSummary
from fer.recognition.records import LEFT_OUT, NO_FACE


def error_of(read, *arguments, **options):
    with pytest.raises(UserError) as error:
        read(*arguments, **options)
    return error.value


@pytest.fixture(scope="module")
def errors(astronaut, tmp_path_factory):
    """Errors that the readers of pictures and clips raise, by key of their translation."""
    folder = tmp_path_factory.mktemp("problems")
    content = astronaut.read_bytes()
    large = encode(Image.new("1", (9000, 9000)))
    (folder / "a.mp4").write_bytes(b"hello")
    (folder / "large.jpg").write_bytes(content)
    long = write_clip(folder / "long.mp4", [Image.new("RGB", (64, 64))] * 30, rate=10)
    return {
        "problem.empty": error_of(load_image, io.BytesIO(b""), "a.jpg"),
        "problem.unknown": error_of(load_image, io.BytesIO(b"hello"), "a.jpg"),
        "problem.unusual": error_of(load_image, io.BytesIO(b"GIF89a" + bytes(4)), "a.gif"),
        "problem.megapixels": error_of(load_image, io.BytesIO(large), "a.png"),
        "problem.large": error_of(load_image, folder / "large.jpg", "a.jpg", most_bytes=1000),
        "problem.damaged": error_of(load_image, io.BytesIO(content[:5000]), "a.jpg"),
        "problem.clip_unknown": error_of(open_clip, folder / "a.mp4", "a.mp4"),
        "problem.clip_long": error_of(open_clip, long, "a.mp4", 1),
    }


def test_errors_of_unreadable_files_are_translated(errors):
    for key, error in errors.items():
        assert next(each for each, pattern in PATTERNS.items() if pattern.fullmatch(str(error))) == key
        assert say_problem("en", error) == str(error)
        said = {say_problem(language, error) for language in TEXTS}
        assert len(said) == len(TEXTS)
        assert all(sentence.startswith("a.") for sentence in said)
    assert say_problem("de", errors["problem.empty"]) == "a.jpg: Die Datei ist leer."
    assert say_problem("es", "something else") == "something else"


def test_messages_of_a_batch_are_translated(astronaut, tmp_path):
    def pack(name, files, method=zipfile.ZIP_STORED):
        with zipfile.ZipFile(tmp_path / name, "w", method) as archive:
            for file in files:
                archive.writestr(file, b"x")
        listing = list_pictures([tmp_path / name], [name])
        return listing.notes[0][1] if listing.notes else listing.pictures[0].problem

    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04")
    messages = {
        "problem.zip_unreadable": list_pictures([tmp_path / "a.zip"], ["a.zip"]).pictures[0].problem,
        "problem.zip_packed": pack("b.zip", ["1.jpg"], zipfile.ZIP_BZIP2),
        "problem.zip_empty": pack("c.zip", []),
        "problem.zip_other": pack("d.zip", ["1.txt"]),
        "problem.zip_others": pack("e.zip", ["1.txt", "2.txt"]),
        "problem.batch_many": str(error_of(pack, "f.zip", [f"{number}.jpg" for number in range(201)])),
        "problem.cut_share": note_of(load_image(io.BytesIO(astronaut.read_bytes()[:-3000]), "a.jpg")),
        "problem.first_page": FIRST_PAGE,
        "problem.no_face": NO_FACE,
        "problem.smaller": LEFT_OUT.format(count=148),
    }
    for key, message in messages.items():
        assert next(each for each, pattern in PATTERNS.items() if pattern.fullmatch(message)) == key
        assert say_problem("en", message) == message
        assert len({say_problem(language, message) for language in TEXTS}) == len(TEXTS)


def test_each_sentence_of_a_message_is_translated():
    left_out = LEFT_OUT.format(count=3)
    assert say_problem("de", f"{NO_FACE} {FIRST_PAGE}") == "Kein Gesicht gefunden. Nur die erste Seite wurde gelesen."
    said = "Kleinere Gesichter, die ausgelassen wurden: 3. Nur die erste Seite wurde gelesen."
    assert say_problem("de", f"{left_out} {FIRST_PAGE}") == said
    assert say_problem("de", "a. b.jpg: the file is empty.") == "a. b.jpg: Die Datei ist leer."
    assert say_problem("de", "a. b.jpg: something else.") == "a. b.jpg: something else."


def test_kinds_of_files_are_translated():
    message = describe_contents(
        "a.zip", "zip", 1, Counter({f".{letter}": 2 for letter in "abcdefghi"} | {"": 3, ".z": 1})
    )
    assert say_problem("en", message) == message
    assert say_problem("de", message).endswith(
        "22 Dateien wurden ausgelassen: 3 ohne Endung, 2 .a, 2 .b, 2 .c, 2 .d, 2 .e, 2 .f, 2 .g, 2 .h, 2 .i, 1 andere."
    )


def test_damage_of_a_clip_is_told_in_the_language_of_the_page():
    clip, summary, said = Clip("a.mp4", "a.mp4", 1.0, 500), ClipSummary(), set()
    for key in ("problem.clip_packet", "problem.clip_packets"):
        summary.add_damaged()
        message = summary.message(clip)
        assert next(each for each, pattern in PATTERNS.items() if pattern.fullmatch(message)) == key
        said |= {say_problem(language, message) for language in TEXTS}
    assert len(said) == 2 * len(TEXTS)


def test_the_patterns_are_not_applied_to_a_long_error(monkeypatch):
    monkeypatch.setattr(problems, "PATTERNS", {"problem.empty": None})
    sentence = f"{'a' * MAX_LENGTH}: the file is empty."
    assert say_problem("de", UserError(sentence)) == sentence
    with pytest.raises(AttributeError):
        say_problem("de", "a.jpg: the file is empty.")
