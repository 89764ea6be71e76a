"""Reader, without PyTorch, of the arrays in a file of weights (`state_dict`) that `torch.save` wrote.

Such a file is a pickle, which can call any function that it names. Here it is read by an unpickler that knows four
names: an ordered dictionary, a tensor, and storages of numbers. Any other name is refused.
"""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fer.errors import UserError
from fer.paths import StrPath

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""Number at the beginning of a file that PyTorch wrote before version 1.6 (torch/serialization.py)."""
STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "IntStorage": "<i4",
    "LongStorage": "<i8",
}
"""NumPy types of the storages that are read, by PyTorch's name."""


class _Storage(NamedTuple):
    """Numbers in a file: their NumPy type, the name of the block that contains them, and their count."""

    dtype: str
    key: str
    count: int


class _Tensor(NamedTuple):
    """Part of a storage, seen with a shape; offset and strides are counted in numbers."""

    storage: _Storage
    offset: int
    shape: tuple
    strides: tuple


class _Rebuild:
    """Substitute for `torch._utils._rebuild_tensor_v2`. It has no attributes, so that no pickle can change it."""

    __slots__ = ()

    def __call__(self, storage, offset, shape, strides, *unused):
        return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _Unpickler(pickle.Unpickler):
    """Unpickler that creates only ordered dictionaries and `_Tensor`s."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Rebuild()
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of weights")

    def persistent_load(self, pid):
        kind, dtype, key, _, count, *view = pid
        if kind != "storage" or dtype not in STORAGES.values() or any(part is not None for part in view):
            raise pickle.UnpicklingError("it has an unknown kind of storage")
        return _Storage(dtype, str(key), int(count))


def read_torch_file(path: StrPath) -> dict[str, np.ndarray]:
    """Read the arrays of a `state_dict` that `torch.save` wrote, in the present format or that before version 1.6.

    Args:
        path: path of the file.

    Returns:
        The arrays by name, each with its own memory.

    Raises:
        UserError: if the file is damaged or cut short, or holds anything but named arrays.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            tensors, blocks = _read_zip(file) if zipfile.is_zipfile(file) else _read_legacy(file)
        if not isinstance(tensors, dict) or not all(isinstance(tensor, _Tensor) for tensor in tensors.values()):
            raise ValueError("it holds other things than named arrays")
        return {str(name): _view(tensor, blocks) for name, tensor in tensors.items()}
    except Exception as error:  # Bytes that are no pickle raise any error in the unpickler.
        raise UserError(
            f"`--weights` must be a file of weights that PyTorch wrote and that is whole. Received: {path} "
            f"({error or type(error).__name__})"
        ) from None


def _read_zip(file):
    """Return the unpickled object and the bytes of each block of a file in the present format, a zip."""
    with zipfile.ZipFile(file) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("it is compressed, which PyTorch never does")  # So it takes no more memory than its size.
        names = archive.namelist()
        (pickled,) = (name for name in names if name.endswith("/data.pkl"))
        folder = pickled.removesuffix("data.pkl")
        if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
            raise ValueError("its numbers begin with their highest byte")
        blocks = {name.removeprefix(f"{folder}data/"): archive.read(name) for name in names if "/data/" in name}
        return _Unpickler(io.BytesIO(archive.read(pickled))).load(), blocks


def _read_legacy(file):
    """Return the unpickled object and the bytes of each block of a file in the format before version 1.6.

    Five pickles follow each other: the magic number, the version of the format, facts about the machine, the object,
    and the names of the blocks; then the blocks, each with the number of its numbers before it.
    """
    file.seek(0)
    magic, _, machine, tensors, keys = (_Unpickler(file).load() for _ in range(5))
    if magic != LEGACY_MAGIC or not machine["little_endian"]:
        raise ValueError("it is of another kind")
    widths = {tensor.storage.key: np.dtype(tensor.storage.dtype).itemsize for tensor in tensors.values()}
    blocks = {}
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        blocks[key] = file.read(count * widths[key])
    return tensors, blocks


def _view(tensor: _Tensor, blocks: dict[str, Any]) -> np.ndarray:
    """Return the array of a tensor.

    Raises:
        ValueError: if the block is shorter than the tensor, or the tensor larger than its block.
    """
    storage, offset, shape, strides = tensor
    numbers = np.frombuffer(blocks[storage.key], storage.dtype)
    least = min((offset, *shape, *strides), default=0)
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    size = int(np.prod(shape, dtype=object))
    if len(numbers) != storage.count or least < 0 or size > len(numbers) or (size and last >= len(numbers)):
        raise ValueError("an array goes beyond its numbers")
    steps = [stride * numbers.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(numbers[offset:], shape, steps).copy()
