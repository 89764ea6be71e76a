"""Find the byte offsets of tensor shapes in a LiteRT file, so that a browser can change the shapes.

LiteRT.js can neither resize an input nor open a file whose batch size is not fixed. A shape is a few integers at a
known offset in the file. So the module writes the shape that it needs into its copy of the file before it opens the
copy; the file that is sent is the recorded one, byte for byte.
"""

import numpy as np
from ai_edge_litert.schema_py_generated import BuiltinOperator, Model


def find_shapes(content: bytes) -> dict:
    """Return the facts by which a browser sets the input shape of a LiteRT file with one subgraph.

    Args:
        content: content of the file.

    Returns:
        A dict. `input`: shape of the only input, with a batch of 1. `maps`: byte offsets of the heights of the feature
        maps, int32, each followed by the width. Feature maps are the tensors `(1, height, width, channels)` that are
        computed from the input; in a convolutional network they grow with it. `batches`: byte offsets of the dimensions
        without a fixed size, int32 with the value -1.
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
