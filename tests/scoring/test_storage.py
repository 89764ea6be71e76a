import fcntl
import json
import socket

import pyarrow as pa
import pyarrow.parquet as pq
from conftest import draw_face

from fer.cli.commands import main
from fer.scoring import job as scoring
from fer.scoring import run_locks, storage
from fer.scoring.storage import DESCRIPTION, ScoringRun
from scoring.conftest import check_refusal


def test_two_runs_into_one_output_share_the_pictures_and_keep_their_files(tmp_path, faces):
    source, output = str(faces(3)), tmp_path / "scored"
    first = scoring.plan_scoring(source, str(output))
    (own,) = output.glob(".scoring-*")
    (own / "half").write_text("of a file that is being written")
    (output / "thesis.tmp").write_text("a person's")
    draw_face("sad", 9).save(tmp_path / "faces" / "new.png")
    second = scoring.plan_scoring(source, str(output))
    assert (len(first.pictures), first.claimed) == (3, 0)
    assert (second.pictures["path"].to_pylist(), second.claimed) == ([str(tmp_path / "faces" / "new.png")], 3)
    second.run.close()
    assert (own / "half").exists()
    first.run.close()
    assert {path.name for path in output.iterdir()} == {"_scoring.json", "thesis.tmp"}


def test_files_of_a_killed_run_are_deleted_only_on_its_own_host(tmp_path, faces):
    source, output = str(faces(1)), tmp_path / "scored"
    killed, elsewhere = (scoring.plan_scoring(source, str(output)) for _ in range(2))
    dead, unknown = (output / plan.run.destination.folder for plan in (killed, elsewhere))
    (unknown / "lock").write_text("another host")
    for plan in (killed, elsewhere):
        plan.run._lock.close()  # The system does this when a process ends.
    (output / ".scoring-mine").mkdir()
    plan = scoring.plan_scoring(source, str(output))
    assert not dead.exists()
    assert unknown.exists()
    assert (output / ".scoring-mine").exists()
    assert len(plan.pictures) == 1  # The claim of the second run says that it scores no pictures.
    plan.run.close()


def test_a_run_that_may_have_been_killed_elsewhere_is_named_with_what_to_do(tmp_path, faces, capsys):
    source, output = str(faces(2)), tmp_path / "scored"
    elsewhere = scoring.plan_scoring(source, str(output))
    folder = output / elsewhere.run.destination.folder
    (folder / "lock").write_text("node7\nanother kernel")
    assert main(["score", source, str(output)]) == 0  # The lock is held, so the run is alive.
    told = capsys.readouterr()
    assert told.out.endswith("; 2 belong to another run\n")
    assert "delete" not in told.err
    elsewhere.run._lock.close()
    assert main(["score", source, str(output)]) == 2
    rule = f"2 pictures belong to the run of node7 ({folder}); if it has ended, delete that folder.\n"
    assert rule in capsys.readouterr().err
    (folder / "lock").unlink()
    assert main(["score", source, str(output)]) == 2
    assert f"2 pictures belong to another run ({folder}); if" in capsys.readouterr().err


def test_a_killed_run_in_another_container_on_this_machine_is_removed(tmp_path, faces, monkeypatch):
    source, output = str(faces(1)), tmp_path / "scored"
    monkeypatch.setattr(run_locks, "BOOT_ID", tmp_path / "boot_id")
    (tmp_path / "boot_id").write_text("this kernel\n")
    with monkeypatch.context() as container:
        container.setattr(socket, "gethostname", lambda: "container")
        killed = scoring.plan_scoring(source, str(output))
    folder = output / killed.run.destination.folder
    assert (folder / "lock").read_text() == "container\nthis kernel"
    killed.run._lock.close()
    (tmp_path / "boot_id").write_text("another kernel\n")
    plan = scoring.plan_scoring(source, str(output))
    assert (plan.claimed, folder.exists()) == (1, True)
    plan.run.close()
    (tmp_path / "boot_id").write_text("this kernel\n")
    plan = scoring.plan_scoring(source, str(output))
    assert (plan.claimed, folder.exists()) == (0, False)
    plan.run.close()


def test_on_object_storage_a_run_says_that_runs_do_not_notice_each_other(tmp_path, faces, monkeypatch, capsys):
    source, output = str(faces(1)), tmp_path / "scored"
    monkeypatch.setattr(storage, "OBJECT_STORES", ("local",))
    monkeypatch.setattr(scoring, "run_scoring", lambda plan, address: (tally for tally in ()))
    output.mkdir()
    assert main(["score", source, str(output)]) == 0
    assert f"{output}: runs into object storage do not notice each other; start one" in capsys.readouterr().err


def test_output_files_appear_completely(tmp_path, faces):
    output = tmp_path / "scored"
    plan = scoring.plan_scoring(str(faces(2)), str(output), already_cropped=True)
    destination = plan.run.destination
    destination.write("a.parquet", b"all")
    assert (output / "a.parquet").read_bytes() == b"all"
    assert {path.name for path in (output / destination.folder).iterdir()} == {"lock", "claim"}
    destination.write("_scoring.json", b"another", first=True)
    assert json.loads((output / "_scoring.json").read_text())["already_cropped"]
    plan.run.close()


def test_answers_of_a_run_that_ends_while_another_begins_are_not_given_twice(faces, tmp_path, monkeypatch):
    source, output = str(faces(4)), str(tmp_path / "scored")
    first = scoring.plan_scoring(source, output)
    listed = scoring.list_rows

    def list_and_end(folder):
        answered = listed(folder)
        first.run.close()  # The first run ends between the two look-ups of the second one.
        return answered

    monkeypatch.setattr(scoring, "list_rows", list_and_end)
    second = scoring.plan_scoring(source, output)
    assert (len(first.pictures), len(second.pictures)) == (4, 0)
    second.run.close()


def test_a_run_plans_while_no_other_one_does(faces, tmp_path, monkeypatch):
    """Two runs that began together claimed the same pictures."""
    claim, locked = ScoringRun.claim, []

    def can_lock(output):
        with open(f"{output}/{DESCRIPTION}") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    def claim_locked(self, names):
        locked.append(not can_lock(tmp_path / "scored"))
        claim(self, names)

    monkeypatch.setattr(ScoringRun, "claim", claim_locked)
    scoring.plan_scoring(str(faces(2)), str(tmp_path / "scored")).run.close()
    assert locked == [True]
    assert can_lock(tmp_path / "scored")


def test_an_output_that_is_not_writable_or_has_other_results_is_refused(tmp_path, faces, capsys):
    source, taken, scored = str(faces(1)), tmp_path / "taken", tmp_path / "scored"
    taken.write_text("a file")
    check_refusal(["score", source, str(taken)], "cannot be written", capsys)
    scoring.plan_scoring(source, str(scored))
    check_refusal(["score", source, str(scored), "--already-cropped"], "other answers need another output", capsys)
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "other.parquet")
    check_refusal(["score", source, str(tmp_path)], "holds Parquet that is not of this command", capsys)
