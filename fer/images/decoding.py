"""Decode what strangers send in processes of their own, with limits of time and memory.

A picture that takes longer, takes more memory or breaks its decoder costs the process that decodes it, and its sender
one sentence; the next picture gets a new process. What goes through the pipe is the file's bytes one way, and JSON and
pixels the other: nothing of it is executed.

    python -m fer.images.decoding FILE_DESCRIPTOR SECONDS MEMORY

is such a process. It ends with the program that started it, however that ends.
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
from pathlib import Path

from PIL import AvifImagePlugin, Image

from fer.images.bounds import ImageError, outline_jpeg
from fer.images.formats import HEAD_BYTES, find_formats
from fer.images.loading import decode, note_of, read_file, set_note

SECONDS = 5
"""Seconds that a picture may take to decode."""
MEMORY = 640_000_000
"""Bytes of address space that a process may have: enough for 50 megapixels of every format but WebP, whose decoder
takes 18 bytes a pixel, and AVIF with transparency. At rest it has 130 MB, of which 35 MB are in memory."""
LIGHT_PIXELS = 25_000_000
"""Pixels of a JPEG that is decoded at once: those of most cameras."""
LARGE_PIXELS = 16_000_000
"""Pixels above which a picture is large: in memory it has four bytes for each, here and in the process that decodes it.
Only one is decoded and read at a time."""
LARGE_SECONDS = 20
"""Seconds that a large picture waits at most for the one before it."""
KEPT_BYTES = 8_000_000
"""Bytes of a part of memory above which the C library gives it back to the system once it is free."""
STRIP_BYTES = 1 << 16
"""Bytes of pixels that are sent together, which stay in the processor's cache on their way."""
STARTING_SECONDS = 30
"""Seconds that a process may take to start."""
ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "LANG", "TMPDIR")
"""Variables that a process gets. The program's others have its tokens among them."""
LEAN = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(KEPT_BYTES)}
"""Variables that keep NumPy and the C library from reserving memory for each core, which would count, and from keeping
what is free."""
M_MMAP_THRESHOLD = -3
"""Number of a setting of glibc (`malloc.h`)."""
AVIF_THREADS = 2
"""Threads that decode an AVIF, each with a stack that counts, too."""


class DecodingPool:
    """Processes that decode pictures, started when they are first needed; may be used from many threads.

    Args:
        workers: processes at most, and so pictures at once; whoever comes then waits.
        seconds: that a picture may take to decode.
        memory: bytes of address space that a process may have.
    """

    def __init__(self, workers=2, seconds=SECONDS, memory=MEMORY):
        self._limits = seconds, memory
        self._places = threading.Semaphore(workers)
        self._lock = threading.Lock()
        self._idle = []
        self._large = _OneAtATime()
        self._closed = False

    def load_image(self, source, name=None, most_bytes=math.inf):
        """Decode a picture as `fer.images.loading.load_image` does, with its arguments, answer and errors.

        A JPEG of the usual kind is decoded here: `fer.images.loading.decode` bounds its work beforehand, and its pixels
        need not be sent. A picture of more than `LARGE_PIXELS` waits until no other thread has one any more.

        Raises:
            ImageError: also if it takes more time or memory than it may, or breaks the decoder.
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
        """As `fer.images.loading.decode`, in one of the processes."""
        with self._places:
            worker = self._take() or _Worker(*self._limits)
            try:
                answer = worker.decode(content, name, before)
            except (EOFError, OSError):
                raise ImageError(f"{name}: {worker.end()}") from None
            except BaseException:
                worker.end()  # Within an answer: what follows would be taken for the next one's.
                raise
            self._give_back(worker)
        if isinstance(answer, str):
            raise ImageError(answer)
        return answer

    def warm_up(self):
        """Start a process, so that the first picture need not wait for it."""
        with self._places:
            self._give_back(self._take() or _Worker(*self._limits))

    def close(self):
        """End the processes."""
        self._closed = True
        while worker := self._take():
            worker.end()

    def _take(self):
        """An idle process; None where there is none. One may have been ended from outside meanwhile."""
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
    """What one thread has at a time, to be used with `with`; a thread that has it gets it again. Who has waited for
    `LARGE_SECONDS` gets it all the same."""

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
    """A process, from the side of the program; the arguments are those of `DecodingPool`."""

    def __init__(self, seconds, memory):
        self._seconds = seconds
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fer.images.decoding", str(theirs.fileno()), str(seconds), str(memory)],
                cwd=Path(__file__).parents[2],
                env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | LEAN,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def is_alive(self):
        return self._process.poll() is None

    def decode(self, content, name, before):
        """Return the picture, or what is wrong with it as a text; `before` is that of `fer.images.loading.decode`.

        Raises:
            EOFError, OSError: if the process ends.
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
        """End the process; returns what it was about, for a person."""
        self._connection.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        self._process.kill()
        if self._process.wait() == -signal.SIGALRM:
            return f"pictures may take at most {self._seconds:g} seconds to decode."
        return "the picture is damaged in a way that breaks its decoder."


def _is_light(content):
    """Whether a file is a JPEG whose work `fer.images.loading.decode` bounds to that of an ordinary photo."""
    if "JPEG" not in find_formats(content[:HEAD_BYTES]):
        return False
    outline = outline_jpeg(content)
    return not outline.padding and 0 < outline.pixels <= LIGHT_PIXELS


def _serve(connection, seconds, memory):
    """Decode what comes, until nothing comes any more."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the program, which ends this by closing the pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # What decoders say about a stranger's file is for nobody's log.
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
        # Nobody handles its signal: the system ends this process then, whatever it does.
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


def give_memory_back():
    """Have the C library give large parts of memory back to the system, instead of keeping them for the next picture:
    after some of 50 megapixels the app had 900 MB for ever. Changes nothing where the library has no such setting."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)


def _limit(memory):
    """Limit the memory of this process where the system knows such a limit, and leave no picture in a core dump."""
    import resource

    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    with suppress(BrokenPipeError, ConnectionResetError):
        _serve(Connection(int(sys.argv[1])), float(sys.argv[2]), int(sys.argv[3]))
