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
    error           why the picture could not be read, or `fer.recognition.records.NO_FACE`; null where there is a face
"""

import hashlib
import io
import json
import logging
import os
import signal
import socket
import tempfile
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fer.errors import UserError
from fer.images.loading import load_image
from fer.models.exports import EXPORTS
from fer.models.model_folder import CONFIG, WEIGHTS, find_model
from fer.recognition.litert_network import load_served
from fer.recognition.records import NO_FACE
from fer.scoring.sources import list_pictures, read_files, read_rows
from fer.scoring.storage import Run, claim_output, first_line, full_name, list_answered

SHARD_SIZE = (16, 512)
"""Pictures of a shard, at least and at most: 512 are seconds of work, which is all that a worker's death costs."""
SHARDS_PER_ACTOR = 4
"""Of few pictures, so that no actor waits long for the last one's."""
ATTEMPTS = 5
"""After so many workers that died of it a shard is given up."""
FAILED_SHARDS = 10
"""That a run may have; it ends at the next one."""
SECONDS_TO_ANSWER = 5
"""That a cluster's address has."""


@dataclass(frozen=True)
class Plan:
    """What is to be scored.

    names: of the pictures that have no answer yet, an Arrow array of strings.
    answered: how many have one, from earlier runs.
    parquet: whether they are rows of Parquet.
    output: folder or URI for the answers.
    folder: model folder.
    already_cropped: as `fer.recognition.recognizer.Recognizer.recognize` takes it.
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
    names, parquet, left_out = list_pictures(source)
    if parquet and f"{full_name(output)}/".startswith(f"{full_name(source)}/"):
        raise UserError(f"The output must lie outside the input, which is Parquet as well. Received: {output}")
    load_served(folder)  # Here, so that no worker meets a model that does not fit.
    files = _read_model(folder)
    document = json.loads(files[CONFIG])
    document.pop("exports", None)  # An export answers as the network does: to make one changes no answers.
    digest = hashlib.sha256(f"{json.dumps(document, indent=2)}\n".encode() + files[WEIGHTS]).hexdigest()
    run = Run(output)
    try:
        claim_output(run, {"sha256": digest, "already_cropped": already_cropped}, model)
        missing = names.filter(pc.invert(pc.is_in(names, value_set=list_answered(output))))
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
            package `fer` and the model travel to the nodes; what the extra `scale` names must be installed
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
            reasons.append(first_line(error))
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

        from fer.recognition.recognizer import Recognizer

        with tempfile.TemporaryDirectory() as folder:
            for name, content in ray.get(model).items():
                (Path(folder) / name).write_bytes(content)
            self.recognizer = Recognizer.load(folder, threads=1)
        self.place, self.already_cropped = place, already_cropped
        self.read = read_rows if parquet else read_files
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


def _read_model(folder):
    """The files that make a model, and the one that answers without Keras where it is there, by name."""
    files = [find_model(folder) / name for name in (CONFIG, WEIGHTS, EXPORTS["litert"])]
    return {file.name: file.read_bytes() for file in files if file.is_file()}


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
        settings |= {"address": address, "runtime_env": {"py_modules": [str(Path(__file__).parents[1])]}}
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
        raise UserError(f"Ray cannot be had at {address or 'this machine'}: {first_line(error)}") from None
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
        raise UserError(f"{address}: no Ray cluster answers there: {first_line(error)}") from None
