"""Decode uploaded pictures in separate processes with limits of time and memory.

A picture that exceeds a limit or crashes its decoder ends that process only: the sender gets an error of one sentence,
and the next picture a new process. The pipe carries the file's bytes to the process, and JSON and pixels back; nothing
that comes through it is executed.

    python -m fer.images.decoding FILE_DESCRIPTOR SECONDS MEMORY

is such a process. It ends when the program that started it ends, even if that was killed.
"""

import ctypes
import json
import math
import os
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import ExitStack, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import BinaryIO

from PIL import AvifImagePlugin, Image

from fer.errors import ImageError
from fer.images.formats import HEAD_BYTES, find_formats
from fer.images.jpeg import outline_jpeg
from fer.images.loading import decode, note_of, read_file, set_note
from fer.paths import StrPath
from fer.resources import PACKAGE

SECONDS = 5
"""Time limit for decoding a picture, in seconds."""
MEMORY = 640_000_000
"""Largest address space of a process in bytes: enough for 50 megapixels in every format except WebP, whose decoder
takes 18 bytes per pixel, AVIF that is transparent or turned, and grey PNG with transparency. An idle process uses
130 MB of it, and 35 MB of memory."""
LIGHT_PIXELS = 25_000_000
"""Largest number of pixels of a JPEG that is decoded without a separate process; most cameras' pictures have fewer."""
LIGHT_TABLES = 65_536
"""Largest number of bytes of the tables of such a JPEG, which usually take one or two kilobytes."""
HUFFMAN_FRAMES = (0xC0, 0xC1, 0xC2)
"""Kinds of the frames of ordinary JPEGs: baseline, extended and progressive. Arithmetic coding takes more work."""
LARGE_PIXELS = 16_000_000
"""Number of pixels above which a picture is large. Each pixel takes four bytes of memory, both here and in the process
that decodes the picture, so only one large picture is decoded and answered at a time."""
LARGE_SECONDS = 20
"""Longest time in seconds that a large picture waits for the one before it."""
KEPT_BYTES = 8_000_000
"""Size in bytes above which the C library returns a freed block of memory to the system."""
STRIP_BYTES = 1 << 16
"""Number of bytes of pixels that are sent at once, which fit into the processor's cache."""
STARTING_SECONDS = 30
"""Time limit for the start of a process, in seconds."""
ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "LANG", "TMPDIR")
"""Environment variables that are passed to a process. The others may contain the program's tokens."""
LOW_MEMORY = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(KEPT_BYTES)}
"""Environment variables that keep NumPy and the C library from reserving address space for each core, and from keeping
freed memory."""
M_MMAP_THRESHOLD = -3
"""Number of a setting of glibc (`malloc.h`)."""
AVIF_THREADS = 2
"""Number of threads that decode an AVIF. The stack of each counts towards `MEMORY`."""


class DecodingPool:
    """Processes that decode pictures. They are started when first needed; the pool may be used by many threads.

    Args:
        workers: largest number of processes, and so of pictures that are decoded at once; other threads wait.
        seconds: time limit for decoding a picture.
        memory: largest address space of a process in bytes.
    """

    def __init__(self, workers: int = 2, seconds: float = SECONDS, memory: int = MEMORY):
        self._limits = seconds, memory
        self._places = threading.Semaphore(workers)
        self._lock = threading.Lock()
        self._idle = []
        self._large = _OneAtATime()
        self._closed = False

    def load_image(
        self, source: StrPath | BinaryIO, name: str | None = None, most_bytes: float = math.inf
    ) -> Image.Image:
        """Decode a picture, with the arguments, return value and errors of `fer.images.loading.load_image`.

        An ordinary JPEG is decoded in this process, because `fer.images.loading.decode` bounds its work beforehand and
        its pixels then need not be sent. A picture of more than `LARGE_PIXELS` waits until no other thread holds one.

        Raises:
            ImageError: also if decoding exceeds its time or memory, or crashes the decoder.
        """
        name = name or str(source)
        content, turn = read_file(source, name, most_bytes), ExitStack()

        def before(pixels):
            if pixels > LARGE_PIXELS:
                turn.enter_context(self._large)

        try:
            image = (decode if _is_light(content) else self._decode)(content, name, before)
        except BaseException:
            turn.close()
            raise
        weakref.finalize(image, turn.close)
        return image

    def _decode(self, content, name, before):
        """Decode a picture in one of the processes, as `fer.images.loading.decode` does."""
        with self._places:
            worker = self._take() or _Worker(*self._limits)
            try:
                answer = worker.decode(content, name, before)
            except (EOFError, OSError):
                raise ImageError(f"{name}: {worker.end()}") from None
            except BaseException:
                worker.end()  # The rest of this answer would be read as the answer for the next picture.
                raise
            self._give_back(worker)
        if isinstance(answer, str):
            raise ImageError(answer)
        return answer

    def warm_up(self) -> None:
        """Start a process, so that the first picture does not have to wait for it."""
        with self._places:
            self._give_back(self._take() or _Worker(*self._limits))

    def close(self) -> None:
        """End all processes."""
        self._closed = True
        while worker := self._take():
            worker.end()

    def _take(self):
        """Return an idle process, or None. Processes that were ended from outside are removed."""
        while True:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            if worker is None or worker.is_alive():
                return worker
            worker.end()

    def _give_back(self, worker):
        with self._lock:
            self._idle.append(worker)
        if self._closed:
            self.close()


class _OneAtATime:
    """A reentrant lock whose `with` block is entered after `LARGE_SECONDS` even if another thread holds the lock."""

    def __init__(self):
        self._free, self._threads = threading.Condition(), []

    def __enter__(self):
        me = threading.get_ident()
        with self._free:
            self._free.wait_for(lambda: all(thread == me for thread in self._threads), LARGE_SECONDS)
            self._threads.append(me)

    def __exit__(self, *_):
        with self._free:
            self._threads.pop()
            self._free.notify_all()


class _Worker:
    """A decoding process, seen from the program that started it. The arguments are those of `DecodingPool`."""

    def __init__(self, seconds, memory):
        self._seconds = seconds
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fer.images.decoding", str(theirs.fileno()), str(seconds), str(memory)],
                cwd=PACKAGE.parent,
                env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | LOW_MEMORY,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def is_alive(self):
        return self._process.poll() is None

    def decode(self, content, name, before):
        """Return the decoded picture, or an error message. The arguments are those of `fer.images.loading.decode`.

        Raises:
            EOFError, OSError: if the process has ended.
        """
        self._connection.send_bytes(json.dumps(name).encode())
        self._connection.send_bytes(content)
        answer = self._receive()
        if isinstance(answer, int):
            before(answer)
            self._connection.send_bytes(b"go on")
            answer = self._receive()
        if isinstance(answer, str):
            return answer
        width, height, note = answer
        image, top = Image.new("RGB", (width, height), None), 0
        while top < height:
            strip = self._connection.recv_bytes()
            rows = len(strip) // (3 * width)
            image.paste(Image.frombytes("RGB", (width, rows), strip), (0, top))
            top += rows
        return set_note(image, note)

    def _receive(self):
        if not self._connection.poll(STARTING_SECONDS + self._seconds):
            raise EOFError
        return json.loads(self._connection.recv_bytes())

    def end(self):
        """End the process, and return the reason why it had to end, as the end of a sentence."""
        self._connection.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        self._process.kill()
        if self._process.wait() == -signal.SIGALRM:
            return f"pictures may take at most {self._seconds:g} seconds to decode."
        return "the picture is damaged in a way that breaks its decoder."


def _is_light(content):
    """Return whether a file is a JPEG that takes no more work than an ordinary photo: one frame of a usual kind."""
    if "JPEG" not in find_formats(content[:HEAD_BYTES]):
        return False
    outline = outline_jpeg(content)
    usual = len(outline.frames) == 1 and outline.frames[0] in HUFFMAN_FRAMES
    return usual and outline.tables <= LIGHT_TABLES and 0 < outline.pixels <= LIGHT_PIXELS


def _serve(connection, seconds, memory):
    """Decode the pictures that come through a connection, until it is closed."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # On Ctrl+C the program closes the pipe, which ends this process.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # Decoders' messages about uploaded files are kept out of the log.
    AvifImagePlugin.DEFAULT_MAX_THREADS = AVIF_THREADS
    _limit(memory)

    def before(pixels):
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        connection.send_bytes(json.dumps(pixels).encode())
        connection.recv_bytes()
        signal.setitimer(signal.ITIMER_REAL, left)

    while True:
        try:
            name, content = json.loads(connection.recv_bytes()), connection.recv_bytes()
        except EOFError:
            return
        # The signal of this timer is not handled, so the system ends this process, whatever it is doing.
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            image = decode(content, name, before)
        except ImageError as error:
            image = None
            answer = str(error)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if image is None:
            connection.send_bytes(json.dumps(answer).encode())
            continue
        connection.send_bytes(json.dumps([*image.size, note_of(image)]).encode())
        rows = max(1, STRIP_BYTES // (3 * image.width))
        for top in range(0, image.height, rows):
            strip = image.crop((0, top, image.width, min(top + rows, image.height)))
            connection.send_bytes(strip.tobytes())
        del image, content


def give_memory_back() -> None:
    """Make the C library return large freed blocks of memory to the system instead of keeping them.

    Without it, the app kept 900 MB after a few pictures of 50 megapixels. It does nothing where the C library has no
    such setting.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)


def _limit(memory):
    """Limit the memory of this process where the system can, and disable core dumps, which would contain pictures."""
    import resource

    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    with suppress(BrokenPipeError, ConnectionResetError):
        _serve(Connection(int(sys.argv[1])), float(sys.argv[2]), int(sys.argv[3]))
