import pytest
import torch
from voiceagent_codec.errors import CodecError, WeightsError
from voiceagent_codec.nano import FRAME_SAMPLES, NanoCodec, NanoCodecConfig, load_nano_codec
from voiceagent_codec.weights import save_checkpoint

from voiceagent.testing import laws

FRAMES = 20


@pytest.fixture
def hearing(nano_codec):
    return laws.StreamingSystem(
        nano_codec.init_state,
        lambda x, state, active: nano_codec.encode_step(x[:, None], state, active),
        lambda x: nano_codec.encode_user(x.flatten(1)),
    )


@pytest.fixture
def heard(make_speech):
    return make_speech(FRAMES * 0.08, rows=3).view(3, FRAMES, FRAME_SAMPLES)


@pytest.fixture
def speaking(nano_codec):
    return laws.StreamingSystem(
        nano_codec.init_state,
        lambda codes, state, active: nano_codec.decode_step(codes, state, active)[:, 0],
        lambda codes: nano_codec.decode_agent(codes).view(len(codes), -1, FRAME_SAMPLES),
        tolerance=2e-3,  # f32 sums of another order, beside pulses near their singular points
    )


@pytest.fixture
def spoken(nano_codec, heard):
    return nano_codec.encode_agent(heard.flatten(1))


def test_speech_like_input_makes_varied_codes(hearing, heard, spoken):
    assert len(hearing.whole(heard)[..., 0].unique()) > 5
    assert len(spoken[..., 0].unique()) > 5


@pytest.mark.parametrize("side", ["hearing", "speaking"])
class TestLaws:
    @pytest.fixture
    def system(self, side, request):
        return request.getfixturevalue(side)

    @pytest.fixture
    def inputs(self, side, request):
        return request.getfixturevalue("heard" if side == "hearing" else "spoken")

    def test_nano_codec_stepped_equals_the_whole(self, system, inputs):
        laws.check_equivalence(system, inputs)

    def test_nano_codec_never_looks_ahead(self, system, inputs):
        laws.check_causality(system, inputs, at=12)

    def test_nano_codec_slots_do_not_touch(self, system, inputs):
        laws.check_isolation(system, inputs, victim=1)

    def test_nano_codec_slot_after_reset_is_new(self, system, inputs):
        laws.check_freshness(system, inputs, slot=2)

    def test_nano_codec_idle_slot_keeps_every_bit(self, system, inputs):
        laws.check_inactive(system, inputs, idle=0)


def test_hearing_a_frame_of_nan_leaves_the_neighbour_alone(nano_codec, heard):
    frames = heard[:2, :, None].clone()
    active = torch.ones(2, dtype=torch.bool)
    outputs = []
    for poison in (0.0, float("nan")):
        state = nano_codec.init_state(2)
        frames[0, 3] += poison
        steps = [nano_codec.encode_step(frames[:, t], state, active) for t in range(8)]
        outputs.append(torch.stack(steps)[:, 1])
    assert torch.equal(*outputs)


def test_user_silence_is_what_a_settled_silence_sounds_like(nano, nano_codec):
    assert tuple(nano_codec.user_silence.tolist()) == nano.decoder.initial_user_codes


def test_agent_voice_survives_encoding_and_decoding(nano_codec, make_speech):
    """Codes of codes of sound: the second pass must keep the loud and the silent places."""
    first = nano_codec.decode_agent(nano_codec.encode_agent(make_speech(3.2)))
    again = nano_codec.decode_agent(nano_codec.encode_agent(first))
    levels = [x.view(-1, FRAME_SAMPLES).square().mean(1).add(1e-7).log() for x in (first, again)]
    # the voice runs 30 ms behind its codes, so levels agree over frames, not samples
    assert torch.corrcoef(torch.stack(levels))[0, 1] > 0.7


def test_init_state_of_another_dtype_is_refused(nano_codec):
    with pytest.raises(CodecError, match="computes in float32"):
        nano_codec.init_state(1, dtype=torch.bfloat16)


def test_encode_agent_without_the_agent_encoder_says_so():
    codec = NanoCodec(NanoCodecConfig(encoder_widths=(4, 4, 4, 4), decoder_widths=(4, 4, 4, 4)))
    with pytest.raises(CodecError, match="without its agent encoder"):
        codec.encode_agent(torch.zeros(1, 1920))


@pytest.mark.parametrize(
    "sizes",
    [
        {"encoder_widths": [1, 2, 3]},
        {"agent_codebooks": 1},
        {"colour": 3},
        {"hearing_layers": -1},
        {"hearing_width": 100},
    ],
)
def test_load_nano_codec_of_impossible_sizes_names_the_field(tmp_path, sizes):
    with pytest.raises(ValueError, match=next(iter(sizes))):
        load_nano_codec(tmp_path / "codec.safetensors", sizes)


def test_load_nano_codec_without_the_agent_encoder_leaves_it_on_disk(tmp_path):
    sizes = {"encoder_widths": [4, 4, 4, 4], "decoder_widths": [4, 4, 4, 4]}
    whole = NanoCodec(
        NanoCodecConfig(encoder_widths=(4, 4, 4, 4), decoder_widths=(4, 4, 4, 4)),
        with_agent_encoder=True,
    )
    path = tmp_path / "codec.safetensors"
    save_checkpoint(path, whole.state_dict(), "nano-codec")
    assert load_nano_codec(path, sizes).agent_encoder is None
    assert load_nano_codec(path, sizes, with_agent_encoder=True).agent_encoder is not None


def test_load_nano_codec_of_another_size_names_tensor_and_shapes(tmp_path):
    small = NanoCodec(NanoCodecConfig(encoder_widths=(4, 4, 4, 4), decoder_widths=(4, 4, 4, 4)))
    path = tmp_path / "codec.safetensors"
    save_checkpoint(path, small.state_dict(), "nano-codec")
    with pytest.raises(WeightsError, match=r"shape \[4, 240\], expected \[128, 240\]"):
        load_nano_codec(path, {})


def test_a_model_that_hears_by_convolutions_is_still_read(tmp_path):
    """As all models were until 2026-11-23; their sizes say nothing of a transformer."""
    sizes = {"encoder_widths": [4, 4, 4, 4], "decoder_widths": [4, 4, 4, 4]}
    older = NanoCodec(NanoCodecConfig(encoder_widths=(4, 4, 4, 4), decoder_widths=(4, 4, 4, 4)))
    path = tmp_path / "codec.safetensors"
    save_checkpoint(path, older.state_dict(), "nano-codec")
    codec = load_nano_codec(path, sizes)
    assert codec.encode_user(torch.zeros(1, 1920 * 3)).shape == (1, 3, 4)
    with pytest.raises(WeightsError, match=r"conv1\.weight"):
        load_nano_codec(path, sizes | {"hearing_layers": 4})
