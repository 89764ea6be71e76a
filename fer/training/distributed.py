"""Training on several machines: Keras' data parallelism over JAX, a process a machine.

Every process has the whole network and all pictures as bytes, and feeds its own rows of each batch; what is random
depends on seed and epoch alone, so that the processes together compute what one process would, but for the order in
which sums are rounded.
"""

import atexit
import hashlib
import importlib.util
import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np

from fer.errors import UserError
from fer.resources import install_command

MEETING_SECONDS = 120
"""How long the processes wait for each other at the start."""
SILENCE_SECONDS = 30
"""After which a process that says nothing counts as lost; one that ends is noticed at once."""
WATCHED = "FER_WATCHED"
"""Set in the environment of a process that `run_watched` started, whose standard input is the line to the other."""
LOST = (
    "the connection to another process is lost: it ended, or its host cannot be reached. "
    "The same commands with --resume go on after the last finished epoch."
)


@dataclass(frozen=True)
class Group:
    """The processes that train together, as one of them sees it.

    index: which one this is; 0 writes the files.
    size: how many there are.
    devices: how many processors or GPUs they have together; each has the same number.
    """

    index: int = 0
    size: int = 1
    devices: int = 1

    @property
    def first(self):
        return self.index == 0

    def scope(self):
        """Context in which networks are built and fitted for the whole group."""
        import keras

        if self.size == 1:
            return nullcontext()
        return keras.distribution.DataParallel(auto_shard_dataset=False).scope()

    @contextmanager
    def apart(self):
        """Context within `scope` for what one process does alone: what is created there the others need not create."""
        import keras

        distribution = keras.distribution.distribution()
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(distribution)

    def rows(self, count, batch_size):
        """Which rows of a batch this process feeds, as an int array of the same length in every process.

        The last batch of an epoch may have `count` rows, fewer than `batch_size`, that the devices do not divide: its
        last row is repeated until they do, and until it is no whole batch, by which `fit_without_padding` knows it.
        """
        padded = math.ceil(count / self.devices) * self.devices
        if self.size > 1 and count < batch_size == padded:
            padded += self.devices
        share = padded // self.size
        return np.minimum(np.arange(self.index * share, (self.index + 1) * share), count - 1)

    def fit_without_padding(self, model, train, validation):
        """Makes a Keras model leave out the rows that `rows` repeats.

        Args:
            train, validation: each the number of pictures and the batch size.
        """
        if self.size > 1:
            model.train_step = partial(_step_without_padding, model.train_step, *train)
            model.test_step = partial(_step_without_padding, model.test_step, *validation)

    def tell(self, function, *arguments):
        """What `function` answers in process 0, ready for JSON, for every process; the others do not call it."""
        if self.size == 1:
            return function(*arguments)
        return json.loads(self._tell_bytes(json.dumps(function(*arguments)).encode() if self.first else b""))

    @contextmanager
    def copy(self, folder, pattern):
        """Yields a folder with the files of process 0's that match, so that the processes need share none.

        In process 0 it is `folder` itself, in the others a temporary one.
        """
        if self.size == 1:
            yield folder
            return
        folder = Path(folder)
        names = self.tell(lambda: sorted(path.name for path in folder.glob(pattern) if path.is_file()))
        with TemporaryDirectory() if not self.first else nullcontext(folder) as there:
            for name in names:
                content = self._tell_bytes((folder / name).read_bytes() if self.first else b"")
                if not self.first:
                    Path(there, name).write_bytes(content)
            yield Path(there)

    def check_same(self, *facts):
        """Refuses processes that were given different things, strings or arrays, to train with.

        Raises:
            UserError: in every process.
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
                f"Received: others than in process 0 in {', '.join(map(str, others))}"
            )

    def _tell_bytes(self, content):
        from jax.experimental.multihost_utils import broadcast_one_to_all

        size = int(broadcast_one_to_all(np.int32(len(content))))
        array = np.frombuffer(content, np.uint8) if self.first else np.zeros(size, np.uint8)
        return broadcast_one_to_all(array).tobytes()


ALONE = Group()


def check_hosts(hosts, processes, process_id):
    """Checks where processes are to meet, before anything slow is imported.

    Args:
        hosts: `host:port` of process 0, or of each process, with commas between; None for one process.
        processes: how many there are.
        process_id: which one this is, from 0.

    Raises:
        UserError: with a sentence that says what does not fit.
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
def join(hosts, processes, process_id, batch_size):
    """Meets the other processes, yields the `Group`, and parts from them; one that dies meanwhile ends this one.

    JAX must not have computed anything before.

    Args:
        hosts, processes, process_id: as `check_hosts` takes them; all None yields `ALONE`.
        batch_size: of all processes together.

    Raises:
        UserError: for another backend than JAX, a batch that cannot be divided, or if process 0 cannot be reached.
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
    _tell(f"not all of the {processes} processes met at {coordinator} within {MEETING_SECONDS} seconds.")
    met = False
    try:
        # Keras does not pass these on.
        timeouts = {
            "initialization_timeout": MEETING_SECONDS,
            "heartbeat_timeout_seconds": SILENCE_SECONDS,
            "shutdown_timeout_seconds": SILENCE_SECONDS,
        }
        with patch.object(jax.distributed, "initialize", partial(jax.distributed.initialize, **timeouts)):
            keras.distribution.initialize(hosts, processes, process_id)
        met = True
        _tell(LOST)
        _check_batch_size(batch_size, jax.device_count(), "devices of all processes")
        yield Group(process_id, processes, jax.device_count())
        jax.distributed.shutdown()
    except BaseException as error:
        known = error
        if isinstance(error, jax.errors.JaxRuntimeError) and not met:
            known = UserError(f"the processes could not meet at {coordinator}: {error}")
        # What the collectives say does not always come as an error of JAX' own; a person's mistake is told already.
        elif isinstance(error, Exception) and re.search("gloo|nccl|coordination", str(error), re.IGNORECASE):
            known = error if isinstance(error, UserError) else UserError(LOST)
        mistake = isinstance(known, UserError)
        # Without this JAX would wait for the others at the end, and they for this process.
        atexit.register(_end_at_once, 2 if mistake else 130 if isinstance(error, KeyboardInterrupt) else 1)
        if mistake:
            _tell(known)  # The others' end may abort this process before it has said so itself.
        if known is not error:
            raise known from None
        raise


def run_watched():
    """Runs this program's command once more, in a process of its own, and ends as that one does; returns in that alone.

    JAX aborts a process from a thread of its own, asking nobody, where it misses another: only who stays behind can say
    why. The two end together: an interruption is passed on, and the process that trains ends when this one is gone.

    Raises:
        UserError: if the process is aborted, with what it had told would be the reason.
    """
    if WATCHED not in os.environ:
        sys.exit(_watch([sys.executable, *sys.orig_argv[1:]]))
    threading.Thread(target=_end_with_watcher, daemon=True).start()


def _watch(command):
    """Runs a command, which may `_tell`, and returns its exit code."""
    own, childs = socket.socketpair()
    with own:
        with childs:
            # In a session of its own, or Ctrl+C would reach it twice.
            child = subprocess.Popen(command, stdin=childs, env={**os.environ, WATCHED: "1"}, start_new_session=True)
        while True:
            try:
                code = child.wait()
                break
            except KeyboardInterrupt:
                child.send_signal(signal.SIGINT)
        if code == -signal.SIGABRT:
            told = own.recv(2**16).decode().split("\0")
            raise UserError(told[-2] if len(told) > 1 else "the process that trains was aborted.")
        return 128 - code if code < 0 else code


def _tell(reason):
    """Tells the process that watches this one, if there is one, what to say if this one is aborted from now on."""
    if WATCHED in os.environ:
        with suppress(BrokenPipeError):  # It is gone, and this one about to end.
            os.write(0, f"{reason}\0".encode())


def _end_with_watcher():
    with suppress(ConnectionError):  # What the other did not read comes back as one.
        os.read(0, 1)  # Nothing else ever comes but the end.
    _end_at_once(2)


def _end_at_once(code):
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _wait_for(coordinator):
    """Returns when process 0 listens: JAX itself would abort if it does not in time."""
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


def _step_without_padding(step, pictures, batch_size, state, data):
    """A training or validation step on the pictures alone; the shapes are those of the whole group's batch."""
    if len(data[0]) != batch_size:
        data = tuple(array[: pictures % batch_size] for array in data)
    return step(state, data)
