import numpy as np
import pytest
import soundfile

from voiceagent.audio.wav import read_wav, write_wav
from voiceagent.errors import AudioFileError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sound.wav"


def tone(rate_hz, seconds=0.5, hz=440):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)).astype(
        np.float32
    )


def test_wav_written_and_read_is_the_same_to_16_bits(path):
    write_wav(path, tone(24_000))
    recording = read_wav(path)
    np.testing.assert_allclose(recording.pcm, tone(24_000), atol=2**-15)
    assert recording.notes == ()
    assert recording.seconds == 0.5
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_read_wav_of_another_rate_resamples_and_says_so(path, rate_hz):
    soundfile.write(path, tone(rate_hz), rate_hz)
    recording = read_wav(path)
    assert recording.notes == (f"resampled from {rate_hz} Hz to 24000 Hz",)
    middle = slice(2400, 9600)
    np.testing.assert_allclose(recording.pcm[middle], tone(24_000)[middle], atol=5e-3)


def test_read_wav_of_stereo_mixes_and_says_so(path):
    soundfile.write(path, np.stack([tone(24_000), np.zeros(12_000, np.float32)], 1), 24_000)
    recording = read_wav(path)
    np.testing.assert_allclose(recording.pcm, tone(24_000) / 2, atol=1e-3)
    assert recording.notes == ("mixed 2 channels to mono",)


def test_write_wav_of_loud_samples_clips_instead_of_wrapping(path):
    write_wav(path, np.array([2.0, -2.0], np.float32))
    np.testing.assert_allclose(read_wav(path).pcm, [1, -1], atol=1e-4)


def test_read_wav_of_a_missing_file_says_so(path):
    with pytest.raises(AudioFileError, match=r"sound\.wav: no such file"):
        read_wav(path)


def test_read_wav_of_a_folder_says_so(tmp_path):
    with pytest.raises(AudioFileError, match="is a folder"):
        read_wav(tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"), [(b"", "zero bytes"), (b"no sound at all" * 9, "not a sound file")]
)
def test_read_wav_of_something_else_says_what_is_wrong(path, content, problem):
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=problem):
        read_wav(path)


def test_read_wav_without_samples_says_so(path):
    soundfile.write(path, np.zeros(0, np.float32), 24_000)
    with pytest.raises(AudioFileError, match="no samples"):
        read_wav(path)


def test_read_wav_with_nan_says_so(path):
    soundfile.write(path, np.array([0, np.nan], np.float32), 24_000, subtype="FLOAT")
    with pytest.raises(AudioFileError, match="not finite"):
        read_wav(path)


def test_write_wav_into_a_missing_folder_says_so(tmp_path):
    with pytest.raises(AudioFileError, match="cannot be written"):
        write_wav(tmp_path / "none" / "x.wav", tone(24_000))


def test_read_wav_too_short_to_survive_resampling_says_so(path):
    soundfile.write(path, np.full(3, 0.1), 192_000)
    with pytest.raises(AudioFileError, match="no samples"):
        read_wav(path)


def test_read_wav_beyond_full_scale_clips_and_says_so(path):
    soundfile.write(path, np.full((100, 2), 3e38, np.float32), 24_000, subtype="FLOAT")
    recording = read_wav(path)
    assert "clipped to full scale" in recording.notes
    assert recording.pcm.max() == 1


def test_write_wav_below_a_file_says_so(path):
    path.write_bytes(b"x")
    with pytest.raises(AudioFileError, match="cannot be written"):
        write_wav(path / "x.wav", tone(24_000))
