"""Clips as files: looked through, decoded a frame every n-th of a second, and written; one frame at a time, guarded.

Only the pictures of a clip are opened, never its sound.
"""

import math
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from av.stream import Disposition
from PIL import Image, ImageOps

from fer.errors import UserError
from fer.images.clip_pictures import display_matrix, to_upright
from fer.images.sampling import MIN_EVERY, check_every
from fer.outputs import check_suffix, written_whole

SPARE_SECONDS = 1
"""A recorder's minute is a little longer than a minute."""
MAX_RATE = 240
"""Frames a second, of a phone's slow motion. More would be packets without end in a small file."""
MAX_PIXELS = 4096 * 2304
"""Of a frame, as a phone's 4K has them; larger ones are not decoded."""
JOINED_AHEAD, AHEAD = 10, 30 * 3600
"""Seconds that a clock may jump ahead, beyond which it has been set anew: that of MPEG-TS, whose parts are joined as
they are, and that of other formats, in which a gap is meant. FFmpeg's `dts_delta_threshold` and `dts_error_threshold`.
"""
ROUNDING = 0.002
"""Seconds by which a frame may come too early: WebM's times are whole milliseconds."""
CONTAINERS = "mov,matroska,avi,mpegts"
DECODERS = ("h264", "hevc", "vp8", "vp9", "libdav1d", "mpeg4", "h263", "mpeg2video", "mjpeg")
"""What is opened. FFmpeg knows hundreds more, among them playlists, which open other files and addresses."""
LIMITS = {"max_pixels": str(MAX_PIXELS), "codec_whitelist": ",".join(DECODERS)}


@dataclass(frozen=True)
class Clip:
    """A clip that was looked through: where it lies, what its owner calls it, and its length in seconds."""

    path: Path
    name: str
    seconds: float


class Frame(NamedTuple):
    """A frame of a clip.

    seconds: from the clip's first frame.
    image: PIL image of mode RGB, upright, in square pixels, no side above `SIDE`; of one size, with even sides, in all
        of a clip.
    size: width and height in pixels at which players show the clip: upright, and in square pixels, of which there are
        as many more along one side as those of the clip are wide or high.
    """

    seconds: float
    image: Image.Image
    size: tuple


def open_clip(path, name=None, longest=math.inf):
    """Looks a clip through from end to end, without decoding it.

    Args:
        path: of an MP4, MOV, WebM, MKV, AVI or MPEG-TS file.
        name: what to call the clip in an error; by default the path.
        longest: seconds that it may last; by default it is not limited.

    Raises:
        UserError: if it is missing, empty, no clip, without pictures, incomplete, longer than `longest`, if it has more
            frames than `MAX_RATE` gives in that time, or frames of more than `MAX_PIXELS`.
    """
    path, name = Path(path), name or str(path)
    if not path.is_file():
        raise UserError(f"{name}: no such file.")
    if path.stat().st_size == 0:
        raise UserError(f"{name}: the file is empty.")
    try:
        container = _open(path)
    except av.FFmpegError:
        raise UserError(
            f"{name}: not a clip that can be read here, or not all of one; send MP4, MOV, WebM, MKV, AVI or MPEG-TS."
        ) from None
    with container, _one_sentence(name):
        stream = _pictures(container, name)
        known = container.duration / av.time_base if container.duration else 0
        if stream.duration:
            known = float(stream.duration * stream.time_base)
        seconds, there = _length(container, stream, name, longest)
    if seconds > longest + SPARE_SECONDS:
        raise UserError(f"{name}: clips may last at most {longest:g} s. Received: {seconds:.1f} s")
    if there < known - max(1, known / 10):
        raise UserError(f"{name}: the clip is incomplete; {there:.1f} of its {known:.1f} s are there.")
    return Clip(path, name, max(seconds, MIN_EVERY))


def read_frames(clip, every):
    """Decodes a clip and yields a `Frame` every so many seconds: the first at 0, then the first one due each time, with
    its own time. A gap of the clip is a gap here too; where its clock is set anew, as in joined clips, time goes on.

    Args:
        clip: of `open_clip`.
        every: seconds, from `MIN_EVERY` to `MAX_EVERY`.

    Raises:
        UserError: for another `every`, or where the clip is damaged.
    """
    check_every(every)
    start, size, due = None, None, 0.0
    with _one_sentence(clip.name), _open(clip.path) as container:
        stream = _pictures(container, clip.name)
        stream.codec_context.options = LIMITS
        stream.thread_type = "AUTO"
        for frame in (frame for packet, _ in _packets(container, stream) for frame in packet.decode()):
            if frame.time is None:
                continue
            if start is None:
                start, shape = frame.time, (display_matrix(frame), stream.sample_aspect_ratio or 1)
            seconds = frame.time - start
            if seconds < due - ROUNDING:
                continue
            due = every * (int((seconds + ROUNDING) / every) + 1)
            image, whole = to_upright(frame, *shape)
            # A phone that is turned while it records may change the size; boxes and the video need one.
            size = size or (image.size, whole)
            yield Frame(round(seconds, 3), ImageOps.pad(image, size[0]), size[1])
    if start is None:
        raise UserError(f"{clip.name}: there is no picture in it.")


@contextmanager
def write_video(path, every):
    """Writes a video that browsers play, H.264 in MP4, without sound.

    Args:
        path: of the file, which ends in `.mp4`; it is written at the end of the block.
        every: seconds that a frame is shown.

    Yields:
        A function `add(seconds, image)`: the next frame's time, and a PIL image of mode RGB, the same even size each.

    Raises:
        UserError: for another `every` or name.
        OutputError: at the end of the block, if the file cannot be written, such as on a full disk.
    """
    check_every(every)
    check_suffix("An annotated clip", path, ".mp4")
    rate, failures = 1 / Fraction(str(every)), []
    with written_whole(path) as file:
        container = av.open(f"file:{file}", "w", format="mp4", options={"movflags": "faststart"})
        # The matrix by which colours are stored is said, or browsers guess it by the height.
        options = {"preset": "veryfast", "colorspace": "smpte170m"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)

        def add(seconds, image):
            if not stream.codec_context.is_open:
                stream.width, stream.height = image.size
            frame = av.VideoFrame.from_image(image)
            frame.pts, frame.time_base = round(1000 * seconds), Fraction(1, 1000)
            write(frame)

        def write(frame):
            # Who reads a clip and writes it goes on reading.
            if not failures:
                with _kept(failures):
                    container.mux(stream.encode(frame))

        try:
            yield add
            write(None)
        finally:
            with _kept(failures):
                container.close()
        if failures:
            raise OSError(failures[0].errno, failures[0].strerror)


@contextmanager
def _kept(failures):
    try:
        yield
    except av.FFmpegError as error:
        failures.append(error)


def _open(path):
    # With its protocol named, no name of a file can name another. Titles and the like may be in any encoding.
    formats = {"format_whitelist": CONTAINERS}
    return av.open(f"file:{path}", options=LIMITS, container_options=formats, metadata_errors="replace")


@contextmanager
def _one_sentence(name):
    try:
        yield
    except av.FFmpegError as error:
        raise UserError(f"{name}: the clip is damaged or incomplete ({error.strerror}).") from None


def _pictures(container, name):
    """The stream of pictures that is read: the first that is no cover of a song."""
    for stream in container.streams.video:
        if Disposition.attached_pic not in stream.disposition:
            break
    else:
        raise UserError(f"{name}: there are no moving pictures in it.")
    codec = stream.codec_context
    if codec is None or codec.name not in DECODERS:
        received = codec.name if codec else "unknown"
        raise UserError(f"{name}: clips must be H.264, HEVC, VP8, VP9, AV1 or MPEG-4. Received: {received}")
    if codec.width * codec.height > MAX_PIXELS:
        raise UserError(f"{name}: frames may have at most 4096x2304 pixels. Received: {codec.width}x{codec.height}")
    return stream


def _packets(container, stream):
    """Yields the packets of a stream, each with what was added to its time: their times go on wherever the clock is set
    anew. It is where a packet is decoded before the one before it, or shown long after all of them."""
    joined = av.format.Flags.ts_discont in av.format.Flags(container.format.flags)
    ahead = int((JOINED_AHEAD if joined else AHEAD) / stream.time_base)
    decoded = end = None
    before = added = shift = 0
    for packet in container.demux(stream):
        # One of the two may be unknown.
        times = [time for time in (packet.dts, packet.pts) if time is not None]
        if times:
            shown = times[-1]
            end = shown if end is None else end
            decoded = times[0] if decoded is None else decoded
            # Matroska's times of decoding are guesses, which at variable rates are off by as much as frames are apart;
            # but a part that is joined begins with a key frame.
            stepped_back = times[0] < decoded and (joined or packet.is_keyframe)
            if stepped_back or shown + added > end + ahead:
                before, added, decoded = added, end - shown, times[0]
            # A few frames that are shown before a jump ahead are decoded after it.
            shift = before if shown + added < end - ahead else added
            packet.pts, packet.dts = shown + shift, None
            end, decoded = max(end, packet.pts + (packet.duration or 0)), max(decoded, times[0])
        yield packet, shift


def _length(container, stream, name, longest):
    """Seconds from the start of a stream's first frame to the end of its last, without decoding them; and up to where,
    by the clip's own clock."""
    first, last, there, most = None, 0, 0, MAX_RATE * (longest + SPARE_SECONDS)
    for count, (packet, added) in enumerate(_packets(container, stream)):
        if packet.pts is None:
            continue
        if count > most:
            raise UserError(f"{name}: clips may have at most {most} frames.")
        end = packet.pts + (packet.duration or 0)
        first = packet.pts if first is None else min(first, packet.pts)
        last, there = max(last, end), max(there, end - added)
    if first is None:
        return 0.0, 0.0
    return float((last - first) * stream.time_base), float((there - min(first, 0)) * stream.time_base)
