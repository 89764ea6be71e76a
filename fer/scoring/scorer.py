"""The work of one Ray actor: read the pictures of a shard, recognize their faces, and write one Parquet file.

The file has these columns:

path            absolute path, where a relative one of a list counts from the working directory, or URI; `FILE#ROW` for
                a row of Parquet, counted from 0
face            number of the face from 1, the largest first; null where there is no face, and then all columns
                down to `confident` are null
box             left, top, right, bottom in pixels
label           most probable class
probabilities   struct with one field per class
confident       false if the answer is "not sure"
error           reason why the picture could not be read, or `fer.recognition.records.NO_FACE`; null where there is
                a face
unopened        true if the picture was missing or could not be opened, so that the next run reads it again
note            remark on a picture that was read, such as that its file lacks its last bytes
                (`fer.images.loading.note_of`); null where there is none
file_size       bytes of the file when the run listed it, for a row of Parquet those of the Parquet file; -1 if it could
                not be looked up. A later run that finds another size or time reads the picture again
file_modified   time at which the file was last modified, as above; null if it could not be looked up
"""

import hashlib
import io
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fer.errors import UserError
from fer.images.loading import load_image, note_of
from fer.recognition.records import NO_FACE
from fer.scoring.file_states import FILE_STATE
from fer.scoring.filesystems import UnopenedError
from fer.scoring.sources import read_files, read_rows


class Tally(NamedTuple):
    """Counts of pictures, of faces in them, of pictures without a face, and of pictures that could not be read."""

    pictures: int
    faces: int
    faceless: int
    unread: int


class Scorer:
    """Actor class of `ray.data`: a recognizer that answers shards of pictures and writes the answers.

    Args:
        model: Ray's reference to a `fer.recognition.litert_network.LiteRTFile`.
        destination: `fer.scoring.storage.Destination` of the answers.
        parquet: whether the pictures are rows of Parquet.
        already_cropped: whether each picture is one face.
    """

    def __init__(self, model, destination, parquet, already_cropped):
        import ray

        from fer.recognition.recognizer import Recognizer

        # An actor has one CPU, however many the machine has.
        self.recognizer = Recognizer.open(ray.get(model), "scoring", threads=1)
        self.destination, self.already_cropped = destination, already_cropped
        self.read = read_rows if parquet else read_files
        self.schema = _build_schema(self.recognizer.labels)

    def __call__(self, shard):
        """Answer one shard.

        Args:
            shard: Arrow table of pictures, as `fer.scoring.sources.list_pictures` returns them.

        Returns:
            An Arrow table of one row: the fields of the shard's `Tally`, and `reason`, "" or why the shard failed.
        """
        tally, reason = Tally(0, 0, 0, 0), ""
        try:
            tally = self._answer(shard)
        except Exception as error:  # For example a full disk; the other shards are still answered.
            reason = f"{type(error).__name__}: {error}"
        return pa.Table.from_pylist([{**tally._asdict(), "reason": reason}])

    def _answer(self, shard):
        """Write the answers for the pictures of a shard, and return their `Tally`."""
        names, rows, faceless, unread = shard["path"].to_pylist(), [], 0, 0
        for name, content in self.read(names):
            try:
                faces, note = self._recognize(name, content)
            except UserError as error:
                rows.append({"path": name, "error": str(error), "unopened": isinstance(error, UnopenedError)})
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
                    "unopened": False,
                    "note": note,
                }
                for number, face in enumerate(faces, start=1)
            ]
            if not faces:
                rows.append({"path": name, "error": NO_FACE, "unopened": False, "note": note})
                faceless += 1
        table, file = pa.Table.from_pylist(rows, self.schema), io.BytesIO()
        place = pc.index_in(table["path"].cast(pa.large_string()), value_set=shard["path"])
        for name in FILE_STATE.names:
            table = table.append_column(FILE_STATE.field(name), shard[name].take(place))
        pq.write_table(table, file)
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
        self.destination.write(f"{digest[:32]}.parquet", file.getvalue())
        return Tally(len(names), len(rows) - faceless - unread, faceless, unread)

    def _recognize(self, name, content):
        """Return all faces of a picture, however many, and its note or None.

        Args:
            name: name of the picture.
            content: bytes of the picture, or the `UserError` to raise.
        """
        if isinstance(content, UserError):
            raise content
        image = load_image(io.BytesIO(content), name)
        return self.recognizer.recognize(image, self.already_cropped, most=None), note_of(image) or None


def _build_schema(labels):
    """Return the schema of the columns down to `note`; those of the file's state are appended to them."""
    return pa.schema(
        [
            ("path", pa.string()),
            ("face", pa.int32()),
            ("box", pa.list_(pa.int32())),
            ("label", pa.string()),
            ("probabilities", pa.struct([(label, pa.float32()) for label in labels])),
            ("confident", pa.bool_()),
            ("error", pa.string()),
            ("unopened", pa.bool_()),
            ("note", pa.string()),
        ]
    )
