import numpy as np
import pytest

from voiceagent.scenes.utterance import SAMPLES_PER_MS, Word, spoken, to_24k


def tone(*spans_ms, length_ms):
    pcm = np.zeros(length_ms * SAMPLES_PER_MS, np.float32)
    for start, end in spans_ms:
        pcm[start * SAMPLES_PER_MS : end * SAMPLES_PER_MS] = 0.5
    return pcm


def test_spoken_trims_silence_and_shifts_the_words():
    utterance = spoken(tone((100, 200), (250, 400), length_ms=600), "a b", {0: 100, 1: 250})
    assert utterance.duration_ms == 300
    assert utterance.words == (Word("a", 0, 100), Word("b", 150, 300))


def test_spoken_word_without_a_time_shares_by_letters():
    utterance = spoken(tone((0, 400), length_ms=400), "of the house", {0: 0, 2: 250})
    assert [word.start_ms for word in utterance.words] == [0, 100, 250]


def test_spoken_lets_little_pause_noise_stand_before_the_first_word():
    pcm = tone((200, 400), length_ms=400)
    pcm[: 200 * SAMPLES_PER_MS] = 0.03
    assert spoken(pcm, "a", {0: 200}).words == (Word("a", 40, 240),)


def test_spoken_with_times_out_of_order_keeps_words_in_order():
    words = spoken(tone((0, 300), length_ms=300), "a b c", {0: 0, 1: 200, 2: 100}).words
    bounds = [time for word in words for time in (word.start_ms, word.end_ms)]
    assert bounds == sorted(bounds)


@pytest.mark.parametrize("num_samples", [0, 100])
def test_spoken_of_silence_is_refused(num_samples):
    with pytest.raises(ValueError, match="nothing is to be heard"):
        spoken(np.zeros(num_samples, np.float32), "a", {})


@pytest.mark.parametrize(("rate_hz", "warp", "expected"), [(8000, 1.0, 24000), (24000, 1.2, 20000)])
def test_to_24k_of_a_second_has_the_warped_length(rate_hz, warp, expected):
    pcm = to_24k(np.zeros(rate_hz, np.float32), rate_hz, warp)
    assert pcm.dtype == np.float32
    assert abs(len(pcm) - expected) <= 1


def test_to_24k_with_warp_raises_the_pitch():
    hz_440 = np.sin(2 * np.pi * 440 * np.arange(24000) / 24000).astype(np.float32)
    warped = to_24k(hz_440, 24000, 1.25)
    peak_hz = np.argmax(np.abs(np.fft.rfft(warped))) * 24000 / len(warped)
    assert peak_hz == pytest.approx(550, abs=3)
