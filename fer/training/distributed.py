"""Training on several machines: Keras' data parallelism over JAX, one process per machine.

Every process holds the whole network and all pictures as bytes, and feeds its own rows of each batch. Everything random
depends on seed and epoch alone, so the processes together compute what one process computes, apart from the order in
which sums are rounded and from the pictures of an epoch that fill no whole batch, which only one process trains on.
"""

import atexit
import hashlib
import importlib.util
import json
import math
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fer.errors import UserError
from fer.paths import StrPath
from fer.resources import install_command
from fer.training.supervisor import end_at_once, report_reason

MEETING_SECONDS = 120
"""Seconds that the processes wait for each other at the start."""
SILENCE_SECONDS = 30
"""Seconds without a heartbeat after which a process counts as lost; a process that ends is noticed at once."""
LOST = (
    "the connection to another process is lost: it ended, or its host cannot be reached. "
    "The same commands with --resume go on after the last finished epoch."
)
"""Message if the connection to another process is lost."""


@dataclass(frozen=True)
class Group:
    """The processes that train together, as one of them sees them.

    index: number of this process; process 0 writes the files.
    size: number of processes.
    devices: number of processors or GPUs of all processes together; each process has the same number.
    """

    index: int = 0
    size: int = 1
    devices: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes the files."""
        return self.index == 0

    def scope(self) -> AbstractContextManager:
        """Return the context in which networks are built and fitted for the whole group."""
        import keras

        if self.size == 1:
            return nullcontext()
        return keras.distribution.DataParallel(auto_shard_dataset=False).scope()

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Leave `scope` for work that one process does alone: variables created here exist in this process only."""
        import keras

        distribution = keras.distribution.distribution()
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(distribution)

    def pad(self, count: int) -> int:
        """Return the smallest number of rows, at least `count`, that the devices of the group divide."""
        return math.ceil(count / self.devices) * self.devices

    def rows(self, count: int) -> np.ndarray:
        """Return which rows of a batch of `count` pictures this process feeds.

        Returns:
            An int array of the same length in every process. The indices of all processes together are
            0 … `pad(count)` - 1; those from `count` on are padding.
        """
        share = self.pad(count) // self.size
        return np.arange(self.index * share, (self.index + 1) * share)

    def broadcast(self, function: Callable, *arguments: Any) -> Any:
        """Call a function in process 0 alone and return its answer, which must fit into JSON, in every process."""
        if self.size == 1:
            return function(*arguments)
        return json.loads(self._broadcast_bytes(json.dumps(function(*arguments)).encode() if self.first else b""))

    @contextmanager
    def copy(self, folder: StrPath, pattern: str) -> Iterator[Path]:
        """Yield a folder with the matching files of process 0's `folder`, so that the processes need no shared disk.

        Process 0 gets `folder` itself, the other processes get a temporary copy.
        """
        if self.size == 1:
            yield folder
            return
        folder = Path(folder)
        names = self.broadcast(lambda: sorted(path.name for path in folder.glob(pattern) if path.is_file()))
        with TemporaryDirectory() if not self.first else nullcontext(folder) as there:
            for name in names:
                content = self._broadcast_bytes((folder / name).read_bytes() if self.first else b"")
                if not self.first:
                    Path(there, name).write_bytes(content)
            yield Path(there)

    def check_same(self, *facts: str | np.ndarray) -> None:
        """Check that all processes were given the same strings and arrays to train with.

        Raises:
            UserError: in every process, if they were not.
        """
        if self.size == 1:
            return
        from jax.experimental.multihost_utils import process_allgather

        digest = hashlib.sha256()
        for fact in facts:
            digest.update(fact.encode() if isinstance(fact, str) else np.ascontiguousarray(fact).tobytes())
        digests = process_allgather(np.frombuffer(digest.digest(), np.uint8))
        others = [index for index in range(self.size) if not np.array_equal(digests[index], digests[0])]
        if others:
            raise UserError(
                "All processes must train with the same options on the same pictures. "
                f"Received: other options or pictures than in process 0 in {', '.join(map(str, others))}"
            )

    def _broadcast_bytes(self, content):
        """Send bytes from process 0 to every process, and return them."""
        from jax.experimental.multihost_utils import broadcast_one_to_all

        size = int(broadcast_one_to_all(np.int32(len(content))))
        array = np.frombuffer(content, np.uint8) if self.first else np.zeros(size, np.uint8)
        return broadcast_one_to_all(array).tobytes()


ALONE = Group()
"""Group of a single process."""


def check_hosts(hosts: str | None, processes: int | None, process_id: int | None) -> None:
    """Check the options that say where processes meet, before anything slow is imported.

    Args:
        hosts: `host:port` of process 0, or of each process, separated by commas; None for one process.
        processes: number of processes.
        process_id: number of this process, from 0.

    Raises:
        UserError: if an option is missing or does not fit, or if JAX is not installed.
    """
    given = {"--hosts": hosts, "--processes": processes, "--process-id": process_id}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return
    if missing:
        raise UserError(f"--hosts, --processes and --process-id go together. Received: no {', no '.join(missing)}")
    if processes < 2:
        raise UserError(f"`--processes` must be at least 2. Received: {processes}")
    if not 0 <= process_id < processes:
        raise UserError(f"`--process-id` must be from 0 to {processes - 1}. Received: {process_id}")
    addresses = hosts.split(",")
    for address in addresses:
        match = re.fullmatch(r"([\w.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})", address)
        if not match or not 0 < int(match[2]) < 2**16:
            raise UserError(f"`--hosts` must be HOST:PORT, or one for each process with commas. Received: {hosts!r}")
    if len(addresses) not in (1, processes):
        raise UserError(
            f"`--hosts` must be that of process 0 alone, or one for each of the {processes} processes. "
            f"Received: {len(addresses)}"
        )
    if not importlib.util.find_spec("jax"):
        raise UserError(f"--hosts needs JAX: {install_command('jax')}. Received: none installed")


@contextmanager
def join(hosts: str | None, processes: int | None, process_id: int | None, batch_size: int) -> Iterator[Group]:
    """Meet the other processes, yield the `Group`, and leave it; if another process dies meanwhile, this one ends too.

    JAX must not have computed anything before.

    Args:
        hosts, processes, process_id: as `check_hosts` takes them; all None yields `ALONE`.
        batch_size: pictures per batch of all processes together.

    Raises:
        UserError: if the backend is not JAX, if the processes do not divide the batch, if the processes do not meet or
            if the connection to one of them is lost.
    """
    import keras

    if hosts is None:
        yield ALONE
        return
    if keras.backend.backend() != "jax":
        raise UserError(f"--hosts needs KERAS_BACKEND=jax. Received: {keras.backend.backend()}")
    _check_batch_size(batch_size, processes, "processes")
    import jax

    coordinator = hosts.split(",")[0]
    if process_id:
        _wait_for(coordinator)
    report_reason(f"not all of the {processes} processes met at {coordinator} within {MEETING_SECONDS} seconds.")
    met = False
    try:
        # `keras.distribution.initialize` calls the same function, but takes no timeouts.
        jax.distributed.initialize(
            coordinator,
            processes,
            process_id,
            initialization_timeout=MEETING_SECONDS,
            heartbeat_timeout_seconds=SILENCE_SECONDS,
            shutdown_timeout_seconds=SILENCE_SECONDS,
        )
        met = True
        report_reason(LOST)
        _check_batch_size(batch_size, jax.device_count(), "devices of all processes")
        yield Group(process_id, processes, jax.device_count())
        jax.distributed.shutdown()
    except BaseException as error:
        known = error
        if isinstance(error, jax.errors.JaxRuntimeError) and not met:
            known = UserError(f"the processes could not meet at {coordinator}: {error}")
        # Collectives do not always fail with JAX's own error class. A `UserError` already says what is wrong.
        elif isinstance(error, Exception) and re.search("gloo|nccl|coordination", str(error), re.IGNORECASE):
            known = error if isinstance(error, UserError) else UserError(LOST)
        mistake = isinstance(known, UserError)
        # At exit JAX would wait for the other processes, which in turn wait for this one.
        atexit.register(end_at_once, 2 if mistake else 130 if isinstance(error, KeyboardInterrupt) else 1)
        if mistake:
            report_reason(known)  # The end of the others may abort this process before it prints the error itself.
        if known is not error:
            raise known from None
        raise


def _wait_for(coordinator):
    """Wait until process 0 listens; JAX itself would abort this process if that took too long."""
    host, port = coordinator.rsplit(":", 1)
    end = time.monotonic() + MEETING_SECONDS
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > end:
                raise UserError(
                    f"process 0 could not be reached at {coordinator} within {MEETING_SECONDS} seconds: {error}"
                ) from None
        time.sleep(0.5)


def _check_batch_size(batch_size, number, what):
    if batch_size % number:
        raise UserError(f"`batch_size` must be a multiple of the {number} {what}. Received: {batch_size}")
