"""A model as one file for another runtime, ONNX or LiteRT: face crops in, calibrated probabilities out.

    image           uint8 `(batch, image_size, image_size, 1)`, grey, values 0-255; any batch size
    probabilities   float32 `(batch, classes)`, as the app shows them: scaling and calibration are inside
    maps            LiteRT alone, where the network has them: `fer.export.activation_maps`'s maps of every class,
                    float32 `(batch, 6, 6, classes)` for 48 pixels

In the metadata, ONNX's `metadata_props` and LiteRT's `metadata`, are `labels`, their names in order as a JSON list, and
`made_of`, the sha256 of the weights and the calibration.

Keras converts; a file whose probabilities are not Keras' own on the crops of `fer.export.parity` is not written. One
that is written into a model folder of the same weights and calibration, under its name there, is recorded in
`config.json`: its size and sha256 are checked before it is used.
"""

import importlib.util
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer.data.fer2013 import load_faces
from fer.documents import to_json
from fer.errors import UserError
from fer.export.activation_maps import has_maps, with_maps
from fer.export.parity import build_crops
from fer.models.config import load_config
from fer.models.conversion import find_backend
from fer.models.exports import EXPORTS, find_origin, record_export, save_exports
from fer.models.model_folder import find_model, list_files, load_model
from fer.outputs import check_inputs, check_outputs, written_whole
from fer.recognition.classification import BATCH_SIZE, classify
from fer.recognition.litert_network import MADE_OF, LiteRTNetwork
from fer.resources import install_command

PACKAGES = {"onnx": ("onnx", "onnxruntime", "tf2onnx"), "litert": ("ai_edge_litert",)}
TOLERANCE, QUANTIZED_TOLERANCE = 1e-4, 1e-2
"""How far a probability may be from Keras' own. The second is why quantised weights are float16, half of the size:
with 8-bit weights, a quarter of it, probabilities differ by 0.03 (`python -m benchmarks.exports`)."""


@dataclass(frozen=True)
class Export:
    """A file that was written.

    size: its bytes.
    difference: the largest between one of its probabilities and Keras' own, on the crops of `fer.export.parity`.
    accuracy: on the validation split, `n` pictures: of `keras` and of the `file`, 0-1; None if it was not measured.
    """

    size: int
    difference: float
    accuracy: dict | None


def check_formats(formats, quantize=False):
    """Make sure, before any work is done, that models can be exported to these formats here.

    Args:
        formats: names.
        quantize: whether the files are to be quantised.

    Raises:
        UserError: for an unknown format, one that cannot be quantised, a package or a backend that is missing.
    """
    for name in formats:
        if name not in EXPORTS:
            raise UserError(f"`format` must be {' or '.join(EXPORTS)}. Received: {name!r}")
        if quantize and name != "litert":
            raise UserError(f"`quantize` goes with the format litert. Received: {name!r}")
        missing = [package for package in PACKAGES[name] if not importlib.util.find_spec(package)]
        if missing:
            raise UserError(
                f"An export to {name} needs {', '.join(missing)}, not installed here: {install_command('export')}"
            )
    if formats and (backend := find_backend()) != "tensorflow":
        raise UserError(f"An export needs Keras on TensorFlow. Received: KERAS_BACKEND={backend}")


def export_model(folder, format, output, quantize=False, data=None, skip_bad=False):
    """Write a model as a file of another format, if that answers as Keras does.

    Args:
        folder: model folder or `bundled`.
        format: a key of `EXPORTS`.
        output: path of the file; one that is there is replaced. That of `EXPORTS` in a model folder is recorded there.
        quantize: store the weights as float16.
        data, skip_bad: as `fer.data.fer2013.load_faces` takes them, to measure the accuracy on validation; None not to.

    Returns:
        An `Export`.

    Raises:
        UserError: for a format, model, data or output that does not fit, or probabilities that differ from Keras' by
            more than `TOLERANCE`, or `QUANTIZED_TOLERANCE`. Nothing is written then.
    """
    folder, output = find_model(folder), Path(output)
    check_inputs(data)
    # Where a folder's exports lie they are written anew.
    read = [file for file in list_files(folder) if file.name not in EXPORTS.values()]
    check_outputs({"`--output`": output}, [*read, *([data] if data else [])])
    load_config(folder)
    check_formats([format], quantize)
    # Keras wants the format's own suffix.
    with written_whole(output) as whole, tempfile.TemporaryDirectory(dir=whole.parent) as staging:
        file = Path(staging, EXPORTS[format])
        network, config = load_model(folder)
        faces = load_faces(data, "validation", config.labels, config.image_size, None, skip_bad) if data else None
        made_of = find_origin(folder)
        metadata = {"labels": to_json(config.labels), MADE_OF: made_of}
        if format == "onnx":
            _convert_to_onnx(build_export_network(network, config.calibration), file, metadata)
        else:
            served = build_export_network(network, config.calibration, maps=has_maps(network))
            _convert_to_litert(served, file, metadata, quantize)
        classify_crops = open_export(file, format)
        difference = _compare(network, config, classify_crops)
        limit = QUANTIZED_TOLERANCE if quantize else TOLERANCE
        if not difference <= limit:  # Nor is NaN within it.
            rule = f"Its probabilities must be within {limit:g} of Keras' own"
            raise UserError(f"{output}: not written. {rule}. Received: a difference of {difference:.2g}")
        accuracy = faces and _measure(network, classify_crops, faces)
        record = record_export(file, made_of, quantize)
        file.replace(whole)
    if output.name == EXPORTS[format] and find_origin(output.parent) == made_of:
        save_exports(output.parent, {format: record})
    return Export(record.size, difference, accuracy)


def build_export_network(network, calibration, maps=False):
    """Return the Keras model to convert: uint8 `image` in, calibrated float32 `probabilities` and perhaps `maps` out.

    Args:
        network: of `fer.models.networks`.
        calibration: `fer.models.calibration.Calibration` of it.
        maps: whether class activation maps come out too; the network must have them.
    """
    import keras

    image = keras.Input(network.input_shape[1:], dtype="uint8", name="image")
    more = {}
    if maps:
        probabilities, more["maps"] = with_maps(network)(image)
    else:
        probabilities = network(image)
    if calibration.prior_exponent or calibration.temperature != 1:
        if calibration.prior_exponent:
            probabilities = probabilities * (1 / calibration.divisors).astype("float32")
        # The softmax of the logits divided by the temperature, `fer.models.calibration.temper`, without a logarithm of
        # zero.
        powers = probabilities ** (1 / calibration.temperature)
        probabilities = powers / keras.ops.sum(powers, axis=1, keepdims=True)
    return keras.Model(image, {"probabilities": probabilities, **more})


def open_export(path, format, threads=None):
    """Open an exported file in its runtime.

    Args:
        path: path of the file.
        format: a key of `EXPORTS`.
        threads: number of the runtime's threads; None for its own choice.

    Returns:
        A function of crops, uint8 `(n, image_size, image_size)`; it gives their probabilities, float32 `(n, classes)`.
    """
    if format == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        session = onnxruntime.InferenceSession(path, options)
        return lambda crops: session.run(["probabilities"], {"image": crops[..., None]})[0]
    network = LiteRTNetwork(Path(path).read_bytes(), threads)
    return lambda crops: network.predict_on_batch(crops[..., None])


def _convert_to_onnx(model, path, metadata):
    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Of Keras' own patch of tf2onnx for NumPy 2.
        # Without its signature Keras refuses a model that has never been called.
        model.export(path, format="onnx", verbose=False, input_signature=model.inputs)
    document = onnx.load(path)
    for value in (*document.graph.input, *document.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(document, metadata)
    onnx.save(document, path)


def _convert_to_litert(model, path, metadata, quantize):
    import tensorflow as tf
    from tensorflow.lite.python.schema_py_generated import BufferT, MetadataT
    from tensorflow.lite.tools import flatbuffer_utils

    half = {"optimizations": [tf.lite.Optimize.DEFAULT], "target_spec": {"supported_types": [tf.float16]}}
    model.export(path, format="litert", verbose=False, **(half if quantize else {}))
    document = flatbuffer_utils.read_model(str(path))
    for name, text in metadata.items():
        buffer, entry = BufferT(), MetadataT()
        buffer.data = list(text.encode())
        entry.name, entry.buffer = name, len(document.buffers)
        document.buffers.append(buffer)
        document.metadata.append(entry)
    flatbuffer_utils.write_model(document, str(path))


def _compare(network, config, classify_crops):
    """The largest difference from the served probabilities, on one crop alone and on the others at once."""
    crops = build_crops(config.image_size)
    expected = config.calibration.apply(classify(network, crops))
    received = np.concatenate([classify_crops(crops[:1]), classify_crops(crops[1:])])
    return float(np.abs(received - expected).max())


def _measure(network, classify_crops, faces):
    images = faces.images[..., 0]
    batches = [images[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE)]
    answers = {"keras": classify(network, images), "file": np.concatenate([classify_crops(batch) for batch in batches])}
    shares = {name: float((rows.argmax(axis=1) == faces.labels).mean()) for name, rows in answers.items()}
    return {"n": len(faces), **shares}
