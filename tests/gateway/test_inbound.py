import numpy as np
import pytest
from aiortc import RTCRtpReceiver
from aiortc.rtp import RtpPacket

from voiceagent.audio.framing import PACKET_SAMPLES
from voiceagent.audio.opus import OpusEncoder
from voiceagent.gateway import inbound
from voiceagent.gateway.inbound import InboundAudio, attach, conceal

START = 65_530


def packets(count, hertz=440):
    encoder = OpusEncoder()
    time = np.arange(count * PACKET_SAMPLES) / 24_000
    sound = (0.3 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)
    return [
        ((START + n) & 0xFFFF, n * 960, encoder.encode(part))
        for n, part in enumerate(sound.reshape(count, PACKET_SAMPLES))
    ]


def samples(audio, stream):
    return sum(audio.receive(*packet).size for packet in stream)


def test_in_order_each_packet_gives_its_20_ms_at_once():
    audio, stream = InboundAudio(), packets(10)
    sizes = [audio.receive(*packet).size for packet in stream]
    assert sizes[1:] == [PACKET_SAMPLES] * 9


@pytest.mark.parametrize("lost", [{5}, {5, 6, 7}, {3, 9, 15, 21}, set()])
def test_sound_is_as_long_as_the_time_that_passed_whatever_is_lost(lost):
    audio, stream = InboundAudio(), packets(30)
    total = samples(audio, [p for n, p in enumerate(stream) if n not in lost])
    assert abs(total - 30 * PACKET_SAMPLES) <= 24
    assert audio.concealed_ms == 20 * len(lost)
    assert audio.counts.lost == len(lost)


def test_a_pause_of_the_sender_is_filled_no_longer_than_the_engine_waits():
    audio, stream = InboundAudio(), packets(20)
    later = [(sequence, timestamp + 48_000 * 5, data) for sequence, timestamp, data in stream[10:]]
    total = samples(audio, stream[:10] + later)
    assert abs(total - 20 * PACKET_SAMPLES - 24 * inbound.MAX_FILL_MS) <= 24


def test_rubbish_instead_of_opus_is_counted_and_its_time_is_filled():
    audio, stream = InboundAudio(), packets(10)
    stream[4] = (*stream[4][:2], b"\xff\xff\xff")
    assert abs(samples(audio, stream) - 10 * PACKET_SAMPLES) <= 24
    assert audio.bad_packets == 1


def test_conceal_fades_the_last_sound_out_and_then_is_silent():
    filled = conceal(np.ones(4, np.float32), 6)
    assert filled.tolist() == pytest.approx([1, 2 / 3, 1 / 3, 0, 0, 0])


def test_attach_leads_packets_of_the_receiver_past_its_decoder():
    receiver, seen = RTCRtpReceiver.__new__(RTCRtpReceiver), []
    vars(receiver)[inbound.JITTER_BUFFER_FIELD] = None
    attach(receiver, lambda *packet: seen.append(packet))
    packet = RtpPacket(sequence_number=7, timestamp=960)
    packet.payload = b"x"
    assert vars(receiver)[inbound.JITTER_BUFFER_FIELD].add(packet) == (False, None)
    assert seen == [(7, 960, b"x")]


def test_attach_to_an_aiortc_without_the_field_fails_loudly():
    with pytest.raises(RuntimeError, match="jitter_buffer"):
        attach(RTCRtpReceiver.__new__(RTCRtpReceiver), print)


def test_aiortc_still_keeps_its_jitter_buffer_where_we_replace_it():
    class Transport:
        state = "new"

    async def build():
        return RTCRtpReceiver("audio", Transport())

    import asyncio

    assert inbound.JITTER_BUFFER_FIELD in vars(asyncio.run(build()))
