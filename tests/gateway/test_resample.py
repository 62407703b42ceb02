import numpy as np
import pytest

from voiceagent.gateway.resample import Resampler

RATES = [(48_000, 24_000), (24_000, 48_000), (16_000, 24_000), (8_000, 24_000), (24_000, 8_000)]


def tone(hertz, rate, seconds=1):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(rate * seconds) / rate)).astype(np.float32)


def stream(resampler, sound, piece):
    return [resampler.push(sound[i : i + piece]) for i in range(0, len(sound), piece)]


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_after_the_first_piece_each_piece_comes_out_whole(from_hz, to_hz):
    pieces = stream(Resampler(from_hz, to_hz), tone(300, from_hz), from_hz // 50)
    assert {len(piece) for piece in pieces[1:]} == {to_hz // 50}
    assert to_hz // 50 - len(pieces[0]) <= to_hz * 3 // 1000


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_pieces_of_a_stream_equal_the_stream_at_once(from_hz, to_hz):
    sound = tone(500, from_hz)
    pieces = np.concatenate(stream(Resampler(from_hz, to_hz), sound, 101))
    whole = Resampler(from_hz, to_hz).push(sound)
    count = min(len(pieces), len(whole))
    assert count > to_hz * 0.99
    np.testing.assert_allclose(pieces[:count], whole[:count], atol=1e-3)


def test_equal_rates_pass_through_untouched():
    sound = tone(300, 24_000)
    assert Resampler(24_000, 24_000).push(sound) is sound


def test_no_sound_is_no_sound():
    assert Resampler(48_000, 24_000).push(np.empty(0, np.float32)).size == 0
