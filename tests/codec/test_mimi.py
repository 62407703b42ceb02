import pytest
import torch
from voiceagent_codec.errors import CodecError
from voiceagent_codec.mimi import SETTLING_FRAMES, MimiCodec, load_mimi_codec
from voiceagent_codec.mimi_config import MimiConfig

from voiceagent.testing import laws

FRAMES, SAMPLES = 45, 12  # the window is 20 frames: it wraps twice


def encode_offline(codec, offline, frames):
    """f32 [B, T, SAMPLES] -> codes i64 [B, T, K], without a step."""
    pcm = frames.flatten(1)[:, :, None]
    rows = codec.encoder(pcm, codec.encoder.init_state(len(pcm), "cpu"), None)
    rows = offline(codec.encoder_transformer, rows)
    latents = codec.downsample(rows, codec.downsample.init_state(len(pcm), "cpu"), None)
    return codec.quantizer.encode(latents)


def decode_offline(codec, offline, codes):
    """i64 [B, T, K] -> f32 [B, T, SAMPLES], without a step."""
    rows = codec.quantizer.decode(codes)
    rows = codec.upsample(rows, codec.upsample.init_state(len(codes), "cpu"), None)
    rows = offline(codec.decoder_transformer, rows)
    pcm = codec.decoder(rows, codec.decoder.init_state(len(codes), "cpu"), None)
    return pcm.view(len(codes), -1, SAMPLES)


@pytest.fixture
def heard(generator):
    """Gliding tones with noise: f32 [3, FRAMES, SAMPLES]."""
    phase = torch.cumsum(torch.rand(3, FRAMES * SAMPLES, generator=generator) * 0.5, 1)
    noise = torch.randn(phase.shape, generator=generator)
    return (0.3 * torch.sin(phase) + 0.02 * noise).view(3, FRAMES, SAMPLES)


@pytest.fixture
def hearing(tiny_mimi, offline):
    return laws.StreamingSystem(
        tiny_mimi.init_state,
        lambda x, state, active: tiny_mimi.encode_step(x[:, None], state, active),
        lambda x: encode_offline(tiny_mimi, offline, x),
    )


@pytest.fixture
def spoken(generator, tiny_config):
    shape = (3, FRAMES, tiny_config.codebooks)
    return torch.randint(tiny_config.cardinality, shape, generator=generator)


@pytest.fixture
def speaking(tiny_mimi, offline):
    return laws.StreamingSystem(
        tiny_mimi.init_state,
        lambda codes, state, active: tiny_mimi.decode_step(codes, state, active)[:, 0],
        lambda codes: decode_offline(tiny_mimi, offline, codes),
        tolerance=1e-5,
    )


@pytest.mark.parametrize("side", ["hearing", "speaking"])
class TestLaws:
    @pytest.fixture
    def system(self, side, request):
        return request.getfixturevalue(side)

    @pytest.fixture
    def inputs(self, side, request):
        return request.getfixturevalue("heard" if side == "hearing" else "spoken")

    def test_mimi_stepped_equals_the_whole(self, system, inputs):
        laws.check_equivalence(system, inputs)

    def test_mimi_never_looks_ahead(self, system, inputs):
        laws.check_causality(system, inputs, at=25)

    def test_mimi_slots_do_not_touch(self, system, inputs):
        laws.check_isolation(system, inputs, victim=1)

    def test_mimi_slot_after_reset_is_new(self, system, inputs):
        laws.check_freshness(system, inputs, slot=2)

    def test_mimi_idle_slot_keeps_every_bit(self, system, inputs):
        laws.check_inactive(system, inputs, idle=0)


def test_hearing_and_speaking_advance_apart(tiny_mimi, heard, spoken):
    """Speech between two heard frames changes nothing about what is heard."""
    alone, both = tiny_mimi.init_state(3), tiny_mimi.init_state(3)
    active = torch.ones(3, dtype=torch.bool)
    for t in range(5):
        codes = [tiny_mimi.encode_step(heard[:, t, None], s, active) for s in (alone, both)]
        tiny_mimi.decode_step(spoken[:, t], both, active)
        assert torch.equal(*codes)


def test_a_frame_of_nan_leaves_the_neighbour_alone(tiny_mimi, heard):
    outputs = []
    for poison in (0.0, float("nan")):
        frames, state = heard[:2, :, None].clone(), tiny_mimi.init_state(2)
        frames[0, 3] += poison
        active = torch.ones(2, dtype=torch.bool)
        steps = [tiny_mimi.encode_step(frames[:, t], state, active) for t in range(8)]
        outputs.append(torch.stack(steps)[:, 1])
    assert torch.equal(*outputs)


def test_codes_outside_the_codebook_in_an_idle_slot_do_no_harm(tiny_mimi, spoken):
    state, codes = tiny_mimi.init_state(3), spoken[:, 0].clone()
    codes[1] = torch.tensor([-1, 32, 10**9, -(10**9)])
    pcm = tiny_mimi.decode_step(codes, state, torch.tensor([True, False, True]))
    assert torch.isfinite(pcm).all()


def test_steps_on_a_prefix_of_the_slots_write_the_whole_state_in_place(tiny_mimi, heard, spoken):
    state = tiny_mimi.init_state(3)
    places = [tensor.data_ptr() for tensor, _ in state.tensors()]
    untouched = [tensor[2].clone() for tensor, _ in state.tensors()]
    view, active = state.prefix(2), torch.ones(2, dtype=torch.bool)
    for t in range(3):
        tiny_mimi.encode_step(heard[:2, t, None], view, active)
        tiny_mimi.decode_step(spoken[:2, t], view, active)
    tensors = [tensor for tensor, _ in state.tensors()]
    assert places == [tensor.data_ptr() for tensor in tensors]
    assert state.hear.transformer.positions.tolist() == [6, 6, 0]
    assert all(torch.equal(a[2], b) for a, b in zip(tensors, untouched, strict=True))


def test_user_codes_become_sound_again(tiny_mimi, heard):
    state, active = tiny_mimi.init_state(3), torch.ones(3, dtype=torch.bool)
    codes = tiny_mimi.encode_step(heard[:, 0, None], state, active)
    again = tiny_mimi.decode_user_step(codes, state, active)
    assert torch.equal(again, tiny_mimi.decode_step(codes, tiny_mimi.init_state(3), active))


def test_user_silence_is_what_a_settled_silence_sounds_like(tiny_mimi):
    state, active = tiny_mimi.init_state(1), torch.ones(1, dtype=torch.bool)
    silence = torch.zeros(1, 1, SAMPLES)
    codes = [tiny_mimi.encode_step(silence, state, active)[0] for _ in range(SETTLING_FRAMES)]
    assert torch.equal(tiny_mimi.user_silence, codes[-1])
    assert torch.equal(codes[-1], codes[-2])
    assert not torch.equal(codes[-1], codes[0])


def test_mimi_in_bfloat16_speaks_nearly_the_same(tiny_mimi, tiny_config, mimi_golden, spoken):
    half = load_mimi_codec(mimi_golden / "weights.safetensors", tiny_config, dtype=torch.bfloat16)
    active, states = torch.ones(3, dtype=torch.bool), [tiny_mimi.init_state(3)]
    states.append(half.init_state(3, dtype=torch.bfloat16))
    pcm = []
    for codec, state in zip((tiny_mimi, half), states, strict=True):
        steps = [codec.decode_step(spoken[:, t], state, active) for t in range(FRAMES)]
        pcm.append(torch.stack(steps))
    noise = (pcm[0] - pcm[1]).square().mean() / pcm[0].square().mean()
    assert noise < 1e-3
    assert {t.dtype for t, _ in states[1].tensors() if t.is_floating_point()} == {torch.bfloat16}


def test_mimi_in_bfloat16_hears_codes(tiny_config, mimi_golden, heard):
    half = load_mimi_codec(mimi_golden / "weights.safetensors", tiny_config, dtype=torch.bfloat16)
    state = half.init_state(3, dtype=torch.bfloat16)
    codes = half.encode_step(heard[:, 0, None], state, torch.ones(3, dtype=torch.bool))
    assert codes.dtype == torch.int64


@pytest.mark.slow  # PyTorch's first use of the meta device imports a second's worth
def test_a_step_of_published_size_looks_at_no_value_on_the_host():
    """On the meta device tensors have no values: a look at one raises."""
    with torch.device("meta"):
        codec, active = MimiCodec(MimiConfig()), torch.ones(2, dtype=torch.bool)
        state = codec.init_state(2, "meta")
        codes = codec.encode_step(torch.zeros(2, 1, 1920), state, active)
        assert codes.shape == (2, 8)
        assert codec.decode_step(codes, state, active).shape == (2, 1, 1920)


def test_state_of_published_size_takes_16_megabytes_per_slot():
    with torch.device("meta"):
        codec = MimiCodec(MimiConfig())
    assert codec.init_state(1, "meta").num_bytes() == pytest.approx(16.48e6, rel=1e-3)


def test_init_state_of_another_dtype_is_refused(tiny_mimi):
    with pytest.raises(CodecError, match=r"computes in torch.float32, not torch.bfloat16"):
        tiny_mimi.init_state(1, dtype=torch.bfloat16)


def test_init_state_without_slots_is_refused(tiny_mimi):
    with pytest.raises(CodecError, match="at least one slot"):
        tiny_mimi.init_state(0)
