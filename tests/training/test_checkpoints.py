import h5py
import numpy as np
import pytest

from fer.errors import UserError
from fer.models.model_folder import read_history
from fer.training.checkpoints import count_finished, restart_run


def write_run(folder, finished, logged):
    """Write the log of a run, its checkpoint after `finished` epochs and the one before."""
    rows = "".join(f"{epoch},1,1\n" for epoch in range(logged))
    (folder / "history.csv").write_text(f"epoch,loss,val_loss\n{rows}")
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(exist_ok=True)
    for suffix, epoch in ((".bkp", finished - 1), ("", finished)):
        (checkpoint / f"training_metadata.json{suffix}").write_text(f'{{"epoch": {epoch}}}')
        with h5py.File(checkpoint / f"latest.weights.h5{suffix}", "w") as file:
            file["weights"] = np.full(1000, epoch)


@pytest.mark.parametrize(("name", "size"), [("latest.weights.h5", 1000), ("training_metadata.json", 0)])
def test_a_run_is_resumed_from_the_checkpoint_before_a_damaged_one(tmp_path, name, size):
    """As after a power cut; Keras took the weights of the epoch before, and the rest was that of the last one."""
    write_run(tmp_path, finished=2, logged=2)
    (tmp_path / "best.weights.h5").touch()
    checkpoint = tmp_path / "checkpoint"
    (checkpoint / name).write_bytes((checkpoint / name).read_bytes()[:size])
    assert restart_run(tmp_path, resume=True) == 1
    assert [row["epoch"] for row in read_history(tmp_path)] == [0]
    assert count_finished(checkpoint) == 1
    assert (checkpoint / "latest.weights.h5").read_bytes() == (checkpoint / "latest.weights.h5.bkp").read_bytes()


def test_files_of_a_run_that_are_missing_or_damaged_are_named(tmp_path):
    write_run(tmp_path, finished=2, logged=1)
    rule = r"history\.csv: it must have a row for each of the 2 epochs that are finished\. .* Received: 1$"
    with pytest.raises(UserError, match=rule):
        restart_run(tmp_path, resume=True)
    write_run(tmp_path, finished=2, logged=2)
    with pytest.raises(UserError, match=r"best\.weights\.h5: no such file, and --resume needs it\. Train again"):
        restart_run(tmp_path, resume=True)
    (tmp_path / "best.weights.h5").touch()
    assert restart_run(tmp_path, resume=True) == 2
    for weights in (tmp_path / "checkpoint").glob("latest*"):
        weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"latest\.weights\.h5: damaged\."):
        restart_run(tmp_path, resume=True)
