import pickle
from functools import partial
from zipfile import ZIP_DEFLATED

import numpy as np
import pytest
from torch_format import code, pickle_names, pickle_tensor, save, write_legacy, write_zip

from fer.errors import UserError
from fer.models.torch_files import read_torch_file

ARRAYS = {
    "kernel": np.arange(24, dtype="float32").reshape(2, 3, 4),
    "half": np.array([0.5, -2], "float16"),
    "count": np.array(7),
}


@pytest.mark.parametrize("write", [write_legacy, write_zip])
def test_arrays_are_read_with_their_shapes_types_and_strides(tmp_path, write):
    arrays = read_torch_file(save(tmp_path / "weights.pth", ARRAYS, write))
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
    # The published file has transposed kernels; several tensors may lie in one storage.
    block = np.arange(6, dtype="float32")
    shared = {
        "turned": pickle_tensor(block, "0", shape=(3, 2), strides=(1, 3)),
        "last": pickle_tensor(block, "0", offset=4, shape=(2,), strides=(1,)),
    }
    arrays = read_torch_file(write(tmp_path / "shared.pth", pickle_names(shared), {"0": block}))
    np.testing.assert_array_equal(arrays["turned"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(arrays["last"], [4, 5])


@pytest.mark.slow  # Imports PyTorch, where it is installed.
@pytest.mark.parametrize("zipped", [False, True])
def test_files_of_pytorch_are_read(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    tensors = {name: torch.tensor(array) for name, array in ARRAYS.items()}
    tensors["turned"] = tensors["kernel"].permute(2, 0, 1)
    torch.save(tensors, tmp_path / "weights.pth", _use_new_zipfile_serialization=zipped)
    arrays = read_torch_file(tmp_path / "weights.pth")
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(arrays[name], tensor.numpy())


@pytest.mark.parametrize("write", [write_legacy, write_zip])
@pytest.mark.parametrize("name", [b"os\nsystem", b"builtins\neval", b"torch\nload", b"pathlib\nPath"])
def test_a_file_that_names_other_functions_is_refused_without_calling_them(tmp_path, write, name):
    touched = tmp_path / "touched"
    pickled = b"\x80\x02c" + name + b"\n" + code(f"touch {touched}") + b"\x85R."
    with pytest.raises(UserError, match=f"it names {name.decode().replace(chr(10), '.')}, which is no part of weights"):
        read_torch_file(write(tmp_path / "weights.pth", pickled, {}))
    assert not touched.exists()


def test_a_malicious_file_does_not_change_how_the_next_one_is_read(tmp_path):
    change = b"ctorch._utils\n_rebuild_tensor_v2\nN" + code({"__call__": 1}) + b"\x86b"
    for pickled in (b"\x80\x02" + change + b".", pickle_names({"a": change})):
        with pytest.raises(UserError, match="must be a file of weights that PyTorch wrote"):
            read_torch_file(write_legacy(tmp_path / "change.pth", pickled, {}))
    assert set(read_torch_file(save(tmp_path / "weights.pth", ARRAYS))) == set(ARRAYS)


@pytest.mark.parametrize("write", [write_legacy, write_zip])
def test_damaged_files_are_refused(tmp_path, write):
    rule = "`--weights` must be a file of weights that PyTorch wrote and that is whole. Received: .*damaged.pth"
    path, content = tmp_path / "damaged.pth", save(tmp_path / "whole.pth", ARRAYS, write).read_bytes()
    for damaged in (b"", b"no weights", content[:40], content[:-2], content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=rule):
            read_torch_file(path)
    block = np.zeros(6, "float32")
    for beyond in (
        {"shape": (7,), "strides": (1,)},
        {"shape": (2,), "strides": (6,)},
        {"shape": (10**6, 10**6), "strides": (0, 0)},
        {"offset": -1, "shape": (2,), "strides": (1,)},
        {"shape": (2,), "strides": (-1,)},
        {"count": 5},
    ):
        tensors = {"a": pickle_tensor(block, "0", **beyond)}
        with pytest.raises(UserError, match=f"{rule}.*goes beyond its numbers"):
            read_torch_file(write(path, pickle_names(tensors), {"0": block}))
    for other in ([1, 2], {"a": "b"}, "words"):
        with pytest.raises(UserError, match=rule):
            read_torch_file(write(path, pickle.dumps(other, 2), {}))


@pytest.mark.parametrize(
    ("how", "message"),
    [({"byteorder": b"big"}, "begin with their highest byte"), ({"compression": ZIP_DEFLATED}, "it is compressed")],
)
def test_a_zip_that_pytorch_does_not_write_here_is_refused(tmp_path, how, message):
    with pytest.raises(UserError, match=message):
        read_torch_file(save(tmp_path / "weights.pth", ARRAYS, partial(write_zip, **how)))
