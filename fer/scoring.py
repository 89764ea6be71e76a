"""Millions of pictures on Ray Data: one recognizer an actor, one file of answers a shard of pictures.

The shard is the unit of everything. The driver cuts the pictures' names into shards; an actor reads the pictures of
one, answers them and writes the file, which is called after a digest of their names and appears whole or not at all. So
a shard that is done again because a worker died replaces the same file, and a run after one that ended early plans only
pictures that are in no file: each is in the output exactly once. Pictures never pass through Ray's object store.

A run has a folder of its own in the output, `.scoring-…`, for files that are not whole yet and for the list of what it
is going to answer, which another run into the same output leaves to it. The folder goes with the run; what a killed run
left is removed by the next one of the same host that can take its lock.

    path            as it was found or listed; of a row of Parquet `FILE#ROW`, counted from 0
    face            from 1, the largest first; null where there is none, and then all that follows but `error` is null
    box             left, top, right, bottom in pixels
    label           the most probable emotion
    probabilities   a field an emotion
    confident       false is "not sure"
    error           why the picture could not be read, or `fer.batch.NO_FACE`; null where there is a face
"""

import fcntl
import hashlib
import importlib.util
import io
import json
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
import uuid
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from unittest.mock import patch

from fer.batch import MAX_BYTES, NO_FACE
from fer.documents import to_json
from fer.errors import UserError
from fer.images import HEAD_BYTES, describe_left_out, load_image, pick_pictures
from fer.litert import load_served
from fer.model_folder import CONFIG, EXPORTS, WEIGHTS, find_model

try:
    if not importlib.util.find_spec("ray"):  # Imported later: it reads its settings when it is.
        raise ImportError
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as pd
    import pyarrow.parquet as pq
    from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem
except ImportError:
    raise UserError("Scoring needs ray[data], not installed here: pip install -r requirements-scale.txt") from None

SHARD_SIZE = (16, 512)
"""Pictures of a shard, at least and at most: 512 are seconds of work, which is all that a worker's death costs."""
SHARDS_PER_ACTOR = 4
"""Of few pictures, so that no actor waits long for the last one's."""
READ_AT_ONCE = 8
"""Pictures that an actor fetches together: object storage takes longer to answer than the network to read a face."""
PAUSES = (1, 4)
"""Seconds before a read is tried again that failed: storage may have been busy."""
ATTEMPTS = 5
"""After so many workers that died of it a shard is given up."""
FAILED_SHARDS = 10
"""That a run may have; it ends at the next one."""
COLUMNS = ("image", "bytes")
"""Names of a Parquet column of pictures, as the Hub's data sets and as Ray call it."""
OBJECT_STORES = ("s3", "gcs", "abfs")
"""Of `pyarrow.fs`: what is written appears there when it is complete, and cannot be renamed."""
ABOUT = "_scoring.json"
"""In the output: which model answers, and how. Readers of Parquet pass over a name that begins so."""
RUN = ".scoring-"
"""Beginning of the names of runs' folders in the output, which readers of Parquet pass over."""
LOCK, CLAIM = "lock", "claim"
"""In a run's folder: a file that its process has locked, with the name of its host; and, as Parquet, the names of the
pictures that it is going to answer."""
SECONDS_TO_ANSWER = 5
"""That a cluster's address has."""
FAILURES = (OSError, UnicodeError, pa.ArrowException)
"""What pyarrow raises for files that are not there, not readable or not what they should be."""


@dataclass(frozen=True)
class Plan:
    """What is to be scored.

    names: of the pictures that have no answer yet, an Arrow array of strings.
    answered: how many have one, from earlier runs.
    parquet: whether they are rows of Parquet.
    output: folder or URI for the answers.
    folder: model folder.
    already_cropped: as `fer.recognizer.Recognizer.recognize` takes it.
    left_out: how many files of the source are left out, by kind, as a sentence; "" for none.
    claimed: how many more pictures another run is answering, or was when it was killed on another host.
    run: the `_Run` that this is, open until `run_scoring` is over.
    """

    names: pa.Array
    answered: int
    parquet: bool
    output: str
    folder: Path
    already_cropped: bool
    left_out: str
    claimed: int
    run: object


class Tally(NamedTuple):
    """Counts: pictures, faces in them, pictures without a face, and pictures that could not be read."""

    pictures: int
    faces: int
    faceless: int
    unread: int


def plan_scoring(source, output, folder="bundled", model="bundled", already_cropped=False):
    """Finds the pictures that have no answer yet, and makes sure that model and output fit; starts no Ray.

    Args:
        source: folder of pictures, at any depth; text file with a path a line; Parquet file or folder of such, with a
            column of `COLUMNS`. A path may be a URI that pyarrow knows: `s3://`, `gs://`, `abfs://`.
        output: folder or URI for the answers; created where it is missing.
        folder: model folder.
        model: what to call it.
        already_cropped: each picture is one face.

    Returns:
        A `Plan`.

    Raises:
        UserError: for what is missing or does not fit; another model's output is refused, too.
    """
    names, parquet, left_out = _list_pictures(source)
    if parquet and f"{_full_name(output)}/".startswith(f"{_full_name(source)}/"):
        raise UserError(f"The output must lie outside the input, which is Parquet as well. Received: {output}")
    load_served(folder)  # Here, so that no worker meets a model that does not fit.
    files = _read_model(folder)
    document = json.loads(files[CONFIG])
    document.pop("exports", None)  # An export answers as the network does: to make one changes no answers.
    digest = hashlib.sha256(f"{json.dumps(document, indent=2)}\n".encode() + files[WEIGHTS]).hexdigest()
    run = _Run(output)
    try:
        _claim_output(run, {"sha256": digest, "already_cropped": already_cropped}, model)
        missing = names.filter(pc.invert(pc.is_in(names, value_set=_list_answered(output))))
        own = missing.filter(pc.invert(pc.is_in(missing, value_set=run.list_claimed())))
        run.claim(own)
    except BaseException:
        run.close()
        raise
    answered, claimed = len(names) - len(missing), len(missing) - len(own)
    return Plan(own, answered, parquet, output, folder, already_cropped, left_out, claimed, run)


def run_scoring(plan, address=None):
    """Scores what a `Plan` names, on all CPUs that Ray has; yields the `Tally` of each shard when it is written.

    To be closed, as generators are, where it is not run to its end: the plan's run is over then.

    Args:
        address: `HOST:PORT` of a running cluster, or `auto` for the one that this machine belongs to; None for Ray
            processes of this machine's own, which end with the run and listen on its loopback alone. On a cluster the
            package `fer` and the model travel to the nodes; what `requirements-scale.txt` names must be installed
            there, and paths without a scheme must be the same files everywhere.

    Raises:
        UserError: where no cluster is, and at the end where shards could not be done.
    """
    try:
        if len(plan.names):
            yield from _score(plan, address)
    finally:
        plan.run.close()


def _score(plan, address):
    with _open_ray(address) as ray:
        actors = max(1, int(ray.cluster_resources().get("CPU", 1)))
        smallest, largest = SHARD_SIZE
        size = min(max(len(plan.names) // (actors * SHARDS_PER_ACTOR), smallest), largest)
        shards = [pa.table({"path": plan.names.slice(start, size)}) for start in range(0, len(plan.names), size)]
        actors, model = min(actors, len(shards)), ray.put(_read_model(plan.folder))
        with warnings.catch_warnings():
            # Ray 2.60 has the new names of other settings of its actors, but not yet of this one.
            warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
            tallies = ray.data.from_arrow(shards).map_batches(
                Scorer,
                fn_constructor_args=(model, plan.run.place, plan.parquet, plan.already_cropped),
                batch_size=None,
                batch_format="pyarrow",
                # One may stay alone: a lost node's work is done where an actor with nothing left to do made room.
                compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors, initial_size=actors),
                num_cpus=1,
                max_task_retries=ATTEMPTS - 1,
            )
        missing, reasons = len(plan.names), []
        try:
            for row in tallies.iter_rows():
                reason = row.pop("reason")
                if not reason:
                    missing -= row["pictures"]
                    yield Tally(**row)
                elif len(reasons := [*reasons, reason]) > FAILED_SHARDS:
                    break
        except ray.exceptions.RayError as error:
            reasons.append(_reason(error))
    if missing:
        reason = reasons[0] if reasons else "Workers died of them."
        raise UserError(f"{missing} pictures have no answer yet; the same command goes on with them. {reason}")


class Scorer:
    """What an actor does: a recognizer that turns shards of names into files of answers.

    Args:
        model: Ray's reference to what `_read_model` gives.
        place: the `_Place` of the answers.
        parquet, already_cropped: as in `Plan`.
    """

    def __init__(self, model, place, parquet, already_cropped):
        # An actor has one CPU, whatever the machine has.
        os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
        import ray

        from fer.recognizer import Recognizer

        with tempfile.TemporaryDirectory() as folder:
            for name, content in ray.get(model).items():
                (Path(folder) / name).write_bytes(content)
            self.recognizer = Recognizer.load(folder, threads=1)
        self.place, self.already_cropped = place, already_cropped
        self.read = _read_rows if parquet else _read_files
        probabilities = pa.struct([(label, pa.float32()) for label in self.recognizer.labels])
        self.schema = pa.schema(
            [
                ("path", pa.string()),
                ("face", pa.int32()),
                ("box", pa.list_(pa.int32())),
                ("label", pa.string()),
                ("probabilities", probabilities),
                ("confident", pa.bool_()),
                ("error", pa.string()),
            ]
        )

    def __call__(self, shard):
        """One shard: a table of names in, a table of one row out, its `Tally` and the `reason` why it could not be."""
        tally, reason = Tally(0, 0, 0, 0), ""
        try:
            tally = self._answer(shard["path"].to_pylist())
        except Exception as error:  # Such as a full disk: the pictures of other shards need not suffer from it.
            reason = f"{type(error).__name__}: {error}"
        return pa.Table.from_pylist([{**tally._asdict(), "reason": reason}])

    def _answer(self, names):
        rows, faceless, unread = [], 0, 0
        for name, content in self.read(names):
            try:
                faces = self._recognize(name, content)
            except UserError as error:
                rows.append({"path": name, "error": str(error)})
                unread += 1
                continue
            rows += [
                {
                    "path": name,
                    "face": number,
                    "box": face.box,
                    "label": face.label,
                    "probabilities": face.probabilities,
                    "confident": face.confident,
                }
                for number, face in enumerate(faces, start=1)
            ]
            if not faces:
                rows.append({"path": name, "error": NO_FACE})
                faceless += 1
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, self.schema), file)
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
        self.place.put(f"{digest[:32]}.parquet", file.getvalue())
        return Tally(len(names), len(rows) - faceless - unread, faceless, unread)

    def _recognize(self, name, content):
        if isinstance(content, UserError):
            raise content
        # All faces: what is scored is the person's own.
        return self.recognizer.recognize(load_image(io.BytesIO(content), name), self.already_cropped, most=None)


def _list_pictures(source):
    """Names of a source's pictures, each once, whether they are rows of Parquet, and a sentence on what is left out."""
    filesystem, path = _locate(source)
    left_out = Counter()
    with _explained(source):
        info = filesystem.get_file_info(path)
        if info.type == FileType.NotFound:
            raise UserError(f"{source}: no such file or folder.")
        if info.type == FileType.Directory:
            inside = filesystem.get_file_info(FileSelector(path, recursive=True))
            paths = [_path_of(file) for file in inside if file.is_file]
            files = [_full_name(source) + found.removeprefix(path) for found in paths if found]
            files = [file for file in files if f"/{RUN}" not in file]
            with ThreadPoolExecutor(READ_AT_ONCE) as pool:
                pictures, left_out = pick_pictures(files, _read_head, map=pool.map)
            tables = [] if pictures else [file for file in files if _is_table(file)]
            left_out -= Counter({".parquet": len(tables)})
            left_out += Counter({"whose name is no UTF-8": paths.count(None)})
        elif path.lower().endswith(".parquet"):
            pictures, tables = [], [_full_name(source)]
        else:
            pictures, tables = _read_list(source, filesystem, path), []
    if pictures or not tables:
        names = pc.unique(pa.array(pictures, pa.large_string()))
    else:
        with ThreadPoolExecutor() as pool:
            names = pa.chunked_array(pool.map(_list_rows, sorted(tables))).combine_chunks()
    if not len(names):
        raise UserError(f"{source}: holds no pictures{left_out and f'; {describe_left_out(left_out)}' or ''}.")
    return names, not pictures, f"{source}: {describe_left_out(left_out)}." if left_out else ""


def _is_table(file):
    name = PurePosixPath(file).name
    return name.lower().endswith(".parquet") and not name.startswith(".")


def _read_head(name):
    try:
        filesystem, path = _locate(name)
        with filesystem.open_input_stream(path, compression=None) as stream:
            return stream.read(HEAD_BYTES)
    except (UserError, *FAILURES):
        return b""


def _path_of(file):
    """The path of a file that was found; None where its name is no UTF-8, which no table can hold."""
    try:
        return file.path
    except UnicodeDecodeError:
        return None


def _read_list(source, filesystem, path):
    with filesystem.open_input_stream(path, compression=None) as stream:
        content = stream.read()
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        rule = "The pictures must be a folder, Parquet, or a text file in UTF-8 with a path a line"
        raise UserError(f"{rule}. Received: {source}") from None
    return [_full_name(line) for line in (line.rstrip("\r") for line in lines) if line.strip()]


def _list_rows(file):
    filesystem, path = _locate(file)
    with _explained(file), pq.ParquetFile(path, filesystem=filesystem) as table:
        _find_column(file, table.schema_arrow)
        rows = pa.array(range(table.metadata.num_rows), pa.int64()).cast(pa.large_string())
    return pc.binary_join_element_wise(pa.scalar(file, pa.large_string()), rows, pa.scalar("#", pa.large_string()))


def _find_column(file, schema):
    """The column of pictures, in pyarrow's notation: of bytes or, as the Hub's data sets have it, a struct of such."""
    for name in COLUMNS:
        kind = schema.field(name).type if name in schema.names else None
        if kind in (pa.binary(), pa.large_binary()):
            return name
        if kind and pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return f"{name}.bytes"
    rule = f"{file}: Parquet must have a column {' or '.join(COLUMNS)} with pictures as bytes"
    raise UserError(f"{rule}. Received: {', '.join(schema.names) or 'no columns'}")


def _read_files(names):
    """Yields each name with the file's bytes, or with the `UserError` that stands for them."""
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        for start in range(0, len(names), READ_AT_ONCE):
            part = names[start : start + READ_AT_ONCE]
            yield from zip(part, pool.map(_read_file, part), strict=True)


def _read_file(name):
    for pause in (*PAUSES, None):
        try:
            filesystem, path = _locate(name)
            with filesystem.open_input_stream(path, compression=None) as stream:
                content = stream.read(MAX_BYTES + 1)
            break
        except UserError as error:
            return error
        except FileNotFoundError:
            return UserError(f"{name}: no such file.")
        except FAILURES as error:
            if pause is None or isinstance(filesystem, LocalFileSystem):
                return UserError(f"{name}: cannot be read: {_reason(error)}")
            time.sleep(pause)
    return _check_bytes(name, content)


def _check_bytes(name, content):
    if len(content) > MAX_BYTES:
        return UserError(f"{name}: pictures may have at most {MAX_BYTES / 1e6:g} MB.")
    return content


def _read_rows(names):
    """Yields each name of a row of Parquet as `_read_files` does those of files; the rows of a file ascend."""
    for file, same in groupby(names, lambda name: name.rpartition("#")[0]):
        wanted = {int(name.rpartition("#")[2]): name for name in same}
        try:
            for row, content in _open_rows(file, min(wanted), max(wanted)):
                if row in wanted:
                    name = wanted.pop(row)
                    yield name, UserError(f"{name}: the cell is empty.") if not content else _check_bytes(name, content)
        except (UserError, *FAILURES) as error:
            for name in wanted.values():
                yield name, UserError(f"{name}: cannot be read: {_reason(error)}")


def _open_rows(file, first, last):
    """Yields number and content of the rows of all row groups from that of the first row to that of the last."""
    filesystem, path = _locate(file)
    # With a buffer a column is read bit by bit, without one as a whole.
    with pq.ParquetFile(path, filesystem=filesystem, buffer_size=1 << 20) as table:
        column = _find_column(file, table.schema_arrow)
        end = 0
        for group in range(table.num_row_groups):
            start, end = end, end + table.metadata.row_group(group).num_rows
            if end <= first or start > last:
                continue
            for batch in table.iter_batches(READ_AT_ONCE, row_groups=[group], columns=[column]):
                cells = batch.column(0)
                for cell in pc.struct_field(cells, "bytes") if pa.types.is_struct(cells.type) else cells:
                    yield start, cell.as_py()
                    start += 1


def _read_model(folder):
    """The files that make a model, and the one that answers without Keras where it is there, by name."""
    files = [find_model(folder) / name for name in (CONFIG, WEIGHTS, EXPORTS["litert"])]
    return {file.name: file.read_bytes() for file in files if file.is_file()}


class _Place(NamedTuple):
    """Where a run writes: the output, and the name of the run's folder in it; None on an object store."""

    output: str
    run: str | None

    def put(self, name, content, first=False):
        """Writes a file of the output, whole or not at all; with `first` only where none is, if the disk can tell."""
        filesystem, folder = _locate(self.output)
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


class _Run:
    """A run with its folder in the output, from its plan to its end.

    Raises:
        UserError: where the output cannot be written.
    """

    def __init__(self, output):
        self._lock = None
        with _writable(output):
            filesystem, path = _locate(output)
            if filesystem.type_name in OBJECT_STORES:
                self.place = _Place(output, None)
                return
            self.place = _Place(output, f"{RUN}{uuid.uuid4().hex}")
            filesystem.create_dir(f"{path}/{self.place.run}")
            if isinstance(filesystem, LocalFileSystem):
                self._lock = open(f"{path}/{self.place.run}/{LOCK}", "x")  # noqa: SIM115 - until the run ends
                with suppress(OSError):  # Without a lock it is never known to be dead.
                    fcntl.flock(self._lock, fcntl.LOCK_EX)
                    self._lock.write(socket.gethostname())
                    self._lock.flush()

    def list_claimed(self):
        """Names of the pictures that other runs are answering; removes the folders of those that are dead."""
        filesystem, path = _locate(self.place.output)
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
        filesystem, path = _locate(self.place.output)
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


def _claim_output(run, about, model):
    """Puts a file into the output that says which answers it holds.

    Raises:
        UserError: where it cannot be written, or holds other answers or Parquet that is none.
    """
    output = run.place.output
    filesystem, path = _locate(output)
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
        raise UserError(f"{output}: cannot be written: {_reason(error)}") from None


def _list_output(output):
    filesystem, path = _locate(output)
    return [file.path for file in filesystem.get_file_info(FileSelector(path, allow_not_found=True)) if file.is_file]


def _list_answered(output):
    """Names of the pictures that have an answer."""
    filesystem, _ = _locate(output)
    with _explained(output):
        shards = [file for file in _list_output(output) if file.endswith(".parquet")]
        if not shards:
            return pa.array([], pa.large_string())
        names = pd.dataset(shards, filesystem=filesystem, format="parquet").to_table(columns=["path"])["path"]
        return names.cast(pa.large_string()).combine_chunks()


def _write(filesystem, path, content):
    with filesystem.open_output_stream(path, compression=None) as stream:
        stream.write(content)


def _full_name(name):
    """A name that means the same in every folder: a URI, or an absolute path."""
    return name.rstrip("/") if "://" in name else os.path.abspath(name)


def _locate(name):
    """The file system of a path or URI, and its path there."""
    scheme, separator, rest = name.partition("://")
    if not separator:
        return _open_filesystem("file:///")[0], os.path.abspath(name)
    authority, _, path = rest.partition("/")
    filesystem, start = _open_filesystem(f"{scheme}://{authority}/")
    return filesystem, f"{start.rstrip('/')}/{path}".rstrip("/")


@cache
def _open_filesystem(root):
    with _explained(root):
        return FileSystem.from_uri(root)


@contextmanager
def _explained(name):
    try:
        yield
    except UserError:
        raise
    except FAILURES as error:
        raise UserError(f"{name}: cannot be read: {_reason(error)}") from None


def _reason(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def _open_ray(address):
    """Ray, quiet and without telemetry, until the end of the block."""
    settings = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_BACKEND_LOG_LEVEL="fatal")
    if address is None:
        # Ray's switch for systems with a nagging firewall, where its processes listen on the loopback alone.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        settings |= {"address": "local", "include_dashboard": False}
    else:
        _check_address(address)
        settings |= {"address": address, "runtime_env": {"py_modules": [str(Path(__file__).parent)]}}
    import ray
    import ray.data
    from ray._private.node import Node

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    end = signal.getsignal(signal.SIGTERM)  # Ray sets its own, and who calls it would not tidy up.
    try:
        # With the dashboard off and no usage to report, its process still asks the metadata servers of three clouds.
        with patch.object(Node, "start_api_server", lambda node, **_: setattr(node, "_webui_url", "")):
            ray.init(**settings)
        if end and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, end)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(f"Ray cannot be had at {address or 'this machine'}: {_reason(error)}") from None
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars, context.max_errored_blocks = False, FAILED_SHARDS
        yield ray
    finally:
        ray.shutdown()


def _check_address(address):
    """Ray itself would try for two minutes, and then end the process."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        raise UserError(f"The address must be `auto` or HOST:PORT of a Ray cluster. Received: {address}")
    try:
        socket.create_connection((host, int(port)), SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"{address}: no Ray cluster answers there: {_reason(error)}") from None
