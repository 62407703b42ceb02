"""Sound files at their own rate."""

import numpy as np
import pytest
import soundfile

from voiceagent.bench.sound import Sound, fit, read_sound, write_sound
from voiceagent.errors import AudioFileError


@pytest.fixture
def wav(tmp_path, noise):
    def write(seconds: float = 1.0, rate_hz: int = 24_000, channels: int = 1):
        path = tmp_path / "output.wav"
        pcm = noise(seconds, rate_hz)
        soundfile.write(path, np.stack([pcm, -pcm][:channels], axis=1), rate_hz, subtype="PCM_16")
        return path

    return write


def test_a_file_keeps_its_rate_and_length(wav):
    sound = read_sound(wav(rate_hz=48_000))
    assert (sound.rate_hz, sound.duration_s) == (48_000, 1.0)


def test_stereo_is_the_mean_of_both(wav):
    assert np.abs(read_sound(wav(channels=2)).pcm).max() < 1e-4


def test_the_detector_gets_16_khz_or_by_the_official_quirk_everything(wav):
    sound = read_sound(wav(rate_hz=24_000))
    assert len(sound.for_detector()) == 16_000
    assert len(sound.for_detector(ignores_rate=True)) == 24_000


def test_a_truncated_file_is_refused_with_both_lengths(wav):
    path = wav()
    path.write_bytes(path.read_bytes()[:-10_000])
    with pytest.raises(AudioFileError, match="promises 24000 samples, it holds 19000"):
        read_sound(path)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not sound at all"])
def test_rubbish_is_refused(tmp_path, content):
    path = tmp_path / "input.wav"
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=r"input\.wav: cannot be read as sound"):
        read_sound(path)


def test_a_file_without_samples_and_a_missing_one_are_refused(wav, tmp_path):
    with pytest.raises(AudioFileError, match="no samples"):
        read_sound(wav(seconds=0))
    with pytest.raises(AudioFileError, match="cannot be read"):
        read_sound(tmp_path / "none.wav")


def test_samples_that_are_not_finite_are_refused(tmp_path):
    path = tmp_path / "nan.wav"
    soundfile.write(path, np.array([0.0, np.nan]), 16_000, subtype="FLOAT")
    with pytest.raises(AudioFileError, match="not finite"):
        read_sound(path)


def test_fit_pads_with_silence_and_cuts():
    assert fit(np.ones(3, np.float32), 5).tolist() == [1, 1, 1, 0, 0]
    assert fit(np.ones(3, np.float32), 2).tolist() == [1, 1]


def test_what_is_written_is_what_was_read_bit_by_bit(wav, tmp_path):
    sound = read_sound(wav(rate_hz=16_000))
    write_sound(tmp_path / "new" / "output.wav", sound)
    again = read_sound(tmp_path / "new" / "output.wav")
    assert again.rate_hz == 16_000
    assert (again.pcm == sound.pcm).all()


def test_a_place_that_cannot_be_written_is_named(tmp_path, noise):
    (tmp_path / "file").touch()
    with pytest.raises(AudioFileError, match=r"output\.wav: cannot be written"):
        write_sound(tmp_path / "file" / "output.wav", Sound(noise(1), 16_000))
