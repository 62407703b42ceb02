"""The detector over whole files: its segmentation on hand-made probabilities, and real speech."""

import numpy as np
import pytest

from voiceagent.bench.speech import (
    RATE_HZ,
    WINDOW_SAMPLES,
    Segmentation,
    SpeechFinder,
    rounded_s,
    segment,
)

PAD = 480


def windows(*runs: tuple[float, int]) -> np.ndarray:
    return np.concatenate([np.full(count, p, np.float32) for p, count in runs])


def at(window: int) -> int:
    return window * WINDOW_SAMPLES


def test_speech_is_widened_by_30_ms():
    p = windows((0.1, 10), (0.9, 20), (0.1, 20))
    assert segment(p, at(50)) == [(at(10) - PAD, at(30) + PAD)]


def test_below_a_quarter_second_is_no_speech():
    assert segment(windows((0.1, 10), (0.9, 7), (0.1, 20)), at(37)) == []
    assert len(segment(windows((0.1, 10), (0.9, 8), (0.1, 20)), at(38))) == 1


def test_a_silence_below_100_ms_lies_within():
    p = windows((0.9, 10), (0.1, 3), (0.9, 10), (0.1, 9))
    assert segment(p, at(32)) == [(0, at(23) + PAD)]


def test_a_doubtful_window_neither_begins_nor_ends_speech():
    p = windows((0.4, 10), (0.9, 10), (0.4, 10), (0.1, 9))
    assert segment(p, at(39)) == [(at(10) - PAD, at(30) + PAD)]


def test_doubt_within_a_silence_does_not_end_it():
    p = windows((0.9, 10), (0.1, 1), (0.4, 3), (0.1, 9))
    assert segment(p, at(23)) == [(0, at(10) + PAD)]


def test_speech_up_to_the_end_ends_with_the_recording():
    assert segment(windows((0.1, 2), (0.9, 10)), at(12) - 100) == [(at(2) - PAD, at(12) - 100)]


def test_two_stretches_share_a_silence_that_is_shorter_than_both_margins():
    p = windows((0.9, 10), (0.1, 2), (0.9, 10), (0.1, 9))
    gap = at(2)
    found = segment(p, at(31), Segmentation(min_silence_ms=30))
    assert found[0][1] == at(10) + min(PAD, gap // 2)
    assert found[1][0] == at(12) - min(PAD, gap // 2)


def test_shorter_least_lengths_find_more():
    p = windows((0.1, 10), (0.9, 4), (0.1, 20))
    assert len(segment(p, at(34), Segmentation(min_speech_ms=60, min_silence_ms=50))) == 1


def test_seconds_are_rounded_to_a_tenth_but_not_past_the_end():
    assert rounded_s([(100, 16_000), (20_000, 31_300)], 31_300) == [(0.0, 1.0), (1.2, 1.95625)]


def test_noise_and_silence_hold_no_speech(noise):
    finder = SpeechFinder()
    assert finder.stretches([np.zeros(RATE_HZ, np.float32), noise(2)]) == [[], []]


def test_nothing_holds_nothing():
    assert SpeechFinder().stretches([]) == []
    assert SpeechFinder().stretches([np.zeros(0, np.float32)]) == [[]]


@pytest.mark.slow
def test_spoken_words_are_found_where_they_are_alone_and_beside_another_channel(noise):
    from voiceagent.scenes import speaker

    spoken = speaker("hibari:heart").say("on monday we are open from nine to five").pcm[::3]
    said = np.repeat(spoken, 2).astype(np.float32)  # 24 kHz to 16 kHz, roughly
    pcm = np.concatenate([np.zeros(RATE_HZ, np.float32), said, np.zeros(RATE_HZ, np.float32)])
    finder = SpeechFinder()
    (alone,) = finder.stretches([pcm])
    assert alone[0][0] == pytest.approx(1.0, abs=0.2)
    assert alone[-1][1] == pytest.approx(1 + len(said) / RATE_HZ, abs=0.3)
    assert finder.stretches([pcm, noise(9)])[0] == alone
