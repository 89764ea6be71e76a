"""Recognize the faces of millions of pictures on Ray Data, each picture exactly once.

The unit of work is the shard. The driver cuts the names of the pictures into shards. An actor reads the pictures of one
shard, answers them and writes one file, which is named after a digest of the names and appears whole or not at all. A
shard that is answered again because a worker died replaces the same file, and a run after an unfinished one plans only
those pictures that are in no file, or whose file has changed since. So each picture is in the output exactly once.
Pictures never pass through Ray's object store.

Each run has a folder `.scoring-…` in the output. It holds unfinished files and the list of pictures that the run is
going to answer; another run into the same output leaves these pictures out. The folder is removed at the end of the
run. The folder of a killed run is removed by the next run on the same host that can take its lock; on another host,
nobody can tell that it was killed, and its pictures stay left out until a person deletes it.

Object storage has neither locks nor such folders. Runs into one output do not notice each other there, and would answer
the same pictures: start one at a time.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from fer.errors import UserError
from fer.models.config import CONFIG, WEIGHTS
from fer.models.model_folder import find_model
from fer.paths import StrPath
from fer.recognition.litert_network import LiteRTFile, read_litert_file
from fer.scoring.cluster import open_ray
from fer.scoring.filesystems import first_line, make_absolute
from fer.scoring.scorer import Scorer, Tally
from fer.scoring.sources import list_pictures
from fer.scoring.storage import Claim, ScoringRun, claim_output, list_rows, needs_answer

SHARD_SIZE = (16, 512)
"""Smallest and largest number of pictures in a shard. 512 pictures are seconds of work, which is the most that is lost
when a worker dies."""
SHARDS_PER_ACTOR = 4
"""Number of shards per actor if there are few pictures, so that no actor waits long for the last shard of another."""
ATTEMPTS = 5
"""Number of attempts per shard; a shard during which this many workers died is given up."""
MAX_FAILED_SHARDS = 10
"""Number of failed shards that a run tolerates; it ends at the next one."""


@dataclass(frozen=True)
class ScoringPlan:
    """Pictures to answer in one run.

    pictures: the pictures that have no answer yet, an Arrow table as `fer.scoring.sources.list_pictures` returns it.
    answered: number of pictures that earlier runs answered.
    parquet: whether the pictures are rows of Parquet.
    output: folder or URI for the answers.
    model_file: `fer.recognition.litert_network.LiteRTFile` of the model that answers.
    already_cropped: whether each picture is one face.
    left_out: sentence on the files of the source that are left out, counted by kind; "" if there are none.
    claims: the `fer.scoring.storage.Claim` of each other run that was to answer some of the pictures, with their names.
    again: number of `pictures` that an earlier run could not open, or whose file has changed since it was answered.
    run: the open `ScoringRun`; `run_scoring` closes it.
    """

    pictures: pa.Table
    answered: int
    parquet: bool
    output: str
    model_file: LiteRTFile
    already_cropped: bool
    left_out: str
    claims: list[Claim]
    again: int
    run: ScoringRun

    @property
    def claimed(self) -> int:
        """Number of pictures that other runs are answering, or were answering when they were killed."""
        return sum(len(claim.names) for claim in self.claims)


def plan_scoring(
    source: str,
    output: str,
    folder: StrPath = "bundled",
    model: str = "bundled",
    already_cropped: bool = False,
) -> ScoringPlan:
    """Find the pictures that have no answer yet, and check that model and output fit; this does not start Ray.

    A picture that an earlier run could not open has no answer, nor has one whose file has changed since that run listed
    it; the rows of these pictures are removed.

    Args:
        source: folder of pictures, at any depth; text file with one path per line; Parquet file, or folder of Parquet
            files, with a column named in `fer.scoring.sources.PICTURE_COLUMNS`. A path may be a URI that pyarrow knows:
            `s3://`, `gs://`, `abfs://`.
        output: folder or URI for the answers; created if it is missing.
        folder: model folder.
        model: name of the model, to be recorded in the output.
        already_cropped: whether each picture is one face.

    Returns:
        A `ScoringPlan`.

    Raises:
        UserError: if the source, the model or the output is missing or does not fit, or if the output holds the answers
            of another model.
    """
    listed, parquet, left_out = list_pictures(source)
    if parquet and f"{make_absolute(output)}/".startswith(f"{make_absolute(source)}/"):
        raise UserError(f"The output must lie outside the input, which is Parquet as well. Received: {output}")
    model_file = read_litert_file(folder)
    model_file.open()  # A model that does not fit is refused here, not in a worker.
    settings = {"sha256": _digest_model(folder), "already_cropped": already_cropped}
    run = ScoringRun(output)
    try:
        claim_output(run, settings, model)
        with run.planning():
            claims = run.list_claims()  # Before the answers: those of a run that ends meanwhile are in one of the two.
            rows = list_rows(output)
            missing = listed.filter(needs_answer(listed, rows))
            own = missing
            for claim in claims:
                own = own.filter(pc.invert(pc.is_in(own["path"], value_set=claim.names)))
            run.claim(own["path"])
            again = own["path"].filter(pc.is_in(own["path"], value_set=rows["path"]))
            run.remove(again)
    except BaseException:
        run.close()
        raise
    answered, wanted = len(listed) - len(missing), missing["path"].combine_chunks()
    claims = [claim._replace(names=claim.names.filter(pc.is_in(claim.names, value_set=wanted))) for claim in claims]
    claims = [claim for claim in claims if len(claim.names)]
    return ScoringPlan(own, answered, parquet, output, model_file, already_cropped, left_out, claims, len(again), run)


def run_scoring(plan: ScoringPlan, address: str | None) -> Iterator[Tally]:
    """Answer the pictures of a plan on all CPUs that Ray has, and yield the `Tally` of each shard once it is written.

    Close this generator if you do not exhaust it: that ends the plan's run.

    Args:
        address: `HOST:PORT` of a running cluster, or `auto` for the cluster that this machine belongs to; None starts
            Ray processes on this machine, which end with the run and listen only on the loopback interface. On a
            cluster the package `fer` and the model are sent to the nodes; the packages of the extra `scale` must be
            installed there, and paths without a scheme must name the same files on every node.

    Raises:
        UserError: if there is no cluster at the address, and at the end if shards failed.
    """
    try:
        if len(plan.pictures):
            yield from _score(plan, address)
    finally:
        plan.run.close()


def _score(plan, address):
    with open_ray(address, MAX_FAILED_SHARDS) as ray:
        cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
        shards = _cut_shards(plan.pictures, cpus)
        actors, model = min(cpus, len(shards)), ray.put(plan.model_file)
        with warnings.catch_warnings():
            # Ray 2.60 deprecates `ray_remote_args`, but has no other argument for `max_task_retries` yet.
            warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
            tallies = ray.data.from_arrow(shards).map_batches(
                Scorer,
                fn_constructor_args=(model, plan.run.destination, plan.parquet, plan.already_cropped),
                batch_size=None,
                batch_format="pyarrow",
                # `min_size=1`: if a node is lost, an idle actor elsewhere may end and make room for its work.
                compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors, initial_size=actors),
                num_cpus=1,
                max_task_retries=ATTEMPTS - 1,
            )
        missing, reasons = len(plan.pictures), []
        try:
            for row in tallies.iter_rows():
                reason = row.pop("reason")
                if not reason:
                    missing -= row["pictures"]
                    yield Tally(**row)
                elif len(reasons := [*reasons, reason]) > MAX_FAILED_SHARDS:
                    break
        except ray.exceptions.RayError as error:
            reasons.append(first_line(error))
    if missing:
        reason = reasons[0] if reasons else "Workers died of them."
        raise UserError(f"{missing} pictures have no answer yet; the same command goes on with them. {reason}")


def _cut_shards(pictures, actors):
    """Cut the table of pictures into tables of one shard each."""
    smallest, largest = SHARD_SIZE
    size = min(max(len(pictures) // (actors * SHARDS_PER_ACTOR), smallest), largest)
    return [pictures.slice(start, size) for start in range(0, len(pictures), size)]


def _digest_model(folder):
    """Return the sha256 of a model; exports do not change it, because they answer as the network does."""
    config, weights = ((find_model(folder) / name).read_bytes() for name in (CONFIG, WEIGHTS))
    document = json.loads(config)
    document.pop("exports", None)
    return hashlib.sha256(f"{json.dumps(document, indent=2)}\n".encode() + weights).hexdigest()
