from collections import Counter

import numpy as np
import pytest
import torch

from voiceagent.model.config import SamplingDefaults
from voiceagent.serving.steering import Repeat, Steering
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
        batch.begin(0, SamplingDefaults(code_temperature=8.0), seed)
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


def state_of(batch, slot):
    """Every bit of a slot's decoder, but for what lies beyond its position."""
    return [tensor[slot].clone() for tensor, _ in batch.state.decoder.tensors()]


def same(one, other):
    return all(torch.equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))


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


def test_steps_taken_again_as_they_were_leave_every_bit(batch, frames):
    for frame in frames[:9]:
        outputs = batch.run(heard(frame))[0]
    before = state_of(batch, 0)
    again = batch.repeat(2, {0: [Repeat(outputs[0].user_codes)]})
    assert again == {0: []}
    assert same(state_of(batch, 0), before)


def test_slots_take_steps_again_beside_each_other_however_many_each(batch, frames):
    given = {slot: [] for slot in (0, 1)}
    for frame in frames[:9]:
        for output in batch.run(heard(frame))[0]:
            given[output.slot].append(Repeat(output.user_codes))
    before = state_of(batch, 0), state_of(batch, 1)
    batch.repeat(2, {0: given[0][-6:], 1: given[1][-2:]})
    assert same(state_of(batch, 0), before[0])
    assert same(state_of(batch, 1), before[1])


def test_nothing_taken_again_is_nothing_done(batch, frames):
    batch.run(heard(frames[5]))
    assert batch.repeat(2, {}) == {}
    assert batch.state.decoder.positions.tolist() == [1, 1, 0, 0]


def test_steps_of_a_delayed_model_taken_again_leave_every_bit(delayed_batch, frames):
    given = [delayed_batch.run([StepInput(0, frame, False)])[0][0].user_codes for frame in frames]
    before = state_of(delayed_batch, 0)
    delayed_batch.repeat(1, {0: [Repeat(codes) for codes in given[-6:]]})
    assert same(state_of(delayed_batch, 0), before)


def test_wrongly_gated_slot_that_hears_again_is_as_if_it_had_heard(
    nano_codec, nano_decoder, frames
):
    """Compared with a decoder that heard all along and was made to say the same."""
    batch = BatchStep(nano_codec, nano_decoder, 1)
    closed, state = {0: Steering(is_gated=True)}, nano_decoder.init_state(1)
    said = [
        batch.run([StepInput(0, frame, False)], closed if at >= 4 else None)[0][0]
        for at, frame in enumerate(frames[:10])
    ]
    understood = batch.repeat(1, {0: [Repeat(output.heard_codes) for output in said[4:]]})
    before = [output.user_text for output in said[4:]]
    for output in said:
        nano_decoder.step(
            torch.tensor([output.heard_codes]),
            state,
            torch.ones(1, dtype=torch.bool),
            forced_text=torch.tensor([output.text]),
            forced_agent_codes=torch.tensor([output.agent_codes]),
        )
    assert said[5].heard_codes != said[5].user_codes
    assert same(state_of(batch, 0), [tensor[0] for tensor, _ in state.tensors()])
    after = state.tokens[0, 1, torch.arange(5, 11) % state.tokens.shape[2]].tolist()
    assert Counter(understood[0]) == Counter(after) - Counter(before)


def test_neighbour_of_a_slot_that_is_rewound_keeps_every_bit(batch, frames):
    for frame in frames[:8]:
        outputs = batch.run(heard(frame))[0]
    before = state_of(batch, 1)
    batch.repeat(2, {0: [Repeat(outputs[0].user_codes, is_silent=True)] * 3})
    batch.forget(0, 2)
    assert same(state_of(batch, 1), before)
    assert batch.state.decoder.positions.tolist() == [6, 8, 0, 0]


def test_steps_nobody_heard_are_silent_in_the_models_memory(batch, frames):
    for frame in frames[:8]:
        outputs = batch.run(heard(frame, [0]), {0: Steering(forced_text=9)})[0]
    batch.repeat(2, {0: [Repeat(outputs[0].user_codes, is_silent=True)] * 3})
    tokens = batch.state.decoder.tokens[0, 0]
    pad = batch.decoder.config.pad_id
    assert tokens[torch.arange(3, 9) % len(tokens)].tolist() == [9, 9, 9, pad, pad, pad]


def test_steps_before_those_taken_again_have_never_been_and_their_words_were_told(batch, frames):
    outputs = [batch.run(heard(frame))[0][0] for frame in frames[:10]]
    again = [Repeat(output.user_codes, is_silent=True) for output in outputs[-6:]]
    understood = batch.repeat(2, {0: again}, {0: 3})[0]
    assert batch.state.decoder.positions.tolist() == [7, 10, 0, 0]
    forgetful = batch._chosen(0, 7).tolist()
    batch.state.reset([0, 1])
    for frame in frames[:7]:
        batch.run(heard(frame))
    batch.repeat(2, {0: again})
    assert batch._chosen(0, 7).tolist() == forgetful
    heard_now = Counter(tokens[1] for tokens in forgetful[-6:])
    assert Counter(understood) == heard_now - Counter(output.user_text for output in outputs[1:])


def test_forgotten_steps_have_never_been(batch, frames):
    silence = {slot: Steering(is_gated=True) for slot in (0, 1)}
    for frame in frames[:8]:
        batch.run(heard(frame), silence)
    for frame in frames[8:12]:
        batch.run(heard(frame, [0]), {0: Steering(forced_text=9)})
    batch.forget(0, 4)
    forgetful, other = batch.run(heard(frames[12]), silence)[0]
    assert tokens(forgetful) == tokens(other)
    assert (forgetful.p_pad, forgetful.entropy) == (other.p_pad, other.entropy)
