import numpy as np
import pytest
import torch

from voiceagent.model.config import SamplingDefaults
from voiceagent.serving.steering import Steering
from voiceagent.serving.step import BatchStep, StepInput, bucket


@pytest.mark.parametrize(
    ("num_slots", "highest", "rows"), [(1, 0, 1), (8, 0, 1), (8, 1, 2), (8, 2, 4), (6, 5, 6)]
)
def test_bucket_is_the_smallest_power_of_two_that_covers_the_slot(num_slots, highest, rows):
    assert bucket(num_slots, highest) == rows


@pytest.fixture
def batch(nano_codec, nano_decoder):
    return BatchStep(nano_codec, nano_decoder, 4)


@pytest.fixture
def frames(make_speech):
    return make_speech(1.6).view(-1, 1920).numpy()


def test_run_computes_only_the_bucket_of_the_highest_slot(batch, frames):
    outputs, rows = batch.run([StepInput(1, frames[0], False)])
    assert rows == 2
    assert [output.slot for output in outputs] == [1]
    assert batch.state.decoder.positions.tolist() == [0, 1, 0, 0]


def test_gated_slot_gives_the_model_encoded_silence_whatever_is_heard(batch, frames):
    silence = tuple(batch.codec.user_silence.tolist())
    inputs = [StepInput(slot, frames[5], slot == 0) for slot in (0, 1)]
    gated, heard = batch.run(inputs)[0]
    assert gated.user_codes == silence
    assert heard.user_codes != silence


@pytest.mark.slow
def test_begin_makes_a_used_slot_new(batch, frames):
    first = [batch.run([StepInput(2, frame, False)])[0][0] for frame in frames]
    batch.begin(2, SamplingDefaults(), 0)
    again = [batch.run([StepInput(2, frame, False)])[0][0] for frame in frames]
    assert [a.user_codes for a in first] == [b.user_codes for b in again]
    assert all((a.pcm == b.pcm).all() for a, b in zip(first, again, strict=True))


@pytest.mark.slow
def test_sampled_slot_follows_its_seed_and_leaves_a_greedy_neighbour_alone(batch, frames):
    def play(seed):
        batch.begin(0, SamplingDefaults(code_temperature=2.0), seed)
        batch.begin(1, SamplingDefaults(), 0)
        steps = [
            batch.run([StepInput(slot, frame, False) for slot in (0, 1)])[0] for frame in frames
        ]
        return [[outputs[slot].agent_codes for outputs in steps] for slot in (0, 1)]

    first, again, other = play(1), play(1), play(2)
    assert first == again
    assert first[0] != other[0]
    assert first[1] == other[1]


@pytest.fixture
def delayed_batch(nano_codec, make_config, make_decoder):
    """One slot of a model whose frames are whole a step late."""
    config = make_config(
        agent=nano_codec.spec.agent,
        user=nano_codec.spec.user,
        agent_delays=(0,) + (1,) * 7,
        user_delays=(0,) * 4,
        initial_agent_codes=(256,) * 8,
        initial_user_codes=(256,) * 4,
    )
    return BatchStep(nano_codec, make_decoder(config), 1)


def test_delayed_model_speaks_silence_until_its_first_whole_frame(delayed_batch, frames):
    first, second = (delayed_batch.run([StepInput(0, frame, False)])[0][0] for frame in frames[:2])
    assert not first.pcm.any()
    assert second.pcm.any()


def test_state_of_the_embedded_model_stays_below_4_mib_a_slot(batch):
    assert batch.state.num_bytes() / 4 < 4 * 2**20
    assert torch.isfinite(batch.state.codec.speak.source.overlap).all()


def test_begin_writes_every_sampling_setting_of_its_slot_and_of_no_other(batch):
    sampling = SamplingDefaults(
        text_temperature=0.5, text_top_k=3, code_temperature=0.75, code_top_k=7
    )
    batch.begin(1, sampling, seed=11)
    rows = [tensor.tolist() for tensor, _ in batch.state.sampling.tensors()]
    assert rows == [[0, value, 0, 0] for value in (0.5, 3, 0.75, 7, 11)]


def test_slot_whose_model_has_no_whole_frame_yet_does_not_advance_its_voice(delayed_batch, frames):
    delayed_batch.run([StepInput(0, frames[0], False)])
    assert delayed_batch.state.codec.speak.source.frame.tolist() == [0]
    delayed_batch.run([StepInput(0, frames[1], False)])
    assert delayed_batch.state.codec.speak.source.frame.tolist() == [1]


def tokens(output):
    return (output.user_codes, output.text, output.user_text, output.agent_codes)


def heard(frame, slots=(0, 1)):
    return [StepInput(slot, frame, False) for slot in slots]


def only(token, batch):
    """A bias that leaves one token."""
    bias = np.full(batch.decoder.config.text_cardinality, -np.inf, np.float32)
    bias[token] = 0
    return bias


def test_steering_that_does_nothing_changes_no_bit(batch, frames):
    plain = batch.run(heard(frames[5]))[0]
    batch.state.reset([0, 1])
    steered = batch.run(heard(frames[5]), {0: Steering(), 1: Steering()})[0]
    for mine, theirs in zip(plain, steered, strict=True):
        assert tokens(mine) == tokens(theirs)
        assert np.array_equal(mine.pcm, theirs.pcm)


def test_forced_text_is_said_by_its_slot_alone(batch, frames):
    outputs = batch.run(heard(frames[5]), {1: Steering(forced_text=7)})[0]
    assert outputs[1].text == 7 != outputs[0].text
    assert [output.text for output in batch.run(heard(frames[6]))[0]].count(7) == 0


def test_bias_leaves_its_slot_the_tokens_that_it_allows(batch, frames):
    outputs = batch.run(heard(frames[5]), {0: Steering(logit_bias=only(9, batch))})[0]
    assert outputs[0].text == 9 != outputs[1].text
    assert [output.text for output in batch.run(heard(frames[6]))[0]].count(9) == 0


def test_bias_does_not_show_in_the_probabilities_and_the_force_wins(batch, frames):
    (plain,) = batch.run(heard(frames[5], [0]))[0]
    batch.state.reset([0])
    steering = Steering(forced_text=4, logit_bias=only(9, batch))
    (steered,) = batch.run(heard(frames[5], [0]), {0: steering})[0]
    assert steered.text == 4
    assert (steered.p_pad, steered.p_epad) == (plain.p_pad, plain.p_epad)


def test_drawn_slot_says_no_token_that_its_bias_forbids(batch, frames):
    batch.begin(0, SamplingDefaults(text_temperature=5.0), seed=3)
    steering = {0: Steering(logit_bias=only(9, batch))}
    said = [batch.run(heard(frame, [0]), steering)[0][0].text for frame in frames[:5]]
    assert said == [9] * 5


def test_closed_ear_gives_its_slot_silence_and_keeps_what_was_heard(batch, frames):
    closed, open_ = batch.run(heard(frames[5]), {0: Steering(is_gated=True)})[0]
    assert closed.user_codes == tuple(batch.codec.user_silence.tolist())
    assert closed.heard_codes == open_.heard_codes == open_.user_codes != closed.user_codes


def test_steering_that_the_model_cannot_follow_is_refused_before_the_step(batch, frames):
    with pytest.raises(ValueError, match="forced_text"):
        batch.run(heard(frames[5]), {0: Steering(forced_text=10_000)})
    assert batch.state.decoder.positions.tolist() == [0] * 4


def test_next_word_is_all_that_its_slot_may_say_whatever_the_bias(batch, frames):
    free = [batch.run(heard(frame))[0] for frame in frames[:5]]
    batch.state.reset([0, 1])
    steering = {0: Steering(next_word=9, logit_bias=only(4, batch))}
    told = [batch.run(heard(frame), steering)[0] for frame in frames[:5]]
    assert [outputs[0].text for outputs in told] == [9] * 5
    assert [tokens(outputs[1]) for outputs in told] == [tokens(outputs[1]) for outputs in free]
