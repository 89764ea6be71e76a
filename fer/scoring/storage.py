"""The output of scoring: its rows, and the folder that each run has in it, unless the output is on object storage."""

import io
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pd
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, LocalFileSystem

from fer.documents import to_json
from fer.errors import UserError
from fer.file_lock import lock
from fer.recognition.records import NO_FACE
from fer.scoring.file_states import FILE_STATE, find_changed
from fer.scoring.filesystems import FAILURES, explain_read_errors, first_line, locate
from fer.scoring.run_locks import LOCK, describe_host, look_up_run, remove_dead_run

OBJECT_STORES = ("s3", "gcs", "abfs")
"""Types of `pyarrow.fs` file systems in which a file appears only when it is complete, and cannot be renamed."""
DESCRIPTION = "_scoring.json"
"""Name of the file in the output that states which model answers, and how; readers of Parquet skip the underscore."""
RUN_PREFIX = ".scoring-"
"""Beginning of the names of runs' folders in the output; readers of Parquet skip the dot."""
CLAIM = "claim"
"""Name of the Parquet file in a run's folder with the names of the pictures that the run is going to answer."""
_STATE = pa.schema([("path", pa.large_string()), ("error", pa.string()), ("unopened", pa.bool_()), *FILE_STATE])
"""Columns that tell which pictures have an answer, and of which file; those that a shard lacks are null."""


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


class Claim(NamedTuple):
    """Pictures that another run is answering, or was answering when it was killed.

    folder: the run's folder.
    host: name of the run's host; "" if unknown.
    runs: whether the run's process is known to exist.
    names: names of the pictures.
    """

    folder: str
    host: str
    runs: bool
    names: pa.Array


class ScoringRun:
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
                if lock(self._lock):  # Without a lock, other runs cannot find out that this one has died.
                    self._lock.write(describe_host())
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
            lock(file)
            yield

    def list_claims(self) -> list[Claim]:
        """Return the claims of other runs; remove the folders of dead runs."""
        filesystem, path = locate(self.destination.output)
        own, claims = self.destination.folder, []
        with _explain_write_errors(self.destination.output):
            for file in filesystem.get_file_info(FileSelector(path)) if own else []:
                if not file.base_name.startswith(RUN_PREFIX) or file.base_name == own or file.is_file:
                    continue
                host, runs = "", False
                if isinstance(filesystem, LocalFileSystem):
                    if remove_dead_run(file.path):
                        continue
                    host, runs = look_up_run(file.path)
                if filesystem.get_file_info(f"{file.path}/{CLAIM}").is_file:
                    with suppress(FileNotFoundError):  # The other run ends at this moment.
                        table = pq.read_table(f"{file.path}/{CLAIM}", filesystem=filesystem)
                        names = table["path"].cast(pa.large_string()).combine_chunks()
                        folder = f"{self.destination.output.rstrip('/')}/{file.base_name}"
                        claims.append(Claim(folder, host, runs, names))
        return claims

    def claim(self, names: pa.ChunkedArray) -> None:
        """Write the names of the pictures that this run is going to answer, for other runs."""
        if self.destination.folder:
            file = io.BytesIO()
            pq.write_table(pa.table({"path": names}), file)
            with _explain_write_errors(self.destination.output):
                self.destination.write(f"{self.destination.folder}/{CLAIM}", file.getvalue())

    def remove(self, names: pa.ChunkedArray) -> None:
        """Remove the rows of the pictures with these names, because the run is going to answer them."""
        filesystem, _ = locate(self.destination.output)
        with _explain_write_errors(self.destination.output):
            for shard, own in _find_shards(self.destination.output, names) if len(names) else []:
                with pq.ParquetFile(shard, filesystem=filesystem) as file:
                    rows = file.read()
                rows = rows.filter(pc.invert(pc.is_in(rows["path"].cast(pa.large_string()), value_set=own)))
                if not len(rows):
                    filesystem.delete_file(shard)
                    continue
                content = io.BytesIO()
                pq.write_table(rows, content)
                self.destination.write(shard.rpartition("/")[2], content.getvalue())

    def close(self) -> None:
        """End the run, and remove its folder."""
        filesystem, path = locate(self.destination.output)
        if self.destination.folder:
            with suppress(OSError):
                filesystem.delete_dir(f"{path}/{self.destination.folder}")
        if self._lock:
            self._lock.close()


def claim_output(run: ScoringRun, settings: dict[str, Any], model: str) -> None:
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
            if _list_shards(output):
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


def _list_shards(output):
    """Return the paths of the Parquet files in the output."""
    filesystem, path = locate(output)
    files = filesystem.get_file_info(FileSelector(path, allow_not_found=True))
    return [file.path for file in files if file.is_file and file.path.endswith(".parquet")]


def _find_shards(output, names):
    """Return the path of each shard that has rows of pictures with these names, with the names that it has."""
    filesystem, _ = locate(output)
    dataset = pd.dataset(_list_shards(output), _STATE, format="parquet", filesystem=filesystem)
    rows = dataset.to_table(columns=["__filename", "path"])
    rows = rows.filter(pc.is_in(rows["path"], value_set=names))
    shards = rows.group_by("__filename").aggregate([("path", "list")])
    return [(shard["__filename"], pa.array(shard["path_list"], pa.large_string())) for shard in shards.to_pylist()]


def list_rows(output: str) -> pa.Table:
    """Return the rows of the output: `path`, `unopened`, and the columns `FILE_STATE` of the file that was read.

    The rows of fer 0.2 lack the column `unopened`. Of these, each picture that was not read counts as unopened, so that
    it is read once more: whether it was missing or is broken, its error tells only people.
    """
    filesystem, _ = locate(output)
    with explain_read_errors(output):
        dataset = pd.dataset(_list_shards(output), _STATE, format="parquet", filesystem=filesystem)
        rows = dataset.to_table().combine_chunks()
    unread = pc.fill_null(pc.not_equal(rows["error"], NO_FACE), False)
    unopened = pc.coalesce(rows["unopened"], unread)
    return rows.drop_columns(["error", "unopened"]).append_column("unopened", unopened)


def needs_answer(pictures: pa.Table, rows: pa.Table) -> pa.ChunkedArray:
    """Return for each picture whether it has no answer: it has no row, was not opened, or its file has changed since.

    Args:
        pictures: as `fer.scoring.sources.list_pictures` returns them.
        rows: rows of the output, as `list_rows` returns them.
    """
    place = pc.index_in(pictures["path"], value_set=rows["path"])
    before = rows.drop_columns(["path"]).take(place)  # The rows of a picture are from one shard, so they agree.
    return pc.or_(pc.fill_null(before["unopened"], True), find_changed(pictures, before))


def _write(filesystem, path, content):
    with filesystem.open_output_stream(path, compression=None) as stream:
        stream.write(content)
