"""Convert MediaPipe's BlazeFace networks, whose input has a fixed size, to networks with an input of any size.

    python -m benchmarks.blazeface face_detection_back.tflite fer/detection/weights/face_detection_back.tflite

All layers are convolutions except the last two, which flatten the maps of scores and boxes to lists of fixed length and
concatenate them. These two are removed, so that the outputs are the maps: fine scores, coarse scores, fine boxes,
coarse boxes. The weights are not changed.
"""

import argparse
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert.schema_py_generated import BuiltinOperator, ModelT


def main():
    parser = argparse.ArgumentParser("python -m benchmarks.blazeface", description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="MediaPipe's .tflite file")
    parser.add_argument("output", type=Path, help="file to write")
    options = parser.parse_args()
    options.output.write_bytes(free_size(options.source.read_bytes()))


def free_size(content):
    """Return the content of a LiteRT file whose input may be resized; `content` is that of MediaPipe's file."""
    model = ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    made_by = {int(operator.outputs[0]): operator for operator in graph.operators}
    joins = [made_by[int(index)] for index in graph.outputs]
    flattened = [made_by[int(index)] for join in joins for index in join.inputs]
    kinds = (BuiltinOperator.CONCATENATION,) * 2 + (BuiltinOperator.RESHAPE,) * 4
    if tuple(_kind(model, operator) for operator in (*joins, *flattened)) != kinds:
        raise SystemExit("The network must end in two joins of flattened maps, as MediaPipe's do")
    maps = sorted((int(operator.inputs[0]) for operator in flattened), key=lambda index: _place(graph.tensors[index]))
    graph.outputs = np.array(maps, np.int32)
    graph.operators = [operator for operator in graph.operators if operator not in (*joins, *flattened)]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _kind(model, operator):
    """Return the `BuiltinOperator` of an operator."""
    code = model.operatorCodes[operator.opcodeIndex]
    return max(code.builtinCode, code.deprecatedBuiltinCode)  # Old files have only the second field.


def _place(tensor):
    """Return the sorting key of a map: scores, with fewer than 16 values per cell, before boxes; fine before coarse."""
    _, rows, _, values = tensor.shape
    return values >= 16, -rows


if __name__ == "__main__":
    main()
