import pytest
import torch
from voiceagent_codec.int8 import use_int8
from voiceagent_codec.speech_transformer import (
    PAST_CHUNKS,
    RING_CHUNKS,
    SpeechTransformer,
    ring_of_places,
)

from voiceagent.testing import laws

# more than are computed at once, and than one looks back
FRAMES = 60


@pytest.fixture
def ear():
    torch.manual_seed(0)
    return SpeechTransformer(80, 16, 2, 2).requires_grad_(False)


@pytest.fixture(params=["float", "int8"])
def system(ear, request):
    # where a float's last bit decides, another 8-bit number comes of it
    tolerance = 1e-5 if request.param == "float" else 0.05
    if request.param == "int8":
        use_int8(ear)

    def step(frame, state, active):
        return ear(frame, state, active)[:, 0]

    def whole(frames):
        return ear(frames.flatten(1), ear.init_state(len(frames), "cpu"), None)

    return laws.StreamingSystem(lambda slots: ear.init_state(slots, "cpu"), step, whole, tolerance)


@pytest.fixture
def frames(make_speech):
    return make_speech(FRAMES * 0.08, rows=3).view(3, FRAMES, 1920)


def test_speech_transformer_stepped_equals_the_whole(system, frames):
    laws.check_equivalence(system, frames)


def test_speech_transformer_never_looks_ahead(system, frames):
    laws.check_causality(system, frames, at=31)


def test_speech_transformer_slots_do_not_touch(system, frames):
    laws.check_isolation(system, frames, victim=1)


def test_speech_transformer_slot_after_reset_is_new(system, frames):
    laws.check_freshness(system, frames, slot=2)


def test_speech_transformer_idle_slot_keeps_every_bit(system, frames):
    laws.check_inactive(system, frames, idle=0)


@pytest.mark.parametrize("chunks_at_once", [40, 1])
def test_a_layer_looks_back_twelve_chunks_and_no_further(chunks_at_once):
    torch.manual_seed(0)
    ear = SpeechTransformer(80, 16, 1, 2).requires_grad_(False)
    mel = torch.randn(1, 8 * 40, 80)

    def read(mel):
        state = ear.init_state(1, "cpu")
        pieces = mel.split(8 * chunks_at_once, 1)
        return torch.cat([ear.read(piece, state, None) for piece in pieces], 1)

    wanted = read(mel)
    for chunks, is_seen in ((PAST_CHUNKS, True), (PAST_CHUNKS + 1, False)):
        changed = mel.clone()
        at = 8 * (39 - chunks)
        changed[:, at + 2 : at + 4] += 1.0  # rows of this chunk alone
        heard = read(changed)
        assert torch.equal(wanted[0, 39], heard[0, 39]) is not is_seen


def test_a_call_has_no_age(ear):
    """After a whole turn of the ring the same sound is heard the same way."""
    before, sound = torch.randn(1, 8 * RING_CHUNKS, 80), torch.randn(1, 8 * 40, 80)
    state = ear.init_state(1, "cpu")
    ear.read(before, state, None)
    late = ear.read(sound, state, None)
    # two layers look back 24 chunks together, and the convolutions a little further
    early = ear.read(sound, ear.init_state(1, "cpu"), None)
    torch.testing.assert_close(late[:, 26:], early[:, 26:], atol=1e-5, rtol=0)
    state.phase += 1
    other = ear.read(sound, state, None)
    assert not torch.allclose(other[:, 26:], early[:, 26:], atol=1e-5), "places do not matter"


def test_the_ring_closes_and_begins_like_whispers_positions():
    places = ring_of_places(384).flatten(0, 1)
    step = (places[1:] - places[:-1]).square().sum(1)
    across = (places[0] - places[-1]).square().sum()
    torch.testing.assert_close(across, step.mean(), atol=1e-3, rtol=0)
    # of the fast ones; slow ones do not turn once in 30 s
    fast = torch.exp(-torch.log(torch.tensor(10_000.0)) / 191 * torch.arange(60))
    torch.testing.assert_close(
        places[:20, :60], torch.sin(torch.arange(20)[:, None] * fast), atol=0.04, rtol=0
    )


@pytest.mark.parametrize("lengths", [(36,), (24, 24), (1, 1, 1)])
def test_gradients_go_through_the_past(lengths):
    torch.manual_seed(0)
    ear = SpeechTransformer(80, 16, 2, 2)
    mel = torch.randn(1, 8 * sum(lengths), 80, requires_grad=True)
    state = ear.init_state(1, "cpu")
    pieces = mel.split([8 * length for length in lengths], 1)
    rows = torch.cat([ear.read(piece, state, None) for piece in pieces], 1)
    rows[0, -1, 0].backward()
    reached = mel.grad.abs().sum(2)[0].view(-1, 8).sum(1) > 0
    assert reached[-25:].all(), "two layers look back 24 chunks"
    assert not reached[:-26].any()


def test_read_as_a_whole_a_chunk_is_the_same_and_what_follows_is_seen(ear):
    mel = torch.randn(2, 16, 80)
    alone = ear.read(mel[:, :8], ear.init_state(2, "cpu"), None)
    torch.testing.assert_close(ear.read_whole(mel[:, :8]), alone)
    whole = ear.read_whole(mel)
    assert whole.shape == (2, 2, ear.width)
    assert not torch.allclose(whole[:, :1], alone, atol=1e-3)
