import gc
import os
from fractions import Fraction

import av
import numpy as np
import pytest
from conftest import damage_clip, write_clip, write_silence
from PIL import Image

from fer.errors import UserError
from fer.images import clips
from fer.images.clip_writing import write_video

SIZE = (320, 240)


def still(count, size=SIZE):
    """Return `count` equal grey pictures."""
    return [Image.new("RGB", size, "gray")] * count


def read(path, every=0.2, **options):
    return list(clips.read_frames(clips.open_clip(path, path.name, **options), every))


def test_frames_are_sampled_every_so_many_seconds_with_their_own_times(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", still(30))
    assert [frame.seconds for frame in read(path, 0.2)] == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert [frame.seconds for frame in read(path, 0.5)] == [0, 0.52, 1.0]
    assert clips.open_clip(path).seconds == pytest.approx(1.2)


@pytest.mark.parametrize(("name", "codec"), [("clip.webm", "libvpx"), ("clip.mkv", "libx264"), ("clip.avi", "mpeg4"),
                                             ("clip.ts", "libx264"), ("clip.mov", "libx264")])  # fmt: skip
def test_all_containers_give_the_same_frames(tmp_path, name, codec):
    frames = read(write_clip(tmp_path / name, still(26), codec=codec))
    assert [frame.seconds for frame in frames] == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert {frame.image.size for frame in frames} == {SIZE}


def test_a_clip_may_have_a_single_frame_without_a_duration(tmp_path):
    clip = clips.open_clip(write_clip(tmp_path / "one.webm", still(1), codec="libvpx"))
    assert clip.seconds > 0
    assert [frame.seconds for frame in clips.read_frames(clip, 0.2)] == [0]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_frames_are_rotated_and_mirrored_as_the_clip_says(tmp_path, rotation, mirrored):
    upright = Image.new("RGB", SIZE, "black")
    upright.paste("red", (0, 0, SIZE[0] // 2, SIZE[1] // 4))
    stored = upright
    if mirrored:
        stored = stored.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    stored = stored.rotate(-rotation, expand=True)
    (frame,) = read(write_clip(tmp_path / "phone.mp4", [stored], rotation=rotation, mirrored=mirrored))
    assert frame.image.size == frame.size == SIZE
    assert np.abs(np.asarray(frame.image, int) - np.asarray(upright, int)).mean() < 4


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize(("pixel", "stored"), [(Fraction(2), (160, 240)), (Fraction(1, 2), (320, 120))])
def test_frames_with_non_square_pixels_have_the_right_proportions(tmp_path, pixel, stored, rotation):
    upright = Image.new("RGB", SIZE, "black")
    upright.paste("red", (0, 0, SIZE[0] // 2, SIZE[1] // 4))
    path = write_clip(tmp_path / "clip.mp4", [upright.resize(stored)] * 2, pixel=pixel, rotation=rotation)
    shown = upright.rotate(rotation, expand=True)
    (frame,) = read(path)
    assert frame.image.size == frame.size == shown.size
    assert np.abs(np.asarray(frame.image, int) - np.asarray(shown, int)).mean() < 4


@pytest.mark.parametrize("depth", ["yuv420p", "yuv420p10le"])
def test_8_and_10_bits_give_the_same_colours(tmp_path, depth):
    (frame,) = read(write_one_colour(tmp_path / "deep.mp4", (40, 200, 90), depth))
    assert np.abs(np.asarray(frame.image, int) - (40, 200, 90)).max() < 6


# In ST 2084, 203 nits, the white of HDR, are 58% of the range, and a tenth of that 35%. In HLG white is 75%, and a
# tenth of its light 28%.
@pytest.mark.parametrize(("trc", "values"), [(16, (148, 89, 230)), (18, (191, 72, 230))])
def test_hdr_is_mapped_to_the_brightness_of_ordinary_clips(tmp_path, trc, values):
    white, dark, light = (
        np.asarray(read(write_one_colour(tmp_path / "hdr.mp4", (value,) * 3, "yuv420p10le", trc=trc))[0].image).mean()
        for value in values
    )
    assert white == pytest.approx(255, abs=12)
    assert dark == pytest.approx(255 * 0.1 ** (1 / 2.2), abs=8)
    assert light == pytest.approx(255, abs=2)


@pytest.mark.parametrize("name", ["rare.mkv", "rare.mp4"])
def test_clips_may_have_any_frame_rate_and_be_sampled_once_a_minute(tmp_path, name):
    times = [0, 1, 2, 10, 30, 31, 90, 91, 150, 151]
    path = write_clip(tmp_path / name, still(10, (64, 64)), rate=1, times=times)
    assert [frame.seconds for frame in read(path, 0.5)] == times
    assert [frame.seconds for frame in read(path, 60)] == [0, 90, 150]
    with write_video(tmp_path / "annotated.mp4", 60) as add:
        for frame in read(path, 60):
            add(frame.seconds, frame.image)
    assert [frame.seconds for frame in read(tmp_path / "annotated.mp4", 0.5)] == [0, 90, 150]


def write_one_colour(path, colour, depth, trc=None):
    """Write a clip of one frame of one colour.

    Args:
        depth: pixel format, of 8 or 10 bits.
        trc: number of the transfer characteristic.
    """
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        (stream.width, stream.height), stream.pix_fmt = SIZE, depth
        if trc:
            stream.codec_context.color_trc = trc
        frame = av.VideoFrame.from_ndarray(np.full((*SIZE[::-1], 3), colour, np.uint8), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def test_the_annotated_video_has_the_proportions_of_the_frames(tmp_path):
    wide = write_clip(tmp_path / "wide.mp4", still(10, (160, 240)), pixel=Fraction(2))
    for every in (0.2, 1 / 3):  # The second one is no short decimal number.
        with write_video(tmp_path / "annotated.mp4", every) as add:
            for frame in read(wide):
                add(frame.seconds, frame.image)
        (first, *_) = read(tmp_path / "annotated.mp4")
        assert first.image.size == first.size == SIZE


def concatenate(path, *parts):
    """Write the bytes of clips one after the other, as `cat` does, and return the path."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize(("name", "codec"), [("clip.ts", "libx264"), ("clip.webm", "libvpx"), ("clip.mkv", "libx264")])
def test_times_continue_where_the_time_stamps_of_a_clip_restart(tmp_path, name, codec):
    black = write_clip(tmp_path / f"1{name}", [Image.new("RGB", SIZE, "black")] * 30, codec=codec)
    white = write_clip(tmp_path / f"2{name}", [Image.new("RGB", SIZE, "white")] * 30, codec=codec)
    frames = read(concatenate(tmp_path / name, black, white))
    assert [frame.seconds for frame in frames] == pytest.approx([number / 5 for number in range(12)], abs=0.05)
    bright = [np.asarray(frame.image).mean() > 128 for frame in frames]
    assert bright == [False] * 6 + [True] * 6
    assert clips.open_clip(tmp_path / name).seconds == pytest.approx(2.4, abs=0.05)


@pytest.mark.parametrize("starts", [(0, 0, 0), (90_000, 0, 0), (0, 90_000, 0), (0, 2_500, 90_000)])
def test_the_duration_of_a_concatenated_clip_is_the_sum_of_its_parts(tmp_path, starts):
    parts = [
        write_clip(tmp_path / f"{number}.ts", still(30, (64, 64)), times=range(start, start + 30))
        for number, start in enumerate(starts)
    ]
    path = concatenate(tmp_path / "clip.ts", *parts)
    assert clips.open_clip(path).seconds == pytest.approx(3.6, abs=0.05)
    seconds = [frame.seconds for frame in read(path)]
    assert seconds == pytest.approx([number / 5 for number in range(18)], abs=0.05)
    with pytest.raises(UserError, match=r"clips may last at most 2 s\. Received: 3\.6 s$"):
        read(path, longest=2)


def test_a_large_jump_of_time_stamps_leaves_no_gap_but_a_pause_does(tmp_path):
    def seconds(ahead):
        times = [*range(15), *range(15 + ahead, 30 + ahead)]
        path = write_clip(tmp_path / "clip.ts", still(30, (64, 64)), times=times)
        return clips.open_clip(path).seconds, [frame.seconds for frame in read(path)][-1]

    # Frames that are decoded out of their order may overlap.
    assert seconds(25 * 3600) == pytest.approx((1.2, 1.0), abs=0.15)
    assert seconds(25 * 5) == pytest.approx((6.2, 6.0), abs=0.05)


def test_large_frames_are_reduced_but_keep_their_original_size(tmp_path):
    (frame,) = read(write_clip(tmp_path / "large.mp4", still(1, (1920, 1080))))
    assert (frame.image.size, frame.size) == ((960, 540), (1920, 1080))


def test_frames_of_another_size_are_fitted_to_the_first(tmp_path):
    # Browsers record this when a phone is rotated: WebM may change its size at a key frame.
    path = tmp_path / "turned.mkv"
    with av.open(str(path), "w") as file:
        stream, one = file.add_stream("mjpeg", rate=1), Fraction(1)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuvj420p"
        for index, size in enumerate((SIZE, SIZE[::-1])):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = *size, "yuvj420p", one
            for packet in encoder.encode(av.VideoFrame.from_image(Image.new("RGB", size, "white"))):
                packet.stream, packet.time_base, packet.pts, packet.dts = stream, one, index, index
                file.mux(packet)
    first, second = read(path, 0.5)
    assert first.image.size == second.image.size == SIZE
    assert second.image.getpixel((5, 120)) == (0, 0, 0)
    assert min(second.image.getpixel((160, 120))) > 240


def test_a_clip_is_never_in_memory_as_a_whole(tmp_path):
    clip = clips.open_clip(write_clip(tmp_path / "clip.mp4", still(100)))
    gc.collect()
    gc.disable()
    try:
        for _ in clips.read_frames(clip, 0.1):
            assert sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects(generation=0)) < 20
    finally:
        gc.enable()


def test_clips_beyond_a_limit_are_refused_in_one_sentence(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "clip.mp4", still(75))
    assert len(read(path, 0.5, longest=2)) == 6
    with pytest.raises(UserError, match=r"^clip\.mp4: clips may last at most 1 s\. Received: 3\.0 s$"):
        read(path, longest=1)
    for every in (0, 0.01, 61, float("nan")):
        with pytest.raises(UserError, match="`every` must be from 0.05 to 60 seconds. Received: "):
            read(path, every)
    with monkeypatch.context() as patch:
        patch.setattr(clips, "MAX_RATE", 1)
        with pytest.raises(UserError, match=r"^clip\.mp4: clips may have at most 61 frames\.$"):
            read(path, longest=60)
    large = write_clip(tmp_path / "large.mp4", still(1, (4800, 2400)))
    with pytest.raises(UserError, match=r"^large\.mp4: frames may have at most 4096x2304 pixels. Received: 4800x2400$"):
        read(large)
    packed = write_clip(tmp_path / "packed.mkv", still(1), codec="ffv1")
    with pytest.raises(UserError, match=r"^packed\.mkv: clips must be H\.264, .* Received: ffv1$"):
        read(packed)


def test_metadata_in_another_encoding_is_ignored(tmp_path):
    path = write_clip(tmp_path / "clip.mkv", still(1))
    path.write_bytes(path.read_bytes().replace(b"Lavf", b"L\xe4vf"))
    assert len(read(path)) == 1


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_sound_may_last_longer_than_the_picture(tmp_path, suffix):
    """Matroska gives the length of the clip alone, which is that of the sound."""
    path = write_clip(tmp_path / f"clip.{suffix}", still(50), sound=10)
    assert clips.open_clip(path).seconds == pytest.approx(2, abs=0.1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(UserError, match="incomplete|not all of one"):
        clips.open_clip(path)


def test_unreadable_clips_are_refused_in_one_sentence(tmp_path, astronaut):
    whole = write_clip(tmp_path / "whole.mp4", still(100), container={"movflags": "faststart"}).read_bytes()
    late = write_clip(tmp_path / "late.mp4", still(100)).read_bytes()
    with av.open(str(tmp_path / "sound.m4a"), "w", format="mp4") as file:
        write_silence(file, file.add_stream("aac", rate=48_000))
    (tmp_path / "folder.mp4").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
    for name, content, reason in (
        ("empty.mp4", b"", "the file is empty"),
        ("text.mp4", b"hello", "not a clip"),
        ("photo.mp4", astronaut.read_bytes(), "not a clip"),
        ("cut.mp4", late[: len(late) // 2], "not all of one"),
        ("half.mp4", whole[: len(whole) // 2], r"incomplete; \d\.\d of its 4\.0 s are there"),
        ("list.mp4", b"ffconcat version 1.0\nfile whole.mp4\n", "not a clip"),
        ("sound.m4a", None, "no moving pictures"),
        ("folder.mp4", None, "a clip must be a file. Received: a folder$"),
        ("pipe.mp4", None, "a clip must be a file. Received: a pipe or device$"),
        ("gone.mp4", None, "no such file"),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UserError, match=f"^{name}: .*{reason}") as error:
            read(path)
        assert "\n" not in str(error.value)
        assert str(tmp_path) not in str(error.value)


def remux(source, target, change):
    """Copy the packets of a clip to another one, in the order of decoding; `change` may change a packet."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                change(packet)
                packet.stream = stream
                new.mux(packet)


def test_a_clip_that_was_trimmed_without_encoding_has_its_own_length(tmp_path):
    """The frames since the last key frame stay in the file, before its beginning."""
    whole = write_clip(tmp_path / "whole.mp4", still(75))  # 3 s, with one key frame.

    def move(packet):
        offset = round(1 / packet.time_base)
        packet.pts, packet.dts = packet.pts - offset, packet.dts - offset

    remux(whole, tmp_path / "trimmed.mp4", move)
    clip = clips.open_clip(tmp_path / "trimmed.mp4", longest=1)
    assert clip.seconds == pytest.approx(2, abs=0.05)
    frames = list(clips.read_frames(clip, 0.5))
    assert [frame.seconds for frame in frames] == pytest.approx([0, 0.5, 1, 1.5], abs=0.05)


def without_times(path):
    """Remove all time stamps but the first from an MPEG-TS clip."""
    content, found = bytearray(path.read_bytes()), 0
    for place in range(0, len(content), 188):
        start = place + 4 + (content[place + 4] + 1 if content[place + 3] & 0x20 else 0)
        is_video = content[start : start + 3] == b"\0\0\1" and content[start + 3] & 0xF0 == 0xE0
        if content[place + 1] & 0x40 and is_video:
            found += 1
            if found > 1:
                content[start + 7] &= 0x3F
                length = content[start + 8]
                content[start + 9 : start + 9 + length] = b"\xff" * length
    path.write_bytes(content)
    return path


def test_frames_without_times_count_towards_the_limits(tmp_path, monkeypatch):
    path = without_times(write_clip(tmp_path / "clip.ts", still(40), codec="libx264"))
    with monkeypatch.context() as limit:
        limit.setattr(clips, "MAX_RATE", 10)
        with pytest.raises(UserError, match=r"clip\.ts: clips may have at most 20 frames\.$"):
            clips.open_clip(path, path.name, longest=1)
    clip = clips.open_clip(path, path.name)
    assert [frame.seconds for frame in clips.read_frames(clip, 0.2)] == [0]
    with pytest.raises(UserError, match=r"clip\.ts: clips may have at most 10 frames per second\.$"):
        list(clips.read_frames(clip, 0.2, rate=10))


def test_frames_of_avi_are_in_the_order_in_which_they_are_shown(tmp_path):
    """AVI has decoding times only, which differ from those of showing if frames depend on later ones."""
    grey = [Image.new("RGB", (64, 64), (20 + 2 * number,) * 3) for number in range(50)]
    path = write_clip(tmp_path / "clip.avi", grey, codec="libx264")
    frames = read(path, 0.05)
    assert len(frames) == 40
    shown = [(int(np.asarray(frame.image)[32, 32, 0]) - 20) / 2 / 25 for frame in frames]
    assert [frame.seconds for frame in frames] == pytest.approx(shown, abs=0.03)


def test_a_frame_so_narrow_that_nothing_would_be_left_is_stretched(tmp_path):
    parts = [write_clip(tmp_path / f"{size[0]}.ts", still(5, size)) for size in ((64, 64), (4096, 16))]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert {frame.image.size for frame in read(path, 0.05)} == {(64, 64)}


def test_times_beyond_64_bits_are_refused_in_one_sentence(tmp_path, monkeypatch):
    def overflow(*_):
        raise OverflowError("Python int too large to convert to C long")

    path = write_clip(tmp_path / "clip.mp4", still(2))
    monkeypatch.setattr(clips, "read_packets", overflow)
    with pytest.raises(UserError, match=r"clip\.mp4: the clip is damaged or incomplete \(Python int too large"):
        clips.open_clip(path, path.name)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi"])
def test_damaged_packets_are_skipped_and_counted(tmp_path, name):
    """One of them made the whole clip unreadable."""
    path = damage_clip(write_clip(tmp_path / name, still(50, (64, 64))), [20, 30])
    clip, told = clips.open_clip(path), []
    frames = list(clips.read_frames(clip, 0.05, on_damaged=lambda: told.append(1)))
    assert (len(told), clip.packets) == (2, 50)
    seconds = [frame.seconds for frame in frames]
    assert len(seconds) >= 38
    assert seconds == sorted(set(seconds))
    assert clip.seconds - 0.09 < seconds[-1] < clip.seconds


def test_a_clip_of_which_more_than_a_tenth_is_damaged_is_refused(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", still(50, (64, 64)))
    assert read(damage_clip(path, range(10, 15)))
    with pytest.raises(UserError, match=r"^clip\.mp4: the clip is damaged or incomplete \(Invalid data found"):
        read(damage_clip(path, range(15, 18)))


def test_a_clip_that_was_cut_between_key_frames_begins_at_the_first_one(tmp_path):
    """The packets before it, which nothing can decode, counted, so that the last frame lasted too long."""
    path = write_clip(tmp_path / "clip.ts", still(50, (64, 64)), keys=20)
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
    assert [number for number, packet in enumerate(packets) if packet.is_keyframe] == [0, 20, 40]
    path.write_bytes(path.read_bytes()[packets[10].pos // 188 * 188 :])
    clip = clips.open_clip(path)
    assert (clip.leading, clip.packets) == (10, 30)
    assert clip.seconds == pytest.approx(30 / 25)
    assert [frame.seconds for frame in clips.read_frames(clip, 0.2)] == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
