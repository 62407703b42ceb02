import numpy as np
import pytest

from voiceagent.audio.framing import PACKET_SAMPLES
from voiceagent.audio.opus import DECODED_RATE_HZ, OpusDecoder, OpusEncoder, from_int16, to_int16


def tone(hertz, packets):
    time = np.arange(packets * PACKET_SAMPLES) / 24_000
    return (0.3 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def test_a_tone_through_opus_keeps_its_pitch_level_and_length():
    encoder, decoder, sound = OpusEncoder(), OpusDecoder(), tone(440, 25)
    out = np.concatenate(
        [decoder.decode(encoder.encode(packet)) for packet in sound.reshape(25, PACKET_SAMPLES)]
    )
    assert len(out) == 25 * 960
    spectrum = np.abs(np.fft.rfft(out[4800:]))
    assert abs(np.argmax(spectrum) * DECODED_RATE_HZ / len(out[4800:]) - 440) < 3
    assert np.sqrt(np.mean(out[4800:] ** 2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_each_20_ms_is_one_packet_at_once():
    encoder = OpusEncoder()
    assert all(encoder.encode(packet) for packet in tone(300, 3).reshape(3, PACKET_SAMPLES))


def test_encode_of_another_length_is_refused():
    with pytest.raises(ValueError, match="480"):
        OpusEncoder().encode(np.zeros(100, np.float32))


def test_rubbish_is_no_sound_and_counted_and_the_stream_goes_on():
    decoder = OpusDecoder()
    assert decoder.decode(b"\xff" * 3).size == 0
    assert decoder.bad_packets == 1
    assert decoder.decode(OpusEncoder().encode(np.zeros(PACKET_SAMPLES, np.float32))).size == 960


def test_an_empty_payload_is_no_sound():
    assert OpusDecoder().decode(b"").size == 0


def test_int16_of_loud_and_broken_samples_is_clipped_and_silent():
    pcm = np.array([2.0, -2.0, np.nan, np.inf, 0.5], np.float32)
    assert to_int16(pcm).tolist() == [32767, -32768, 0, 32767, 16384]


def test_int16_there_and_back_is_close():
    pcm = np.linspace(-1, 1, 101, dtype=np.float32)
    np.testing.assert_allclose(from_int16(to_int16(pcm)), pcm, atol=1e-4)
