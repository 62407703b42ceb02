import pytest
import torch
from voiceagent_codec.base import CodecSpec, CodeSpace
from voiceagent_codec.errors import CodeError, FrameError, NotInvertible, SlotError

ONE = torch.ones(1, dtype=torch.bool)


def test_spec_derives_frame_rate_and_duration():
    spec = CodecSpec(24_000, 1920, CodeSpace(4, 256), CodeSpace(8, 256), is_invertible=False)
    assert (spec.frame_rate_hz, spec.frame_ms) == (12.5, 80.0)


def test_spec_that_is_invertible_needs_one_code_space():
    with pytest.raises(ValueError, match="one code space"):
        CodecSpec(24_000, 1920, CodeSpace(4, 256), CodeSpace(8, 256), is_invertible=True)


@pytest.mark.parametrize(("codebooks", "cardinality"), [(0, 256), (4, 1)])
def test_code_space_without_room_is_refused(codebooks, cardinality):
    with pytest.raises(ValueError, match="code space"):
        CodeSpace(codebooks, cardinality)


@pytest.mark.parametrize(
    "pcm", [torch.zeros(1, 1, 1919), torch.zeros(1, 1920), torch.zeros(1, 1, 1920).double()]
)
def test_encode_step_of_a_wrong_frame_says_what_a_frame_is(nano_codec, pcm):
    with pytest.raises(FrameError, match=r"float32 \[B, 1, 1920\]"):
        nano_codec.encode_step(pcm, nano_codec.init_state(1), ONE)


def test_encode_step_on_a_state_of_another_batch_size_is_refused(nano_codec):
    with pytest.raises(SlotError, match="batch of 1 rows"):
        nano_codec.encode_step(torch.zeros(1, 1, 1920), nano_codec.init_state(2), ONE)


@pytest.mark.parametrize(
    "codes", [torch.zeros(1, 7).long(), torch.zeros(1, 8), torch.zeros(8).long()]
)
def test_decode_step_of_misshapen_codes_says_what_codes_are(nano_codec, codes):
    with pytest.raises(CodeError, match=r"int64 \[B, 8\]"):
        nano_codec.decode_step(codes, nano_codec.init_state(1), ONE)


@pytest.mark.parametrize("code", [-1, 256])
def test_decode_step_of_codes_out_of_range_names_the_range(nano_codec, code):
    with pytest.raises(CodeError, match="from 0 to 255"):
        nano_codec.decode_step(torch.full((1, 8), code), nano_codec.init_state(1), ONE)


def test_decode_step_ignores_the_codes_of_an_inactive_row(nano_codec):
    state = nano_codec.init_state(2)
    codes = torch.tensor([[3] * 8, [-7] * 8])
    nano_codec.decode_step(codes, state, torch.tensor([True, False]))


def test_decode_user_step_of_a_codec_that_only_understands_is_refused(nano_codec):
    codes = torch.zeros(1, 4, dtype=torch.int64)
    with pytest.raises(NotInvertible, match="cannot be turned back into sound"):
        nano_codec.decode_user_step(codes, nano_codec.init_state(1), ONE)
