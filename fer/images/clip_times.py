"""The times of a clip's packets, which continue where the clip's own times restart."""

from collections.abc import Iterator

import av
from av.container import InputContainer
from av.video.stream import VideoStream

JOINED_AHEAD, AHEAD = 10, 30 * 3600
"""Seconds by which times may jump ahead before they count as restarted: in MPEG-TS, whose files can be concatenated
without new times, and in other formats, in which a jump is an intended gap. They are FFmpeg's `dts_delta_threshold` and
`dts_error_threshold`."""


def read_packets(container: InputContainer, stream: VideoStream) -> Iterator[tuple[av.Packet, int]]:
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
