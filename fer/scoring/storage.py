"""The output of scoring: its file system, and the folder that each run has in it."""

import fcntl
import io
import json
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.dataset as pd
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileSystem, LocalFileSystem

from fer.documents import to_json
from fer.errors import UserError

OBJECT_STORES = ("s3", "gcs", "abfs")
"""Types of `pyarrow.fs` file systems in which a file appears only when it is complete, and cannot be renamed."""
DESCRIPTION = "_scoring.json"
"""Name of the file in the output that states which model answers, and how; readers of Parquet skip the underscore."""
RUN_PREFIX = ".scoring-"
"""Beginning of the names of runs' folders in the output; readers of Parquet skip the dot."""
LOCK = "lock"
"""Name of the file in a run's folder that the run's process has locked; it holds the name of the host."""
CLAIM = "claim"
"""Name of the Parquet file in a run's folder with the names of the pictures that the run is going to answer."""
FAILURES = (OSError, UnicodeError, pa.ArrowException)
"""Errors that pyarrow raises for files that are missing, unreadable or of another format."""


class Destination(NamedTuple):
    """Place that a run writes to.

    output: folder or URI for the answers.
    folder: name of the run's folder in the output; None on an object store.
    """

    output: str
    folder: str | None

    def write(self, name: str, content: bytes, first: bool = False) -> None:
        """Write a file into the output, completely or not at all.

        Args:
            name: name of the file in the output.
            content: content of the file.
            first: whether to keep an existing file of this name; this is possible on a local disk only.
        """
        filesystem, path = locate(self.output)
        target = f"{path}/{name}"
        if not self.folder:
            _write(filesystem, target, content)
            return
        # Ray may start a second worker although the first still runs, so each worker writes a file of its own.
        temporary = f"{path}/{self.folder}/{uuid.uuid4().hex}"
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

    Args:
        output: folder or URI for the answers.

    Raises:
        UserError: if the output cannot be written.
    """

    def __init__(self, output: str):
        self._lock = None
        with _explain_write_errors(output):
            filesystem, path = locate(output)
            if filesystem.type_name in OBJECT_STORES:
                self.destination = Destination(output, None)
                return
            self.destination = Destination(output, f"{RUN_PREFIX}{uuid.uuid4().hex}")
            filesystem.create_dir(f"{path}/{self.destination.folder}")
            if isinstance(filesystem, LocalFileSystem):
                self._lock = open(f"{path}/{self.destination.folder}/{LOCK}", "x")  # noqa: SIM115 - open until the run ends
                with suppress(OSError):  # Without a lock, other runs cannot find out that this one has died.
                    fcntl.flock(self._lock, fcntl.LOCK_EX)
                    self._lock.write(socket.gethostname())
                    self._lock.flush()

    @contextmanager
    def planning(self) -> Iterator[None]:
        """Let other runs wait until this one has claimed its pictures, so that no two claim the same ones.

        Runs on file systems without locks do not wait.
        """
        _, path = locate(self.destination.output)
        if not self._lock:
            yield
            return
        with open(f"{path}/{DESCRIPTION}") as file:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def list_claimed(self) -> pa.Array:
        """Return the names of the pictures that other runs are answering; remove the folders of dead runs."""
        filesystem, path = locate(self.destination.output)
        own = self.destination.folder
        claims = [pa.array([], pa.large_string())]
        with _explain_write_errors(self.destination.output):
            for file in filesystem.get_file_info(FileSelector(path)) if own else []:
                if not file.base_name.startswith(RUN_PREFIX) or file.base_name == own or file.is_file:
                    continue
                if isinstance(filesystem, LocalFileSystem) and _remove_dead(Path(file.path)):
                    continue
                if filesystem.get_file_info(f"{file.path}/{CLAIM}").is_file:
                    with suppress(FileNotFoundError):  # The other run ends at this moment.
                        table = pq.read_table(f"{file.path}/{CLAIM}", filesystem=filesystem)
                        claims.append(table["path"].cast(pa.large_string()).combine_chunks())
        return pa.concat_arrays(claims)

    def claim(self, names: pa.Array) -> None:
        """Write the names of the pictures that this run is going to answer, for other runs."""
        if self.destination.folder:
            file = io.BytesIO()
            pq.write_table(pa.table({"path": names}), file)
            with _explain_write_errors(self.destination.output):
                self.destination.write(f"{self.destination.folder}/{CLAIM}", file.getvalue())

    def close(self) -> None:
        """End the run, and remove its folder."""
        filesystem, path = locate(self.destination.output)
        if self.destination.folder:
            with suppress(OSError):
                filesystem.delete_dir(f"{path}/{self.destination.folder}")
        if self._lock:
            self._lock.close()


def _remove_dead(folder):
    """Remove the folder of a killed run, and return whether it was removed.

    Only a run on this host is known to be dead: if it lived, its process would hold the lock.
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


def claim_output(run: Run, settings: dict[str, Any], model: str) -> None:
    """Write a file into the output that describes its answers, unless the output has one.

    Args:
        run: run that writes to the output.
        settings: settings that affect the answers: the model's `sha256`, and `already_cropped`.
        model: name of the model.

    Raises:
        UserError: if the output cannot be written, or contains other answers or other Parquet files.
    """
    output = run.destination.output
    filesystem, path = locate(output)
    with _explain_write_errors(output):
        if not filesystem.get_file_info(f"{path}/{DESCRIPTION}").is_file:
            if any(file.endswith(".parquet") for file in _list_output(output)):
                raise UserError(f"{output}: holds Parquet that is not of this command; name another output.")
            run.destination.write(DESCRIPTION, to_json({"model": model, **settings}).encode(), first=True)
        with filesystem.open_input_stream(f"{path}/{DESCRIPTION}") as stream:
            before = json.loads(stream.read())
        if not settings.items() <= before.items():
            cropped = " of pictures that are one face each" if before["already_cropped"] else ""
            rule = f"{output}: holds answers{cropped} by the model {before['model']}"
            raise UserError(f"{rule}; other answers need another output.")


@contextmanager
def _explain_write_errors(output):
    """Raise errors of the block as a `UserError` that names the output."""
    try:
        yield
    except UserError:
        raise
    except (*FAILURES, ValueError, KeyError) as error:
        raise UserError(f"{output}: cannot be written: {first_line(error)}") from None


def _list_output(output):
    """Return the paths of the files in the output."""
    filesystem, path = locate(output)
    return [file.path for file in filesystem.get_file_info(FileSelector(path, allow_not_found=True)) if file.is_file]


def list_answered(output: str) -> pa.Array:
    """Return the names of the pictures that have an answer, an Arrow array of strings."""
    filesystem, _ = locate(output)
    with explain_read_errors(output):
        shards = [file for file in _list_output(output) if file.endswith(".parquet")]
        if not shards:
            return pa.array([], pa.large_string())
        names = pd.dataset(shards, filesystem=filesystem, format="parquet").to_table(columns=["path"])["path"]
        return names.cast(pa.large_string()).combine_chunks()


def _write(filesystem, path, content):
    with filesystem.open_output_stream(path, compression=None) as stream:
        stream.write(content)


def make_absolute(name: str) -> str:
    """Return the absolute path of a path; a URI is returned as it is."""
    return name.rstrip("/") if "://" in name else os.path.abspath(name)


def locate(name: str) -> tuple[FileSystem, str]:
    """Return the pyarrow file system of a path or URI, and the path in that file system."""
    scheme, separator, rest = name.partition("://")
    if not separator:
        return _open_filesystem("file:///")[0], os.path.abspath(name)
    authority, _, path = rest.partition("/")
    filesystem, start = _open_filesystem(f"{scheme}://{authority}/")
    return filesystem, f"{start.rstrip('/')}/{path}".rstrip("/")


@cache
def _open_filesystem(root):
    with explain_read_errors(root):
        return FileSystem.from_uri(root)


@contextmanager
def explain_read_errors(name: str) -> Iterator[None]:
    """Raise pyarrow's errors in the block as a `UserError` that names the file."""
    try:
        yield
    except UserError:
        raise
    except FAILURES as error:
        raise UserError(f"{name}: cannot be read: {first_line(error)}") from None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its class if there is no message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
