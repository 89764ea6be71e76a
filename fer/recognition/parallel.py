"""Recognition of many pictures, in batches and in parallel threads, with limited memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
from typing import NamedTuple

from PIL import Image

from fer.errors import UserError
from fer.images.loading import note_of
from fer.images.sources import Found
from fer.litert import THREADS
from fer.recognition.recognizer import FaceList, Recognizer

BATCH = 16
"""Number of pictures in a batch. The first batches are smaller, so that the first answer comes soon."""
BATCH_KEPT = 4
"""Number of pictures in a batch if the answers keep the pictures; one of 50 megapixels takes 150 MB."""
BATCH_BYTES = 64_000_000
"""Size in bytes of the files in memory above which a batch is complete."""
MAX_THREADS = 8
"""Largest number of threads that read batches; each has its own networks, which take 30 MB."""


class Answer(NamedTuple):
    """Answer to one picture.

    found: `fer.images.sources.Found` of the picture.
    faces: `fer.recognition.recognizer.FaceList`; empty if the picture could not be read.
    width, height: size in pixels; None if the picture could not be read.
    note: note for the user on a picture of which only a part was read, or "".
    problem: reason why the picture could not be read, or "".
    image: PIL image, if the pictures are kept.
    """

    found: Found
    faces: FaceList = FaceList()
    width: int | None = None
    height: int | None = None
    note: str = ""
    problem: str = ""
    image: Image.Image | None = None


def recognize_in_parallel(
    pictures: Iterable[Found],
    load: Callable[[int], Recognizer],
    already_cropped: bool = False,
    keep: bool = False,
) -> Iterator[Answer]:
    """Yield an `Answer` for each picture, in their order.

    The first fifteen pictures (three if they are kept) are read in batches of 1, 2, 4 and so on, one after the other.
    The rest are read by one thread per processor, each with a single-threaded recognizer of its own: several pictures
    at once take less time than several threads on one picture.

    Args:
        pictures: pictures of `fer.images.sources.find_pictures`; a few batches are taken ahead of the answers.
        load: function of a number of threads that opens a `fer.recognition.recognizer.Recognizer`.
        already_cropped: whether each picture is one face; if so, there is no detection.
        keep: whether the answers keep the pictures.
    """
    pictures, most = iter(pictures), BATCH_KEPT if keep else BATCH
    recognizer, size = load(THREADS), 1
    while size < most:
        if not (batch := _take(pictures, size)):
            return
        yield from _read_batch(recognizer, batch, already_cropped, keep)
        size *= 2
    threads = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(), MAX_THREADS)
    if not (batch := _take(pictures, most)):
        return
    free, running = SimpleQueue(), deque()
    for _ in range(threads):
        free.put(load(1) if threads > 1 else recognizer)

    def read(batch):
        own = free.get()
        try:
            return _read_batch(own, batch, already_cropped, keep)
        finally:
            free.put(own)

    pool = ThreadPoolExecutor(threads)
    try:
        while batch or running:
            if batch:
                running.append(pool.submit(read, batch))
                batch = _take(pictures, most)
            if not batch or len(running) > threads:
                yield from running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _take(pictures, most):
    """Return the next pictures, at most `most`; fewer if their files in memory exceed `BATCH_BYTES`."""
    batch, total = [], 0
    for found in islice(pictures, most):
        batch.append(found)
        total += len(found.content) if isinstance(found.content, bytes) else 0
        if total > BATCH_BYTES:
            break
    return batch


def _read_batch(recognizer, batch, already_cropped, keep):
    """Return the answers to a batch, in its order."""
    answers = []

    def images():
        for found in batch:
            try:
                image = found.load()
            except UserError as error:
                answers.append(Answer(found, problem=str(error)))
                continue
            answers.append(Answer(found, None, *image.size, note_of(image), image=image if keep else None))
            yield image

    faces = iter(recognizer.recognize_batch(images(), already_cropped))
    return [answer if answer.problem else answer._replace(faces=next(faces)) for answer in answers]
