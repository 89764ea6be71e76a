import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from fer.detection.blazeface import FAR, NEAR
from fer.models.config import EXPORTS
from fer.models.model_folder import BUNDLED
from fer.web.shapes import find_shapes


def write_shape(content, shapes, height, width):
    """Return a LiteRT file with another input size, as `reshape` in `runtime.js` writes it."""
    content = bytearray(content)
    _, own_height, own_width, _ = shapes["input"]
    for place in shapes["batches"]:
        content[place : place + 4] = np.int32(1).tobytes()
    for place in shapes["maps"]:
        sides = np.frombuffer(content, np.int32, 2, place) * (height, width) // (own_height, own_width)
        content[place : place + 8] = sides.astype(np.int32).tobytes()
    return bytes(content)


def run(interpreter, values):
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    return [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]


@pytest.mark.parametrize("file", [NEAR, FAR])
def test_a_detector_with_written_shapes_agrees_with_a_resized_one(file):
    content = file.read_bytes()
    shapes = find_shapes(content)
    side = shapes["input"][1]
    height, width = side // 8 * 6, side // 8 * 12
    values = np.random.default_rng(0).uniform(-1, 1, (1, height, width, 3)).astype(np.float32)
    resized = Interpreter(model_content=content)
    resized.resize_tensor_input(resized.get_input_details()[0]["index"], values.shape)
    written = Interpreter(model_content=write_shape(content, shapes, height, width))
    for one, other in zip(run(written, values), run(resized, values), strict=True):
        assert np.array_equal(one, other)


def test_the_bundled_model_with_a_batch_of_one_answers_the_same():
    content = (BUNDLED / EXPORTS["litert"]).read_bytes()
    shapes = find_shapes(content)
    assert shapes["input"] == [1, 48, 48, 1]
    assert set(np.concatenate([np.frombuffer(content, np.int32, 1, place) for place in shapes["batches"]])) == {-1}
    fixed = Interpreter(model_content=write_shape(content, shapes, 48, 48))
    assert [list(output["shape_signature"]) for output in fixed.get_output_details()] == [[1, 6, 6, 7], [1, 7]]
    crop = np.random.default_rng(0).integers(0, 256, (1, 48, 48, 1), np.uint8)
    for one, other in zip(run(fixed, crop), run(Interpreter(model_content=content), crop), strict=True):
        assert np.array_equal(one, other)
