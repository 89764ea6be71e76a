"""Write weights in both formats of PyTorch, without PyTorch."""

import io
import pickle
import struct
import zipfile

import numpy as np

MAGIC, VERSION, MACHINE = 0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}
"""The first three objects of a file in the format before version 1.6."""
STORAGE = {"float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage"}


def pickle_tensor(array, key, offset=0, shape=None, strides=None, count=None):
    """Return the pickle code of a tensor; by default, it has the shape, strides and size of the array."""
    shape = array.shape if shape is None else shape
    strides = tuple(step // array.itemsize for step in array.strides) if strides is None else strides
    pid = code("storage") + b"ctorch\n%s\n" % STORAGE[str(array.dtype)].encode() + code(key) + code("cpu")
    pid = b"(" + pid + code(array.size if count is None else count) + b"tQ"
    hooks = b"ccollections\nOrderedDict\n)R"
    arguments = pid + code(offset) + code(shape) + code(strides) + b"\x89" + hooks
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def pickle_names(tensors):
    """Return the pickle of an ordered dictionary of names and the pickle codes of tensors."""
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + b"".join(code(name) + tensors[name] for name in tensors) + b"u."


def code(value):
    """Return the pickle code of a plain value, to be part of a larger pickle."""
    return pickle.dumps(value, 2)[2:-1]


def write_legacy(path, pickled, blocks):
    """Write a file in the format before version 1.6; `blocks` are the arrays of the storages by name."""
    head = [pickle.dumps(part, 2) for part in (MAGIC, VERSION, MACHINE)]
    parts = [struct.pack("<q", block.size) + block.tobytes() for block in blocks.values()]
    path.write_bytes(b"".join([*head, pickled, pickle.dumps(list(blocks), 2), *parts]))
    return path


def write_zip(path, pickled, blocks, byteorder=b"little", compression=zipfile.ZIP_STORED):
    """Write a file in the format since version 1.6, a zip."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", byteorder)
        for key, block in blocks.items():
            archive.writestr(f"archive/data/{key}", block.tobytes())
    path.write_bytes(content.getvalue())
    return path


def save(path, arrays, write=write_legacy):
    """Write arrays by name, each into its own storage."""
    blocks = {str(number): np.array(array, order="C") for number, array in enumerate(arrays.values())}
    tensors = {name: pickle_tensor(blocks[str(number)], str(number)) for number, name in enumerate(arrays)}
    return write(path, pickle_names(tensors), blocks)
