"""Where answers are written: file systems, and the folder of a run in its output."""

import fcntl
import io
import json
import os
import shutil
import socket
import uuid
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.dataset as pd
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileSystem, LocalFileSystem

from fer.documents import to_json
from fer.errors import UserError

OBJECT_STORES = ("s3", "gcs", "abfs")
"""Of `pyarrow.fs`: what is written appears there when it is complete, and cannot be renamed."""
ABOUT = "_scoring.json"
"""In the output: which model answers, and how. Readers of Parquet pass over a name that begins so."""
RUN = ".scoring-"
"""Beginning of the names of runs' folders in the output, which readers of Parquet pass over."""
LOCK, CLAIM = "lock", "claim"
"""In a run's folder: a file that its process has locked, with the name of its host; and, as Parquet, the names of the
pictures that it is going to answer."""
FAILURES = (OSError, UnicodeError, pa.ArrowException)
"""What pyarrow raises for files that are not there, not readable or not what they should be."""


class Place(NamedTuple):
    """Where a run writes: the output, and the name of the run's folder in it; None on an object store."""

    output: str
    run: str | None

    def put(self, name, content, first=False):
        """Writes a file of the output, whole or not at all; with `first` only where none is, if the disk can tell."""
        filesystem, folder = locate(self.output)
        target = f"{folder}/{name}"
        if not self.run:
            _write(filesystem, target, content)
            return
        # Ray may take a worker for dead that is not: each writes a file of its own.
        temporary = f"{folder}/{self.run}/{uuid.uuid4().hex}"
        _write(filesystem, temporary, content)
        if first and isinstance(filesystem, LocalFileSystem):
            with suppress(OSError):
                os.link(temporary, target)
            if os.path.exists(target):
                os.unlink(temporary)
                return
        filesystem.move(temporary, target)


class Run:
    """A run with its folder in the output, from its plan to its end.

    Raises:
        UserError: where the output cannot be written.
    """

    def __init__(self, output):
        self._lock = None
        with _writable(output):
            filesystem, path = locate(output)
            if filesystem.type_name in OBJECT_STORES:
                self.place = Place(output, None)
                return
            self.place = Place(output, f"{RUN}{uuid.uuid4().hex}")
            filesystem.create_dir(f"{path}/{self.place.run}")
            if isinstance(filesystem, LocalFileSystem):
                self._lock = open(f"{path}/{self.place.run}/{LOCK}", "x")  # noqa: SIM115 - until the run ends
                with suppress(OSError):  # Without a lock it is never known to be dead.
                    fcntl.flock(self._lock, fcntl.LOCK_EX)
                    self._lock.write(socket.gethostname())
                    self._lock.flush()

    def list_claimed(self):
        """Names of the pictures that other runs are answering; removes the folders of those that are dead."""
        filesystem, path = locate(self.place.output)
        claims = [pa.array([], pa.large_string())]
        with _writable(self.place.output):
            for file in filesystem.get_file_info(FileSelector(path)) if self.place.run else []:
                if not file.base_name.startswith(RUN) or file.base_name == self.place.run or file.is_file:
                    continue
                if isinstance(filesystem, LocalFileSystem) and _remove_dead(Path(file.path)):
                    continue
                if filesystem.get_file_info(f"{file.path}/{CLAIM}").is_file:
                    with suppress(FileNotFoundError):  # It ends at this moment.
                        table = pq.read_table(f"{file.path}/{CLAIM}", filesystem=filesystem)
                        claims.append(table["path"].cast(pa.large_string()).combine_chunks())
        return pa.concat_arrays(claims)

    def claim(self, names):
        """Tells other runs which pictures this one is going to answer."""
        if self.place.run:
            file = io.BytesIO()
            pq.write_table(pa.table({"path": names}), file)
            with _writable(self.place.output):
                self.place.put(f"{self.place.run}/{CLAIM}", file.getvalue())

    def close(self):
        """Removes the folder: the run is over."""
        filesystem, path = locate(self.place.output)
        if self.place.run:
            with suppress(OSError):
                filesystem.delete_dir(f"{path}/{self.place.run}")
        if self._lock:
            self._lock.close()


def _remove_dead(folder):
    """Removes the folder of a run that ended without doing so; returns whether it did.

    That is certain only of a run of this host, whose lock would be held if it lived.
    """
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.read() != socket.gethostname():
                return False
            shutil.rmtree(folder)
            return True
    except OSError:
        return False


def claim_output(run, about, model):
    """Puts a file into the output that says which answers it holds.

    Raises:
        UserError: where it cannot be written, or holds other answers or Parquet that is none.
    """
    output = run.place.output
    filesystem, path = locate(output)
    with _writable(output):
        if not filesystem.get_file_info(f"{path}/{ABOUT}").is_file:
            if any(file.endswith(".parquet") for file in _list_output(output)):
                raise UserError(f"{output}: holds Parquet that is not of this command; name another output.")
            run.place.put(ABOUT, to_json({"model": model, **about}).encode(), first=True)
        with filesystem.open_input_stream(f"{path}/{ABOUT}") as stream:
            before = json.loads(stream.read())
        if not about.items() <= before.items():
            cropped = " of pictures that are one face each" if before["already_cropped"] else ""
            rule = f"{output}: holds answers{cropped} by the model {before['model']}"
            raise UserError(f"{rule}; other answers need another output.")


@contextmanager
def _writable(output):
    try:
        yield
    except UserError:
        raise
    except (*FAILURES, ValueError, KeyError) as error:
        raise UserError(f"{output}: cannot be written: {first_line(error)}") from None


def _list_output(output):
    filesystem, path = locate(output)
    return [file.path for file in filesystem.get_file_info(FileSelector(path, allow_not_found=True)) if file.is_file]


def list_answered(output):
    """Names of the pictures that have an answer."""
    filesystem, _ = locate(output)
    with explained(output):
        shards = [file for file in _list_output(output) if file.endswith(".parquet")]
        if not shards:
            return pa.array([], pa.large_string())
        names = pd.dataset(shards, filesystem=filesystem, format="parquet").to_table(columns=["path"])["path"]
        return names.cast(pa.large_string()).combine_chunks()


def _write(filesystem, path, content):
    with filesystem.open_output_stream(path, compression=None) as stream:
        stream.write(content)


def full_name(name):
    """A name that means the same in every folder: a URI, or an absolute path."""
    return name.rstrip("/") if "://" in name else os.path.abspath(name)


def locate(name):
    """The file system of a path or URI, and its path there."""
    scheme, separator, rest = name.partition("://")
    if not separator:
        return _open_filesystem("file:///")[0], os.path.abspath(name)
    authority, _, path = rest.partition("/")
    filesystem, start = _open_filesystem(f"{scheme}://{authority}/")
    return filesystem, f"{start.rstrip('/')}/{path}".rstrip("/")


@cache
def _open_filesystem(root):
    with explained(root):
        return FileSystem.from_uri(root)


@contextmanager
def explained(name):
    try:
        yield
    except UserError:
        raise
    except FAILURES as error:
        raise UserError(f"{name}: cannot be read: {first_line(error)}") from None


def first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]
