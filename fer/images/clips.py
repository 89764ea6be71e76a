"""Read clips one frame at a time, within limits. Only the video stream is opened, never the sound."""

import heapq
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import av
from av.stream import Disposition
from PIL import Image, ImageOps

from fer.errors import UserError
from fer.images.clip_pictures import display_matrix, to_upright
from fer.images.clip_times import read_packets
from fer.images.sampling import MIN_EVERY, check_every

SPARE_SECONDS = 1
"""Seconds by which a clip may exceed the allowed length: a recording of one minute is often a little longer."""
MAX_RATE = 240
"""Largest number of frames per second, that of slow motion on phones. It bounds the packets in a small file."""
LARGEST = (4096, 2304)
"""Width and height of the largest frames, 4K as phones record it: frames with more pixels are not decoded."""
ROUNDING = 0.002
"""Seconds by which a frame may be early, since WebM rounds times to milliseconds."""
CONTAINERS = "mov,matroska,avi,mpegts"
"""Container formats that are opened. FFmpeg knows more, such as playlists, which open other files and addresses."""
DECODERS = ("h264", "hevc", "vp8", "vp9", "libdav1d", "mpeg4", "h263", "mpeg2video", "mjpeg")
"""Video decoders that are used. FFmpeg has hundreds more."""
MAX_DAMAGED = 0.1
"""Largest share of a clip's packets that may be damaged."""
LIMITS = {"max_pixels": str(math.prod(LARGEST)), "codec_whitelist": ",".join(DECODERS)}
"""Options of FFmpeg's decoders."""


@dataclass(frozen=True)
class Clip:
    """A clip that `open_clip` has checked.

    path: path of the file.
    name: name of the clip in errors.
    seconds: length of the clip.
    packets: number of packets of the video stream, from the first key frame on.
    leading: number of packets before the first key frame, which cannot be decoded: the clip was cut between key frames.
    """

    path: Path
    name: str
    seconds: float
    packets: int = 0
    leading: int = 0


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
    if not path.exists():
        raise UserError(f"{name}: no such file.")
    if not path.is_file():
        raise UserError(f"{name}: a clip must be a file. Received: a {'folder' if path.is_dir() else 'pipe or device'}")
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
        measured = _measure(container, stream, name, longest)
    seconds, there = measured.seconds, measured.end
    if seconds > longest + SPARE_SECONDS:
        raise UserError(f"{name}: clips may last at most {longest:g} s. Received: {seconds:.1f} s")
    if there < _shortest(known) and known_of_all:
        there = max(there, _end_of_all(path, name))
    if there < _shortest(known):
        raise UserError(f"{name}: the clip is incomplete; {there:.1f} of its {known:.1f} s are there.")
    return Clip(path, name, max(seconds, MIN_EVERY), measured.packets, measured.leading)


def _shortest(seconds):
    """Return the length in seconds below which a clip that should have so many seconds is incomplete."""
    return seconds - max(1, seconds / 10)


def _end_of_all(path, name):
    """Return the end of the last packet of all streams of a clip, in seconds; `name` is its name in an error."""
    with _one_sentence(name), _open(path) as container:
        packets = (packet for packet in container.demux() if packet.pts is not None and not packet.is_discard)
        return max((float((packet.pts + (packet.duration or 0)) * packet.time_base) for packet in packets), default=0)


def read_frames(
    clip: Clip, every: float, rate: float = math.inf, on_damaged: Callable[[], object] = lambda: None
) -> Iterator[Frame]:
    """Decode a clip, and yield a `Frame` every so many seconds.

    The first frame has the time 0. After it, each frame is the first one at or after the next multiple of `every`, with
    its own time. A gap in the clip remains a gap. Where the clip's times restart, as in concatenated clips, the times
    of the frames continue. Damaged packets are skipped, unless they are more than `MAX_DAMAGED` of all.

    Args:
        clip: result of `open_clip`.
        every: seconds between frames, from `MIN_EVERY` to `MAX_EVERY`.
        rate: largest number of frames per second of the clip. It bounds the work between two frames, after which a run
            of the app can be cancelled.
        on_damaged: function that is called for each damaged packet.

    Raises:
        UserError: if `every` is out of range, or the clip is damaged or has too many frames per second.
    """
    check_every(every)
    start, size, due, decoded = None, None, 0.0, 0
    with _one_sentence(clip.name), _open(clip.path) as container:
        stream = _find_video_stream(container, clip.name)
        stream.codec_context.options = LIMITS
        stream.thread_type = "AUTO"
        for time, frame in _decode(container, stream, clip, on_damaged):
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


def _decode(container, stream, clip, on_damaged):
    """Yield the time in seconds of each decoded frame, None if it is unknown, and the frame.

    AVI has decoding times only. Where frames are decoded in another order than they are shown, in H.264 and HEVC, these
    times belong to the frames in the order in which they leave the decoder.

    Raises:
        av.InvalidDataError: if more than `MAX_DAMAGED` of the packets are damaged.
    """
    sort = container.format.name == "avi" and stream.codec_context.name in ("h264", "hevc")
    times, damaged = [], 0
    for packet, _ in islice(read_packets(container, stream), clip.leading, None):
        if sort and packet.pts is not None:
            heapq.heappush(times, float(packet.pts * stream.time_base))
        try:
            frames = packet.decode()
        except av.InvalidDataError:  # Of this packet, or of an earlier one that another thread decodes.
            damaged += 1
            if damaged > MAX_DAMAGED * clip.packets:
                raise
            on_damaged()
            if times:
                heapq.heappop(times)  # That of the frame that is missing.
            continue
        for frame in frames:
            yield heapq.heappop(times) if times else frame.time, frame


class _Measured(NamedTuple):
    """Length of a video stream in seconds, end of its last frame by the clip's own times, and the counts of `Clip`."""

    seconds: float
    end: float
    packets: int
    leading: int


def _measure(container, stream, name, longest):
    """Return what `_Measured` has of a stream. Nothing is decoded.

    If no packet is a key frame, the clip begins with the first packet.
    """
    first, last, there, most = None, 0, 0, MAX_RATE * (longest + SPARE_SECONDS)
    packets, leading, began = 0, 0, False
    for count, (packet, added) in enumerate(read_packets(container, stream)):
        if count > most:
            raise UserError(f"{name}: clips may have at most {most} frames.")
        packets += packet.size > 0  # The last one, which makes the decoder return its last frames, is empty.
        if packet.is_keyframe and not began:
            began, first, leading = True, None, count
        # Frames before the beginning of a trimmed clip are decoded for those after it, but not shown.
        if packet.pts is None or packet.is_discard:
            continue
        end = packet.pts + (packet.duration or 0)
        # Frames that are shown before the first key frame and follow it in the file cannot be decoded in a cut clip.
        first = packet.pts if first is None else first if leading else min(first, packet.pts)
        last, there = max(last, end), max(there, end - added)
    if first is None:
        return _Measured(0.0, 0.0, packets, leading)
    seconds, end = (last - first) * stream.time_base, (there - min(first, 0)) * stream.time_base
    return _Measured(float(seconds), float(end), packets - leading, leading)
