import fcntl
import json

import pyarrow as pa
import pyarrow.parquet as pq
from conftest import draw_face

from fer.scoring import job as scoring
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
