"""Read clips one frame at a time, within limits. Only the video stream is opened, never the sound."""

import heapq
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
from av.stream import Disposition
from PIL import Image, ImageOps

from fer.errors import UserError
from fer.images.clip_pictures import display_matrix, to_upright
from fer.images.sampling import MIN_EVERY, check_every

SPARE_SECONDS = 1
"""Seconds by which a clip may exceed the allowed length: a recording of one minute is often a little longer."""
MAX_RATE = 240
"""Largest number of frames per second, that of slow motion on phones. It bounds the packets in a small file."""
LARGEST = (4096, 2304)
"""Width and height of the largest frames, 4K as phones record it: frames with more pixels are not decoded."""
JOINED_AHEAD, AHEAD = 10, 30 * 3600
"""Seconds by which times may jump ahead before they count as restarted: in MPEG-TS, whose files can be concatenated
without new times, and in other formats, in which a jump is an intended gap. They are FFmpeg's `dts_delta_threshold` and
`dts_error_threshold`."""
ROUNDING = 0.002
"""Seconds by which a frame may be early, since WebM rounds times to milliseconds."""
CONTAINERS = "mov,matroska,avi,mpegts"
"""Container formats that are opened. FFmpeg knows more, such as playlists, which open other files and addresses."""
DECODERS = ("h264", "hevc", "vp8", "vp9", "libdav1d", "mpeg4", "h263", "mpeg2video", "mjpeg")
"""Video decoders that are used. FFmpeg has hundreds more."""
LIMITS = {"max_pixels": str(math.prod(LARGEST)), "codec_whitelist": ",".join(DECODERS)}
"""Options of FFmpeg's decoders."""


@dataclass(frozen=True)
class Clip:
    """A clip that `open_clip` has checked.

    path: path of the file.
    name: name of the clip in errors.
    seconds: length of the clip.
    """

    path: Path
    name: str
    seconds: float


class Frame(NamedTuple):
    """A frame of a clip.

    seconds: time since the clip's first frame.
    image: PIL image of mode RGB, upright, in square pixels, with no side above
        `fer.images.clip_pictures.SIDE`. All frames of a clip have the same size, with even sides.
    size: width and height in square pixels at which players show the clip.
    """

    seconds: float
    image: Image.Image
    size: tuple[int, int]


def open_clip(path: str | Path, name: str | None = None, longest: float = math.inf) -> Clip:
    """Check a clip from beginning to end, without decoding it.

    Args:
        path: path of an MP4, MOV, WebM, MKV, AVI or MPEG-TS file.
        name: name of the clip in an error; by default the path.
        longest: longest allowed length in seconds; by default any.

    Raises:
        UserError: if the file is missing, empty, no clip, without video, incomplete or longer than `longest`, has more
            frames than `MAX_RATE` allows for `longest`, or has frames of more than `MAX_PIXELS`.
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
        stream = _find_video_stream(container, name)
        known = container.duration / av.time_base if container.duration else 0
        known_of_all = not stream.duration  # Then `known` is the length of the longest stream.
        if not known_of_all:
            known = float(stream.duration * stream.time_base)
        seconds, there = _length(container, stream, name, longest)
    if seconds > longest + SPARE_SECONDS:
        raise UserError(f"{name}: clips may last at most {longest:g} s. Received: {seconds:.1f} s")
    if there < _shortest(known) and known_of_all:
        there = max(there, _end_of_all(path, name))
    if there < _shortest(known):
        raise UserError(f"{name}: the clip is incomplete; {there:.1f} of its {known:.1f} s are there.")
    return Clip(path, name, max(seconds, MIN_EVERY))


def _shortest(seconds):
    """Return the length in seconds below which a clip that should have so many seconds is incomplete."""
    return seconds - max(1, seconds / 10)


def _end_of_all(path, name):
    """Return the end of the last packet of all streams of a clip, in seconds; `name` is its name in an error."""
    with _one_sentence(name), _open(path) as container:
        packets = (packet for packet in container.demux() if packet.pts is not None and not packet.is_discard)
        return max((float((packet.pts + (packet.duration or 0)) * packet.time_base) for packet in packets), default=0)


def read_frames(clip: Clip, every: float, rate: float = math.inf) -> Iterator[Frame]:
    """Decode a clip, and yield a `Frame` every so many seconds.

    The first frame has the time 0. After it, each frame is the first one at or after the next multiple of `every`, with
    its own time. A gap in the clip remains a gap. Where the clip's times restart, as in concatenated clips, the times
    of the frames continue.

    Args:
        clip: result of `open_clip`.
        every: seconds between frames, from `MIN_EVERY` to `MAX_EVERY`.
        rate: largest number of frames per second of the clip. It bounds the work between two frames, after which a run
            of the app can be cancelled.

    Raises:
        UserError: if `every` is out of range, or the clip is damaged or has too many frames per second.
    """
    check_every(every)
    start, size, due, decoded = None, None, 0.0, 0
    with _one_sentence(clip.name), _open(clip.path) as container:
        stream = _find_video_stream(container, clip.name)
        stream.codec_context.options = LIMITS
        stream.thread_type = "AUTO"
        for time, frame in _decode(container, stream):
            decoded += 1
            if decoded > rate * (every + SPARE_SECONDS):
                raise UserError(f"{clip.name}: clips may have at most {rate:g} frames per second.")
            if time is None:
                continue
            if start is None:
                start, shape = time, (display_matrix(frame), stream.sample_aspect_ratio or 1)
            seconds = time - start
            if seconds < due - ROUNDING:
                continue
            decoded, due = 0, every * (int((seconds + ROUNDING) / every) + 1)
            image, whole = to_upright(frame, *shape)
            # A clip may change its size, such as when a phone is turned; boxes and the annotated clip need one size.
            size = size or (image.size, whole)
            yield Frame(round(seconds, 3), _fit(image, size[0]), size[1])
    if start is None:
        raise UserError(f"{clip.name}: there is no picture in it.")


def _fit(image, size):
    """Return a picture at a size, with black borders; one so narrow that nothing of it would be left is stretched."""
    scale = min(size[0] / image.width, size[1] / image.height)
    return image.resize(size) if scale * min(image.size) < 1 else ImageOps.pad(image, size)


def _open(path):
    # The prefix `file:` keeps a path such as `http:x` from being taken for an address. Metadata may have any encoding.
    formats = {"format_whitelist": CONTAINERS}
    return av.open(f"file:{path}", options=LIMITS, container_options=formats, metadata_errors="replace")


@contextmanager
def _one_sentence(name):
    try:
        yield
    except av.FFmpegError as error:
        raise UserError(f"{name}: the clip is damaged or incomplete ({error.strerror}).") from None
    except OverflowError as error:  # Of times beyond 64 bits.
        raise UserError(f"{name}: the clip is damaged or incomplete ({error}).") from None


def _find_video_stream(container, name):
    """Return the first video stream that is not a cover picture.

    Raises:
        UserError: if there is none, or it cannot be decoded within the limits.
    """
    for stream in container.streams.video:
        if Disposition.attached_pic not in stream.disposition:
            break
    else:
        raise UserError(f"{name}: there are no moving pictures in it.")
    codec = stream.codec_context
    if codec is None or codec.name not in DECODERS:
        received = codec.name if codec else "unknown"
        raise UserError(f"{name}: clips must be H.264, HEVC, VP8, VP9, AV1 or MPEG-4. Received: {received}")
    if codec.width * codec.height > math.prod(LARGEST):
        most = "x".join(map(str, LARGEST))
        raise UserError(f"{name}: frames may have at most {most} pixels. Received: {codec.width}x{codec.height}")
    return stream


def _decode(container, stream):
    """Yield the time in seconds of each decoded frame, None if it is unknown, and the frame.

    AVI has decoding times only. Where frames are decoded in another order than they are shown, in H.264 and HEVC, these
    times belong to the frames in the order in which they leave the decoder.
    """
    sort = container.format.name == "avi" and stream.codec_context.name in ("h264", "hevc")
    times = []
    for packet, _ in _packets(container, stream):
        if sort and packet.pts is not None:
            heapq.heappush(times, float(packet.pts * stream.time_base))
        for frame in packet.decode():
            yield heapq.heappop(times) if times else frame.time, frame


def _packets(container, stream):
    """Yield the packets of a stream, with times that continue where the clip's own times restart.

    Times have restarted where a packet is decoded before its predecessor, or is shown long after all others.

    Yields:
        A packet, and the offset that was added to its time, in units of the stream's time base.
    """
    joined = av.format.Flags.ts_discont in av.format.Flags(container.format.flags)
    ahead = int((JOINED_AHEAD if joined else AHEAD) / stream.time_base)
    decoded = end = None
    before = added = shift = 0
    for packet in container.demux(stream):
        # Either time may be unknown.
        times = [time for time in (packet.dts, packet.pts) if time is not None]
        if times:
            shown = times[-1]
            end = shown if end is None else end
            decoded = times[0] if decoded is None else decoded
            # Matroska's decoding times are guesses. At variable frame rates they may be off by a frame; but a
            # concatenated part begins with a key frame.
            stepped_back = times[0] < decoded and (joined or packet.is_keyframe)
            if stepped_back or shown + added > end + ahead:
                before, added, decoded = added, end - shown, times[0]
            # A few frames that are shown before a jump are decoded after it.
            shift = before if shown + added < end - ahead else added
            packet.pts, packet.dts = shown + shift, None
            end, decoded = max(end, packet.pts + (packet.duration or 0)), max(decoded, times[0])
        yield packet, shift


def _length(container, stream, name, longest):
    """Return the length of a stream in seconds, and the end of its last frame in seconds by the clip's own times.

    Nothing is decoded.
    """
    first, last, there, most = None, 0, 0, MAX_RATE * (longest + SPARE_SECONDS)
    for count, (packet, added) in enumerate(_packets(container, stream)):
        if count > most:
            raise UserError(f"{name}: clips may have at most {most} frames.")
        # Frames before the beginning of a trimmed clip are decoded for those after it, but not shown.
        if packet.pts is None or packet.is_discard:
            continue
        end = packet.pts + (packet.duration or 0)
        first = packet.pts if first is None else min(first, packet.pts)
        last, there = max(last, end), max(there, end - added)
    if first is None:
        return 0.0, 0.0
    return float((last - first) * stream.time_base), float((there - min(first, 0)) * stream.time_base)
