"""Find where a LiteRT file states the shapes of its tensors, so that a browser can set others.

LiteRT.js neither resizes an input nor takes one whose batch is open. But a shape is a few integers at a fixed place of
the file: the module writes the shape that it needs into its copy before it opens it, and the file that is sent stays
the recorded one, byte for byte.
"""

import numpy as np
from ai_edge_litert.schema_py_generated import BuiltinOperator, Model


def find_shapes(content: bytes) -> dict:
    """Return what a browser needs to set the input shape of a LiteRT file of one subgraph.

    Args:
        content: all bytes of the file.

    Returns:
        `input`: the shape of the only input, its batch 1.
        `maps`: byte offsets of the heights of the maps, int32, the width 4 bytes after each. Maps are the tensors
            `(1, height, width, channels)` that follow from the input; in a convolutional network they grow as it does.
        `batches`: byte offsets of the dimensions that the file leaves open, int32 with the value -1.
    """
    model = Model.GetRootAs(content)
    start = np.frombuffer(content, np.uint8).ctypes.data
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(number) for number in range(graph.TensorsLength())]
    constant = {number for number, tensor in enumerate(tensors) if model.Buffers(tensor.Buffer()).DataLength()}
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex())
        if max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) == BuiltinOperator.DEQUANTIZE:
            constant.update(operator.OutputsAsNumpy().tolist())
    maps = [
        tensor.ShapeAsNumpy()
        for number, tensor in enumerate(tensors)
        if number not in constant and tensor.ShapeLength() == 4
    ]
    signatures = [tensor.ShapeSignatureAsNumpy() for tensor in tensors if tensor.ShapeSignatureLength()]
    open_places = ((shape, int(place)) for shape in signatures for place in np.flatnonzero(shape < 0))
    return {
        "input": [int(length) for length in graph.Tensors(graph.Inputs(0)).ShapeAsNumpy()],
        "maps": sorted({shape.ctypes.data - start + 4 for shape in maps}),
        "batches": sorted({shape.ctypes.data - start + 4 * place for shape, place in open_places}),
    }
