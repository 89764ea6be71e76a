"""The faces of many pictures: several pictures at once, whose faces share the network's passes, in flat memory."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
from typing import NamedTuple

from PIL import Image

from fer.detection.blazeface import THREADS
from fer.errors import UserError
from fer.images.loading import note_of
from fer.images.sources import Found
from fer.recognition.recognizer import FaceList

BATCH = 16
"""Pictures that are read together. The first batches are smaller, so that the first answer comes at once."""
BATCH_KEPT = 4
"""Pictures that are read together where all of them are kept to be drawn on; one of 50 megapixels has 150 MB."""
BATCH_BYTES = 64_000_000
"""Bytes of files beyond which a batch takes no further one that is in memory."""
MAX_THREADS = 8
"""Threads that read batches, each with networks of its own, which take 30 MB."""


class Answer(NamedTuple):
    """A picture and what was read of it.

    found: `fer.images.sources.Found`.
    faces: `fer.recognition.recognizer.FaceList`; empty where the picture could not be read.
    width, height: in pixels; None where it could not be read.
    note: what is to be said of a picture whose file is not whole, or "".
    problem: why it could not be read, or "".
    image: PIL image, if it is kept.
    """

    found: Found
    faces: FaceList = FaceList()
    width: int | None = None
    height: int | None = None
    note: str = ""
    problem: str = ""
    image: Image.Image | None = None


def read_many(pictures: Iterable[Found], load, already_cropped: bool = False, keep: bool = False) -> Iterator[Answer]:
    """Yield an `Answer` for each picture, in their order.

    Few pictures are read one batch after the other. From the sixteenth on a thread for each processor reads batches,
    each with a recognizer of its own that has one thread: several pictures at once take less time than several threads
    in one picture.

    Args:
        pictures: of `fer.images.sources.find_pictures`; a few batches of them are taken ahead.
        load: function of a number of threads that opens a `fer.recognition.recognizer.Recognizer`.
        already_cropped: as `Recognizer.recognize` takes it.
        keep: whether the answers have the pictures.
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
    """The next pictures, at most so many and about `BATCH_BYTES`."""
    batch, total = [], 0
    for found in islice(pictures, most):
        batch.append(found)
        total += len(found.content) if isinstance(found.content, bytes) else 0
        if total > BATCH_BYTES:
            break
    return batch


def _read_batch(recognizer, batch, already_cropped, keep):
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
