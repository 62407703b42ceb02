"""Reading a set: order, faults, and what is no recording."""

import pytest

from voiceagent.bench.fdb import FDB_V1, FDB_V15
from voiceagent.bench.suite import chosen, id_order, read_samples
from voiceagent.errors import BenchError


def test_ids_are_in_the_order_of_their_numbers(make_data, annotations):
    ids = ("10", "2", "1", "b", "a")
    data = make_data({"candor_turn_taking": dict.fromkeys(ids, annotations["turn"])})
    assert [s.id for s in read_samples(data, FDB_V1)] == ["1", "2", "10", "a", "b"]
    assert id_order("2") < id_order("10") < id_order("a")


def test_tasks_are_in_the_suites_order_and_missing_ones_are_left_out(make_data, annotations):
    data = make_data(
        {
            "synthetic_user_interruption": {"1": annotations["interruption"]},
            "candor_pause_handling": {"1": annotations["pause"]},
        }
    )
    names = [sample.task.name for sample in read_samples(data, FDB_V1)]
    assert names == ["candor_pause_handling", "synthetic_user_interruption"]


def test_the_folder_of_one_task_will_do(make_data, annotations):
    data = make_data({"candor_turn_taking": {"1": annotations["turn"]}})
    (sample,) = read_samples(data / "candor_turn_taking", FDB_V1)
    assert sample.key == "candor_turn_taking/1"


def test_a_stored_clean_output_is_no_recording_of_its_own(make_data, annotations):
    files = {**annotations["turn"], "output.json": {}, "clean_output.json": {}}
    data = make_data({"candor_turn_taking": {"1": files}})
    assert len(read_samples(data, FDB_V1)) == 1


def test_a_missing_annotation_becomes_that_samples_fault_and_no_others(make_data, annotations):
    data = make_data({"candor_turn_taking": {"1": {}, "2": annotations["turn"]}})
    first, second = read_samples(data, FDB_V1)
    assert "turn_taking.json: cannot be read" in first.fault
    assert not second.fault
    assert second.annotation.turn_end_s == 1.0


def test_a_missing_input_becomes_a_fault(make_data, annotations):
    data = make_data({"candor_turn_taking": {"1": annotations["turn"]}})
    (data / "candor_turn_taking" / "1" / "input.wav").unlink()
    (sample,) = read_samples(data, FDB_V1)
    assert sample.fault.endswith("input.wav: is missing")


def test_an_icc_id_that_is_no_number_becomes_a_fault(make_data):
    data = make_data({"icc_backchannel": {"seven": {}, "7": {}}})
    good, bad = read_samples(data, FDB_V1)
    assert (good.fault, good.id) == ("", "7")
    assert "no number" in bad.fault


def test_hidden_folders_and_files_are_no_recordings(make_data):
    data = make_data({"icc_backchannel": {"7": {}}})
    (data / "icc_backchannel" / ".cache").mkdir()
    (data / "icc_backchannel" / "log.txt").write_text("")
    assert len(read_samples(data, FDB_V1)) == 1


def test_a_clean_twin_is_played_too_where_it_is_there(make_data, annotations):
    data = make_data({"user_interruption": {"1": annotations["overlap"]}})
    (sample,) = read_samples(data, FDB_V15)
    assert sample.takes == ("",)
    (sample.folder / "clean_input.wav").touch()
    assert sample.takes == ("", "clean_")


def test_a_missing_folder_an_empty_one_and_another_set_are_refused(tmp_path, make_data):
    with pytest.raises(BenchError, match="no such folder"):
        read_samples(tmp_path / "none", FDB_V1)
    with pytest.raises(BenchError, match=r"holds none of the folders.*icc_backchannel"):
        read_samples(tmp_path, FDB_V1)
    (tmp_path / "icc_backchannel").mkdir()
    with pytest.raises(BenchError, match="hold no recording"):
        read_samples(tmp_path, FDB_V1)


def test_chosen_takes_the_first_of_each_task(make_data, annotations):
    data = make_data(
        {
            "icc_backchannel": {"1": {}, "2": {}},
            "candor_turn_taking": dict.fromkeys("123", annotations["turn"]),
        }
    )
    samples = read_samples(data, FDB_V1)
    assert [s.key for s in chosen(samples, (), 1)] == ["icc_backchannel/1", "candor_turn_taking/1"]
    assert len(chosen(samples, ["candor_turn_taking"], None)) == 3


def test_an_unknown_task_lists_those_there_are(make_data):
    samples = read_samples(make_data({"icc_backchannel": {"1": {}}}), FDB_V1)
    with pytest.raises(BenchError, match="no task pause in this data; there are: icc_backchannel"):
        chosen(samples, ["pause"], None)
