"""Tables of the bench on the command line."""

from voiceagent.bench.compare import Comparison
from voiceagent.bench.figures import Estimate
from voiceagent.cli.bench_tables import made_with, print_comparison


def test_a_difference_stands_with_its_interval_and_n(capsys):
    change = Estimate(0.25, 0.1, 0.4, 8)
    print_comparison([Comparison("pause", "Takeover rate", 0.5, 0.75, change)])
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.split() == "pause Takeover rate 0.500 0.750 +0.250 (+0.100 to +0.400) 8".split()


def test_a_difference_of_one_recording_has_no_interval(capsys):
    print_comparison([Comparison("pause", "Rate", 0, 1, Estimate(1.0, None, None, 1))])
    assert "(" not in capsys.readouterr().out


def test_what_the_numbers_hang_on_is_a_line():
    words = [{"recogniser": "faster-whisper", "version": "1.2.1", "model": "tiny.en"}]
    summary = {
        "target": {"session": {"policy": "on"}},
        "words_from": words,
        "judged_by": [{"judge": "m", "seed": 3}],
        "detector": "Silero",
    }
    assert made_with(summary) == (
        "turn-taking: on  words: faster-whisper 1.2.1 tiny.en  judge: m, seed 3  detector: Silero"
    )
    nothing = {"target": {}, "words_from": [], "judged_by": [], "detector": "Silero"}
    said = "turn-taking: the target's own  words: none  judge: none"
    assert made_with(nothing).startswith(said)
