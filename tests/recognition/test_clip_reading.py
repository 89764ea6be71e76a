import csv
import io
import pickle

import av
import numpy as np
import pytest
from conftest import record_clip, write_clip
from PIL import Image

from fer.images.clip_writing import write_video
from fer.images.clips import Clip, Frame, open_clip, read_frames
from fer.images.drawing import draw_faces
from fer.recognition import clip_reading as video
from fer.recognition import records
from fer.recognition.recognizer import FaceList

RATE = 25


@pytest.fixture(scope="module")
def panned(astronaut):
    """Pictures of two seconds: one face moves right; from 0.5 s on, a second one below it moves left."""
    photo = Image.open(astronaut).crop((140, 40, 310, 210))
    pictures = []
    for index in range(2 * RATE):
        picture = Image.new("RGB", (640, 480), "gray")
        picture.paste(photo, (20 + 4 * index, 20))
        if index >= RATE // 2:
            picture.paste(photo, (420 - 4 * index, 280))
        pictures.append(picture)
    return pictures


def test_faces_keep_their_numbers_and_have_a_row_per_frame(tmp_path, panned, recognizer):
    clip = open_clip(write_clip(tmp_path / "clip.mp4", panned), "clip.mp4")
    readings = list(video.read_faces(read_frames(clip, 0.25), recognizer))
    rows = [row for reading in readings for row in reading.rows]
    first, second = ([row for row in rows if row["face"] == number] for number in (1, 2))
    assert len(first) + len(second) == len(rows)
    assert [row["seconds"] for row in first] == [reading.frame.seconds for reading in readings]
    assert 0.5 <= second[0]["seconds"] <= 0.8
    lefts = [[row["box"][0] for row in face] for face in (first, second)]
    assert lefts[0] == sorted(lefts[0])
    assert lefts[1] == sorted(lefts[1], reverse=True)
    assert [face.probabilities[face.label] for reading in readings for face in reading.faces] == pytest.approx(
        [max(row["probabilities"].values()) for row in rows], abs=1e-5
    )
    summary = video.ClipSummary()
    for reading in readings:
        summary.add(reading)
    record = summary.record(clip, 0.25, "bundled")
    assert [face["frames"] for face in record["faces"]] == [len(first), len(second)]
    assert {name: value for name, value in record.items() if name != "faces"} == {
        "clip": "clip.mp4",
        "model": "bundled",
        "seconds": 2.0,
        "width": 640,
        "height": 480,
        "every": 0.25,
        "faces_left_out": 0,
    }


def row(seconds, face, label="happy", confident=True):
    return {"seconds": seconds, "face": face, "label": label, "confident": confident}


def test_each_face_has_a_summary():
    frames = [
        [row(0.0, 1), row(0.0, 2, "sad")],
        [row(0.5, 1)],
        [row(1.0, 1), row(1.0, 2, "sad", confident=False)],
        [row(1.5, 1, "angry"), row(1.5, 2, "sad")],
        [row(2.0, None, None, None)],
        [row(3.0, 2, "sad")],
    ]
    rows = [row for rows in frames for row in rows]
    record = record_clip(rows, 4.2, left_out=2)
    assert list(record) == [
        *("clip", "model", "seconds", "width", "height", "every", "rows", "faces_left_out", "faces")
    ]
    assert (record["rows"], record["faces_left_out"]) == (rows, 12)
    first, second = record["faces"]
    assert first == {
        "face": 1,
        "first": 0.0,
        "last": 1.5,
        "frames": 4,
        "seconds": 2.0,
        "shares": {"happy": 0.75, "angry": 0.25},
        "episodes": [{"label": "happy", "start": 0.0, "end": 1.5}],
    }
    assert (second["seconds"], second["frames"]) == (pytest.approx(0.5 + 0.5 + 0.5 + 1.2), 4)
    assert second["shares"] == {"sad": 0.75, "not sure": 0.25}
    assert second["episodes"] == [{"label": "sad", "start": 3.0, "end": 4.2}]


def test_without_faces_the_summary_is_empty():
    assert record_clip([row(0.0, None)], 1.0)["faces"] == video.ClipSummary().faces(1.0) == []


def test_a_summary_says_how_many_packets_are_damaged():
    clip, summary = Clip("clip.mp4", "clip.mp4", 1.0, 500), video.ClipSummary()
    summary.add(video.FrameAnswer(Frame(0.0, None, (640, 480)), FaceList(), [], [row(0.0, None)]))
    assert "message" not in summary.record(clip, 0.2, "bundled")
    for message in ("1 of 500 packets of the clip is damaged.", "2 of 500 packets of the clip are damaged."):
        summary.add_damaged()
        assert summary.record(clip, 0.2, "bundled")["message"] == message


def test_the_size_of_a_summary_does_not_grow_with_the_frames():
    summary = video.ClipSummary()
    for number in range(20_000):
        rows = [row(number / 5, 1), row(number / 5, 2, confident=number % 2)]
        summary.add(video.FrameAnswer(Frame(number / 5, None, (640, 480)), FaceList(), [1, 2], rows))
    assert len(pickle.dumps(summary)) < 2_000
    assert [len(face["episodes"]) for face in summary.faces(4_000.0)] == [1, 0]


def test_boxes_are_in_pixels_of_the_clip_and_a_frame_without_a_face_has_a_row(panned, recognizer):
    faces = recognizer.recognize(panned[0])
    frame = Frame(0.4, panned[0], (1280, 960))
    (row,) = records.clip_rows(frame, faces, [3])
    assert row["box"] == [2 * edge for edge in faces[0].box]
    assert (row["seconds"], row["face"], row["label"]) == (0.4, 3, faces[0].label)
    rows = [row, *records.clip_rows(frame, [], [])]
    table = list(csv.DictReader(io.StringIO(records.clip_csv(rows, recognizer.labels))))
    assert list(table[0]) == [
        "seconds",
        "face",
        "label",
        *recognizer.labels,
        "confident",
        *["left", "top", "right", "bottom"],
    ]
    assert (table[0]["seconds"], table[0]["face"], int(table[0]["bottom"])) == ("0.4", "3", row["box"][3])
    assert (table[1]["seconds"], table[1]["face"], table[1]["label"], table[1]["left"]) == ("0.4", "", "", "")


def test_the_annotated_video_has_a_frame_with_boxes_per_reading_and_no_sound(tmp_path, panned, recognizer):
    clip = open_clip(write_clip(tmp_path / "clip.mp4", panned, sound=True))
    path, drawn = tmp_path / "annotated.mp4", []
    with write_video(path, 0.25) as add:
        for frame, faces, numbers, _ in video.read_faces(read_frames(clip, 0.25), recognizer):
            drawn.append(draw_faces(frame.image, faces, numbers))
            add(frame.seconds, drawn[-1])
    with av.open(str(path)) as file:
        assert [stream.type for stream in file.streams] == ["video"]
        (stream,) = file.streams.video
        assert (stream.codec.name, stream.pix_fmt, stream.width, stream.height) == ("h264", "yuv420p", 640, 480)
        assert file.duration / av.time_base == pytest.approx(2, abs=0.05)
        frames = list(file.decode(stream))
    assert [frame.time for frame in frames] == pytest.approx([0.0, 0.28, 0.52, 0.76, 1.0, 1.28, 1.52, 1.76], abs=0.001)
    for frame, picture in zip(frames, drawn, strict=True):
        assert np.abs(np.asarray(frame.to_image(), int) - np.asarray(picture, int)).mean() < 5
