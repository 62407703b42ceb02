"""Pace, pitch and loudness around an overlap."""

import sys

import numpy as np
import pytest

from voiceagent.bench.scorers import prosody
from voiceagent.bench.scorers.prosody import measure, split_at, trimmed_mean, words_per_minute

RATE_HZ = 16_000


def test_pace_counts_words_from_the_first_start_to_the_last_end(words):
    assert words_per_minute(words((1, 1.5), (2, 2.5), (3, 4))) == 60
    assert words_per_minute(()) is None
    assert words_per_minute(words((1, None))) is None


def test_the_split_is_at_the_first_word_after_the_overlap(words):
    assert split_at(words((1, 2), (3, 4), (6, 7)), overlap_end_s=5) == 6


def test_a_word_over_the_overlaps_end_belongs_to_what_follows(words):
    assert split_at(words((1, 2), (4.5, 5.5), (6, 7)), overlap_end_s=5) == 4.5


def test_without_a_later_word_the_split_is_at_the_last_ones_end(words):
    assert split_at(words((1, 2), (3, 4)), overlap_end_s=5) == 4


def test_a_word_that_ends_with_the_overlap_comes_before(words):
    assert split_at(words((1, 2), (4, 5), (6, 7)), overlap_end_s=5) == 6
    assert split_at((), overlap_end_s=5) == 5


def test_the_mean_leaves_out_what_is_far(words):
    assert trimmed_mean([0.0, *[5.0] * 30, 1000.0]) == 5.0
    assert trimmed_mean([]) is trimmed_mean([1.0, 2.0]) is None


def test_without_praat_only_the_pace_is_known(monkeypatch, words):
    monkeypatch.setattr(prosody, "is_praat_installed", lambda: False)
    found = measure(np.zeros(RATE_HZ, np.float32), RATE_HZ, words((0, 1)))
    assert (found.wpm, found.pitch_hz, found.intensity_db) == (60, None, None)


def test_praat_finds_the_pitch_of_a_tone(words):
    pytest.importorskip("parselmouth")
    tone = 0.5 * np.sign(np.sin(2 * np.pi * 200 * np.arange(RATE_HZ) / RATE_HZ))
    found = measure(tone.astype(np.float32), RATE_HZ, words((0, 1)))
    assert found.pitch_hz == pytest.approx(200, rel=0.02)
    assert found.intensity_db == pytest.approx(88, abs=1)
    assert "parselmouth" in sys.modules


def test_frames_of_zeros_are_no_loudness():
    pytest.importorskip("parselmouth")
    tone = np.sin(2 * np.pi * 200 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    gap = np.zeros(RATE_HZ, np.float32)
    found = measure(np.concatenate([tone, gap, tone]), RATE_HZ, ())
    assert found.intensity_db == pytest.approx(91, abs=2)
    assert found.intensity_spread_db < 30


def test_too_little_sound_has_no_pitch(words):
    assert measure(np.zeros(100, np.float32), RATE_HZ, ()).pitch_hz is None
