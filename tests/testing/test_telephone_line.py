"""G.711 and G.722: the law of the standard, the band, no seams between packets."""

import numpy as np
import pytest

from voiceagent.testing.telephone_line import RATES_HZ, Line

BANDS = ("PCMU", "PCMA", "G722")


def tone(rate_hz, frequency_hz, seconds=1.0, peak=0.3):
    time_s = np.arange(round(rate_hz * seconds)) / rate_hz
    return (peak * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def in_packets(line, pcm, samples):
    return np.concatenate([line.push(pcm[i : i + samples]) for i in range(0, pcm.size, samples)])


def noise_db(sent, heard):
    """Power of the difference against the power sent."""
    return 10 * np.log10(np.mean((heard - sent) ** 2) / np.mean(sent**2))


@pytest.mark.parametrize("band", BANDS)
def test_as_much_comes_out_as_went_in(band):
    line = Line(band)
    assert line.push(np.zeros(line.rate_hz // 50, np.float32)).size == line.rate_hz // 50


@pytest.mark.parametrize("band", BANDS)
def test_packets_and_one_piece_sound_the_same(band):
    sent = tone(RATES_HZ[band], 700)
    whole = Line(band).push(sent)
    assert np.array_equal(in_packets(Line(band), sent, RATES_HZ[band] // 50), whole)


@pytest.mark.parametrize("band", ["PCMU", "PCMA"])
def test_g711_adds_its_noise_and_no_delay(band):
    sent = tone(8_000, 700)
    assert -42 < noise_db(sent, Line(band).push(sent)) < -35


@pytest.mark.parametrize(("code", "value"), [(1.0, 32124), (0.0, 0), (-1.0, -32124)])
def test_the_levels_of_mu_law_are_the_standards(code, value):
    heard = Line("PCMU").push(np.full(2, code, np.float32))
    assert heard[0] * 32_768 == value


def test_g722_carries_what_g711_cannot():
    sent = tone(16_000, 5_500)
    heard = Line("G722").push(sent)
    assert np.std(heard[1_000:]) == pytest.approx(np.std(sent), rel=0.1)


def test_g722_is_22_samples_late():
    sent = np.random.default_rng(1).normal(0, 0.05, 8_000).astype(np.float32)
    heard = Line("G722").push(sent)
    scores = [float(np.dot(heard[lag : lag + 7_000], sent[:7_000])) for lag in range(60)]
    assert int(np.argmax(scores)) == 22
