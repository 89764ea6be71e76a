"""Export of a model to one file for another runtime, ONNX or LiteRT.

Its input and outputs:

    image           uint8 `(batch, image_size, image_size, 1)`, grey, values 0-255; any batch size
    probabilities   float32 `(batch, classes)`, calibrated
    maps            only LiteRT, and only if the network has them: class activation maps of all classes
                    (`fer.export.activation_maps`), float32 `(batch, 6, 6, classes)` for 48 pixels

Its metadata (ONNX's `metadata_props`, LiteRT's `metadata`) holds `labels`, a JSON list of the class names in order, and
`made_of`, the sha256 of the weights and the calibration.

Keras converts. The file is written only if its probabilities match those of Keras on the crops of `fer.export.parity`.
If it is written into a model folder with the same weights and calibration, under the name in `EXPORTS`, then its size
and sha256 are recorded in `config.json`.
"""

import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer.data.faces import list_left_out, load_faces
from fer.data.facts import find_layout
from fer.documents import to_json
from fer.errors import UserError, check
from fer.export.activation_maps import has_maps, with_maps
from fer.export.parity import build_crops
from fer.models.calibration import Calibration
from fer.models.config import CONFIG, EXPORTS, describe_origin, load_config
from fer.models.exports import check_packages, find_origin, record_export, save_exports
from fer.models.keras_backend import find_backend
from fer.models.model_folder import find_model, load_model, possible_files
from fer.outputs import check_inputs, check_outputs, written_whole
from fer.paths import StrPath
from fer.recognition.classification import BATCH_SIZE, classify
from fer.recognition.litert_network import MADE_OF, LiteRTNetwork

TOLERANCE, QUANTIZED_TOLERANCE = 1e-4, 1e-2
"""Largest allowed difference of a probability from that of Keras, with float32 and with float16 weights. 8-bit weights,
which take half the size of float16, are not offered: the difference is 0.02 (`python -m benchmarks.exports`)."""


@dataclass(frozen=True)
class Export:
    """Result of an export.

    size: size of the file in bytes.
    difference: largest difference of a probability from that of Keras, on the crops of `fer.export.parity`.
    accuracy: `n`, the number of pictures of the validation split, and the accuracies `keras` and `file` on them, 0-1;
        None if it was not measured.
    skipped: messages on pictures that were left out of that split.
    """

    size: int
    difference: float
    accuracy: dict[str, Any] | None
    skipped: Sequence[str] = ()


def check_formats(formats: Sequence[str], quantize: bool = False) -> None:
    """Raise an error, before any work is done, unless models can be exported to these formats here.

    Args:
        formats: formats, keys of `EXPORTS`.
        quantize: whether to store the weights as float16.

    Raises:
        UserError: if a format is unknown or cannot be quantized, or if a package or the TensorFlow backend is missing.
    """
    for name in formats:
        if name not in EXPORTS:
            raise UserError(f"`format` must be {' or '.join(EXPORTS)}. Received: {name!r}")
        if quantize and name != "litert":
            raise UserError(f"`quantize` goes with the format litert. Received: {name!r}")
        check_packages(name)
    if formats and (backend := find_backend()) != "tensorflow":
        raise UserError(f"An export needs Keras on TensorFlow. Received: KERAS_BACKEND={backend}")


def export_model(
    folder: StrPath,
    format: str,
    output: StrPath,
    quantize: bool = False,
    data: StrPath | None = None,
    skip_bad: bool = False,
    layout: str | None = None,
) -> Export:
    """Write a model as a file of another format, if its probabilities match those of Keras.

    Args:
        folder: path of a model folder, or `bundled`.
        format: a key of `EXPORTS`.
        output: path of the file; an existing one is replaced. The path of `EXPORTS` in the model folder itself is
            recorded in its `config.json`.
        quantize: whether to store the weights as float16.
        data, skip_bad: data set on whose validation split to measure the accuracy, and whether to leave out unreadable
            pictures, as `fer.data.faces.load_faces` takes them; None to measure no accuracy.
        layout: layout of the data set; None for that of the training (`fer.data.facts.find_layout`).

    Raises:
        UserError: if an argument is not valid, or if probabilities differ from those of Keras by more than `TOLERANCE`,
            or `QUANTIZED_TOLERANCE` with `quantize`. Nothing is written then.
    """
    folder, output = find_model(folder), Path(output)
    check_inputs(data)
    # The folder's own export of this format may be replaced.
    read = [file for file in possible_files(folder) if file.name != EXPORTS.get(format)]
    check_outputs({"`--output`": output}, [*read, *([data] if data else [])])
    origin = describe_origin(load_config(folder))
    if output.exists() and output.name in EXPORTS.values() and (output.parent / CONFIG).is_file():
        check(find_origin(output.parent) == origin, "--output", "in no folder of another model", output)
    check_formats([format], quantize)
    _check_suffix(output, format)
    with written_whole(output) as complete, tempfile.TemporaryDirectory(dir=complete.parent) as staging:
        file = Path(staging, EXPORTS[format])  # Keras requires the suffix of the format.
        network, config = load_model(folder)
        faces = data and load_faces(
            data,
            "validation",
            classes=config.labels,
            image_size=config.image_size,
            skip_bad=skip_bad,
            layout=find_layout(layout, data, config.training),
        )
        made_of = describe_origin(config)  # Of what was loaded; the folder may have changed since.
        _convert(network, config, format, file, made_of, quantize)
        classify_crops = open_export(file, format)
        difference = _compare(network, config, classify_crops)
        limit = QUANTIZED_TOLERANCE if quantize else TOLERANCE
        if not difference <= limit:  # True for NaN too.
            rule = f"Its probabilities must be within {limit:g} of Keras' own"
            raise UserError(f"{output}: not written. {rule}. Received: a difference of {difference:.2g}")
        accuracy = _measure(network, config, classify_crops, faces) if faces else None
        record = record_export(file, made_of, quantize)
        file.replace(complete)
    if output.name == EXPORTS[format] and find_origin(output.parent) == made_of:
        save_exports(output.parent, {format: record})
    return Export(record.size, difference, accuracy, list_left_out(faces) if faces else [])


def build_export_network(network: Any, calibration: Calibration, maps: bool = False) -> Any:
    """Return the Keras model that is converted: it takes `image`, and returns calibrated `probabilities` and `maps`.

    Args:
        network: network of `fer.models.networks`.
        calibration: `fer.models.calibration.Calibration` of the network.
        maps: whether `maps` are an output; the network must have them.
    """
    import keras

    image = keras.Input(network.input_shape[1:], dtype="uint8", name="image")
    outputs = {}
    if maps:
        probabilities, outputs["maps"] = with_maps(network)(image)
    else:
        probabilities = network(image)
    divisors = calibration.divisors
    if divisors is not None:
        probabilities = probabilities * (1 / divisors).astype("float32")
    if divisors is not None or calibration.temperature != 1:
        # The same as `fer.models.calibration.scale_temperature`, but without logarithms, which zeros do not have.
        powers = probabilities ** (1 / calibration.temperature)
        probabilities = powers / keras.ops.sum(powers, axis=1, keepdims=True)
    return keras.Model(image, {"probabilities": probabilities, **outputs})


def open_export(path: StrPath, format: str, threads: int | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """Open an export in its runtime.

    Args:
        path: path of the file.
        format: a key of `EXPORTS`.
        threads: number of the runtime's threads; None lets the runtime choose.

    Returns:
        A function of crops, uint8 `(n, image_size, image_size)`, that returns probabilities, float32 `(n, classes)`.
    """
    if format == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        session = onnxruntime.InferenceSession(path, options)
        return lambda crops: session.run(["probabilities"], {"image": crops[..., None]})[0]
    network = LiteRTNetwork(Path(path).read_bytes(), threads)
    return lambda crops: network.predict_on_batch(crops[..., None])


def _check_suffix(output, format):
    """Raise a `UserError` if a file has the suffix of another format, as that export of a model folder has."""
    for other, name in EXPORTS.items():
        if other != format and output.suffix.lower() == Path(name).suffix:
            rule = f"`--output` must not end in {output.suffix}, the suffix of {other}, with the format {format}"
            raise UserError(f"{rule}. Received: {output}")


def _convert(network, config, format, path, made_of, quantize):
    """Write a network as a file of a format, with its metadata.

    Args:
        network: Keras network of a model folder.
        config: its `fer.models.config.ModelConfig`.
        format: a key of `EXPORTS`.
        path: path of the file.
        made_of: `fer.models.config.describe_origin` of the model folder.
        quantize: whether to store the weights as float16.
    """
    metadata = {"labels": to_json(config.labels), MADE_OF: made_of}
    if format == "onnx":
        _convert_to_onnx(build_export_network(network, config.calibration), path, metadata)
    else:
        model = build_export_network(network, config.calibration, maps=has_maps(network))
        _convert_to_litert(model, path, metadata, quantize)


def _convert_to_onnx(model, path, metadata):
    """Write a Keras model as an ONNX file, and name the first dimension of its input and outputs `batch`."""
    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras' patch of tf2onnx for NumPy 2 raises it.
        # Keras needs `input_signature` because this model has never been called.
        model.export(path, format="onnx", verbose=False, input_signature=model.inputs)
    document = onnx.load(path)
    for value in (*document.graph.input, *document.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(document, metadata)
    onnx.save(document, path)


def _convert_to_litert(model, path, metadata, quantize):
    """Write a Keras model as a LiteRT file, and append the metadata as buffers of the file."""
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
    """Return the largest difference of a probability from that of Keras, in a batch of one crop and a batch of 63."""
    crops = build_crops(config.image_size)
    expected = config.calibration.apply(classify(network, crops))
    received = np.concatenate([classify_crops(crops[:1]), classify_crops(crops[1:])])
    return float(np.abs(received - expected).max())


def _measure(network, config, classify_crops, faces):
    """Return the number of faces, and the accuracies of Keras, calibrated, and of the export on them."""
    images = faces.images[..., 0]
    batches = [images[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE)]
    by_keras = config.calibration.apply(classify(network, images))
    answers = {"keras": by_keras, "file": np.concatenate([classify_crops(batch) for batch in batches])}
    shares = {name: float((rows.argmax(axis=1) == faces.labels).mean()) for name, rows in answers.items()}
    return {"n": len(faces), **shares}
