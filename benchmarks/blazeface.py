"""Frees MediaPipe's BlazeFace networks of their one picture size.

    python -m benchmarks.blazeface face_detection_back.tflite fer/blazeface/face_detection_back.tflite

All layers are convolutions but the last two steps, which flatten the maps of scores and boxes to lists of fixed length.
They are left out; the maps are the outputs: scores fine and coarse, boxes fine and coarse. Weights stay as they are.
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
    """A BlazeFace network whose input may be resized, as bytes of its file; `content` is MediaPipe's file."""
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
    code = model.operatorCodes[operator.opcodeIndex]
    return max(code.builtinCode, code.deprecatedBuiltinCode)  # Old files know the second alone.


def _place(tensor):
    """Scores, which have fewest values a cell, before boxes; of each the finer map first."""
    _, rows, _, values = tensor.shape
    return values >= 16, -rows


if __name__ == "__main__":
    main()
