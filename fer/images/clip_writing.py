"""Write clips one frame at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image

from fer.images.sampling import check_every
from fer.outputs import check_suffix, written_whole


@contextmanager
def write_video(path: str | Path, every: float) -> Iterator[Callable[[float, Image.Image], None]]:
    """Write a video that browsers play: H.264 in MP4, without sound.

    Args:
        path: path of the file, which must end in `.mp4`. The file appears at the end of the block.
        every: seconds for which a frame is shown, from `MIN_EVERY` to `MAX_EVERY`.

    Yields:
        A function `add(seconds, image)` that takes the next frame's time, and a PIL image of mode RGB. All images have
        the same size, with even sides.

    Raises:
        UserError: if `every` is out of range, or the path has another suffix.
        OutputError: at the end of the block, if the file cannot be written, such as on a full disk.
    """
    check_every(every)
    check_suffix("An annotated clip", path, ".mp4")
    # The numbers of a rate have 32 bits.
    rate, failures = 1 / Fraction(every).limit_denominator(1000), []
    with written_whole(path) as file:
        container = av.open(f"file:{file}", "w", format="mp4", options={"movflags": "faststart"})
        # The file names its colour matrix; without it, browsers guess the matrix from the height.
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
            # After a failure the frames are dropped, so that the caller can read its clip to the end.
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
