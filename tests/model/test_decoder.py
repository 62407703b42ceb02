import pytest
import torch
from voiceagent_codec.errors import CodecError, CodeError, SlotError
from voiceagent_kernels.reference.rope import apply_rope, rope_rotation

from voiceagent.model.config import ROLLBACK_STEPS
from voiceagent.model.decoder import Reach
from voiceagent.model.sampling import UNFORCED, Sampling
from voiceagent.testing import laws

STEPS = 30  # the toy context is 9: the ring wraps three times


def on(rows):
    return torch.ones(rows, dtype=torch.bool)


def random_user_codes(rows, steps=STEPS, seed=1):
    return torch.randint(11, (rows, steps, 3), generator=torch.Generator().manual_seed(seed))


def chosen(output):
    """Everything a step decided, as one row per slot."""
    texts = [output.text] + ([] if output.user_text is None else [output.user_text])
    return torch.cat((torch.stack(texts, 1), output.agent_codes), dim=1)


def run(decoder, user, state=None, **options):
    state = state or decoder.init_state(len(user))
    rows = [decoder.step(user[:, t], state, on(len(user)), **options) for t in range(user.shape[1])]
    return torch.stack([chosen(row) for row in rows], dim=1)


def fed_tokens(config, text, user_text, codes, user):
    """What every stream must be fed at every step, by the delays' definition: i64 [B, S, T]."""
    batch, steps = text.shape
    streams = [text] + ([user_text] if config.user_text else [])
    own = [(stream, 1) for stream in streams] + [(codes[:, k], 1) for k in range(3)]
    heard = [(user[:, :, k], delay) for k, delay in enumerate(config.user_delays)]
    fed = torch.tensor(config.initial_tokens)[None, :, None].repeat(batch, 1, steps)
    agent = range(config.text_streams, config.text_streams + 3)
    for s, ((values, shift), delay) in enumerate(zip(own + heard, config.delays, strict=True)):
        if s in agent and not config.feed_agent_codes:
            continue
        for t in range(delay + 1, steps):
            fed[:, s, t] = values[:, t - shift]
    return fed


def test_step_agrees_with_the_teacher_forced_sequence_at_every_step(toy_decoder):
    config = toy_decoder.config
    user = random_user_codes(2)
    state, outputs, raw = toy_decoder.init_state(2), [], []
    for t in range(STEPS):
        outputs.append(toy_decoder.step(user[:, t], state, on(2)))
        place = (t + 1) % config.token_steps
        codes = state.tokens[:, config.text_streams : config.text_streams + 3, place]
        raw.append(codes.clone())
    text = torch.stack([o.text for o in outputs], 1)
    user_text = torch.stack([o.user_text for o in outputs], 1) if config.user_text else None
    codes = torch.stack(raw, 2)
    fed = fed_tokens(config, text, user_text, codes, user)
    with torch.inference_mode():
        text_logits, user_logits, code_logits = toy_decoder(fed, text, codes)
    assert torch.equal(text_logits.argmax(-1), text)
    assert torch.equal(code_logits.argmax(-1).transpose(1, 2), codes)
    if user_text is not None:
        assert torch.equal(user_logits.argmax(-1), user_text)
    p_pad = torch.stack([o.p_pad for o in outputs], 1)
    torch.testing.assert_close(p_pad, text_logits.softmax(-1)[..., config.pad_id])
    p_epad = torch.stack([o.p_epad for o in outputs], 1)
    torch.testing.assert_close(p_epad, text_logits.softmax(-1)[..., config.epad_id])
    assert len(text.unique()) > 3
    assert len(codes.unique()) > 5


@pytest.fixture
def system(toy_decoder):
    decoder = toy_decoder

    def whole(user):
        return torch.cat([run(decoder, user[i : i + 1]) for i in range(len(user))])

    return laws.StreamingSystem(
        decoder.init_state, lambda u, state, active: chosen(decoder.step(u, state, active)), whole
    )


def test_decoder_slots_together_equal_each_alone(system):
    laws.check_equivalence(system, random_user_codes(3))


def test_decoder_never_looks_ahead(system):
    laws.check_causality(system, random_user_codes(3), at=17)


def test_decoder_slots_do_not_touch(system):
    laws.check_isolation(system, random_user_codes(3), victim=1)


def test_decoder_slot_after_reset_is_new(system):
    laws.check_freshness(system, random_user_codes(3), slot=2)


def test_decoder_idle_slot_keeps_every_bit(system):
    laws.check_inactive(system, random_user_codes(3), idle=0)


def test_aligned_frame_takes_each_codebook_from_its_own_step(moshi_like):
    """Semantic code of one step earlier beside the acoustic codes of this one."""
    user, state = random_user_codes(1), moshi_like.init_state(1)
    raw, frames, valid = [], [], []
    for t in range(STEPS):
        output = moshi_like.step(user[:, t], state, on(1))
        place = (t + 1) % moshi_like.config.token_steps
        raw.append(state.tokens[0, 1:4, place].tolist())
        frames.append(output.agent_codes[0].tolist())
        valid.append(bool(output.valid))
    assert valid == [False] + [True] * (STEPS - 1)
    for t in range(1, STEPS):
        assert frames[t] == [raw[t - 1][0], raw[t][1], raw[t][2]]


@pytest.mark.parametrize("steps", [1, ROLLBACK_STEPS])
@pytest.mark.parametrize("at", [8, 23])
def test_rollback_then_the_same_frames_repeats_bit_for_bit(toy_decoder, steps, at):
    user = random_user_codes(2)
    straight = run(toy_decoder, user)
    state = toy_decoder.init_state(2)
    run(toy_decoder, user[:, : at - steps], state)
    run(toy_decoder, random_user_codes(2, steps, seed=9), state)
    state.rollback([0, 1], steps)
    again = run(toy_decoder, user[:, at - steps :], state)
    assert torch.equal(again, straight[:, at - steps :])


def test_rollback_of_one_slot_leaves_the_other(toy_decoder):
    user, state = random_user_codes(2), toy_decoder.init_state(2)
    run(toy_decoder, user, state)
    state.rollback([1], 3)
    assert state.positions.tolist() == [STEPS, STEPS - 3]


@pytest.mark.parametrize(("taken", "steps"), [(0, 1), (3, 4), (STEPS, ROLLBACK_STEPS + 1), (9, -1)])
def test_rollback_beyond_the_room_is_refused_and_changes_nothing(moshi_like, taken, steps):
    state = moshi_like.init_state(1)
    run(moshi_like, random_user_codes(1, taken or 1)[:, :taken], state) if taken else None
    with pytest.raises(SlotError, match=f"roll back {steps} steps"):
        state.rollback([0], steps)
    assert state.positions.tolist() == [taken]


def test_rollback_twice_cannot_exceed_the_room(moshi_like):
    state = moshi_like.init_state(1)
    run(moshi_like, random_user_codes(1), state)
    state.rollback([0], ROLLBACK_STEPS - 2)
    with pytest.raises(SlotError, match="0 to 2"):
        state.rollback([0], 3)


def test_forced_text_replaces_the_choice_and_shapes_what_follows(moshi_like):
    user = random_user_codes(2)
    free = run(moshi_like, user)
    forced = torch.tensor([7, UNFORCED])
    forced_run = run(moshi_like, user, forced_text=forced)
    assert forced_run[0, :, 0].unique().tolist() == [7]
    assert not torch.equal(forced_run[0, :, 1:], free[0, :, 1:])
    assert torch.equal(forced_run[1], free[1])


def test_forced_agent_codes_are_spoken(moshi_like):
    forced = torch.tensor([[4, UNFORCED, 6]])
    codes = run(moshi_like, random_user_codes(1), forced_agent_codes=forced)[0, 1:, 1:]
    assert codes[:, 0].unique().tolist() == [4]
    assert codes[:, 2].unique().tolist() == [6]
    assert len(codes[:, 1].unique()) > 1


def test_logit_bias_can_silence_a_token_while_probabilities_stay_the_models_own(moshi_like):
    user = random_user_codes(1)
    first = moshi_like.step(user[:, 0], moshi_like.init_state(1), on(1))
    bias = torch.zeros(1, 19)
    bias[0, first.text] = -1e9
    second = moshi_like.step(user[:, 0], moshi_like.init_state(1), on(1), logit_bias=bias)
    assert not torch.equal(first.text, second.text)
    assert torch.equal(first.entropy, second.entropy)


def test_next_word_is_the_only_word_of_its_slot_and_its_moment_the_models_own(moshi_like):
    user = random_user_codes(2)
    quiet = torch.zeros(2, 19)
    free = run(moshi_like, user, logit_bias=quiet)
    told = run(moshi_like, user, logit_bias=quiet, next_word=torch.tensor([7, UNFORCED]))
    config = moshi_like.config
    assert set(told[0, :, 0].tolist()) - {config.pad_id, config.epad_id} == {7}
    assert torch.equal(told[1], free[1])
    quiet[:, config.pad_id] = 1e4
    held = run(moshi_like, user, logit_bias=quiet, next_word=torch.tensor([7, UNFORCED]))
    assert held[0, :, 0].unique().tolist() == [config.pad_id]


def test_entropy_and_probabilities_describe_a_distribution(toy_decoder):
    output = toy_decoder.step(random_user_codes(1)[:, 0], toy_decoder.init_state(1), on(1))
    assert 0 <= float(output.p_pad) <= 1
    assert 0 <= float(output.p_epad) <= 1
    assert 0 < float(output.entropy) < 3


def test_sampled_slot_repeats_by_seed_in_any_slot(moshi_like):
    user = random_user_codes(1).expand(3, -1, -1)
    sampling = Sampling.greedy(3)
    sampling.text_temperature[:] = sampling.code_temperature[:] = 1.0
    sampling.seed[:] = torch.tensor([5, 6, 5])
    codes = run(moshi_like, user, sampling=sampling)
    assert torch.equal(codes[0], codes[2])
    assert not torch.equal(codes[0], codes[1])


def test_attention_forgets_what_lies_beyond_the_context(nano_decoder):
    """A garbled past makes no difference once it has left the window and the token ring."""
    config = nano_decoder.config
    state = nano_decoder.init_state(2)
    user = torch.tensor(config.initial_user_codes).expand(2, -1)
    state.positions += config.context + 20
    output = nano_decoder.step(user, state, on(2))
    place = (state.positions - 1 - config.context) % config.ring_steps
    for ring in state.rings:
        ring.keys[1, :, place[1]] = 99.0
    state.rollback([0, 1], 1)
    again = nano_decoder.step(user, state, on(2))
    assert torch.equal(output.entropy, again.entropy)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"forced_text": torch.tensor([99])}, "forced_text run from -2 to 19"),
        ({"forced_text": torch.tensor([[1]])}, r"forced_text is int64 \[1\]"),
        ({"forced_agent_codes": torch.full((1, 3), -3)}, "forced_agent_codes run from -2"),
        ({"next_word": torch.tensor([19])}, "next_word run from -2 to 18"),
        ({"logit_bias": torch.zeros(1, 5)}, r"logit_bias is float32 \[1, 19\]"),
        ({"sampling": Sampling.greedy(2)}, "on a state of 2 slots"),
        ({"oracle": torch.zeros(1)}, "oracle input is reserved"),
    ],
)
def test_step_with_bad_options_names_them_and_leaves_the_state(moshi_like, options, problem):
    state = moshi_like.init_state(1)
    with pytest.raises(CodecError, match=problem):
        moshi_like.step(torch.zeros(1, 3).long(), state, on(1), **options)
    assert state.positions.tolist() == [0]


@pytest.mark.parametrize(
    ("codes", "problem"),
    [
        (torch.full((1, 3), 12), "user_codes run from -1 to 11"),
        (torch.zeros(1, 2).long(), r"user_codes is int64 \[1, 3\]"),
        (torch.zeros(1, 3), "not torch.float32"),
    ],
)
def test_step_with_bad_user_codes_says_what_they_must_be(moshi_like, codes, problem):
    with pytest.raises(CodeError, match=problem):
        moshi_like.step(codes, moshi_like.init_state(1), on(1))


def test_step_on_a_state_of_another_batch_size_is_refused(moshi_like):
    with pytest.raises(SlotError, match="batch of 1 rows"):
        moshi_like.step(torch.zeros(1, 3).long(), moshi_like.init_state(2), on(1))


def test_zero_token_embeds_to_nothing(moshi_like):
    tokens = torch.zeros(1, 7, dtype=torch.int64)
    without = tokens.clone()
    without[0, 4:] = -1
    user = [moshi_like.user_embedding.weight[k * 12] for k in range(3)]
    with torch.inference_mode():
        difference = moshi_like.embed(tokens) - moshi_like.embed(without)
        torch.testing.assert_close(difference[0], sum(user))


def test_init_state_of_no_slots_is_refused(moshi_like):
    with pytest.raises(SlotError, match="at least one slot"):
        moshi_like.init_state(0)


def test_rollback_of_no_slots_does_nothing(moshi_like):
    state = moshi_like.init_state(1)
    state.rollback([], 3)
    assert state.positions.tolist() == [0]


PINNED = 4  # of the toy context of 9


def forced_run(decoder, user, state, logits, begin=0):
    """Steps whose tokens are all given, so that only the keys can carry anything on."""
    text = torch.arange(user.shape[1]) % 17
    codes = random_user_codes(1, user.shape[1], seed=8)[0]
    for t in range(begin, user.shape[1]):
        output = decoder.step(
            user[:, t],
            state,
            on(len(user)),
            forced_text=text[t].expand(len(user)),
            forced_agent_codes=codes[t].expand(len(user), -1),
        )
        logits.append(torch.stack((output.p_pad, output.entropy), 1))


def attend_by_cache_position(decoder, hidden_inputs, pinned):
    """Every step of one slot by the definition: keys numbered by their place in the cache."""
    config = decoder.config
    pasts = [([], []) for _ in decoder.temporal_layers()]
    heads, outputs = config.temporal.heads, []
    for t, x in enumerate(hidden_inputs):
        for layer, (keys, values) in zip(decoder.temporal_layers(), pasts, strict=True):
            joint = layer.attention_in(layer.norm1(x)).view(3, heads, 1, -1)
            keys.append(joint[1])
            values.append(joint[2])
            recent = range(max(pinned, t + 1 - (config.context - pinned)), t + 1)
            seen = [*range(min(pinned, t + 1)), *recent]
            positions = torch.arange(len(seen))[None]
            rotation = rope_rotation(positions, config.temporal.head_width, 10_000.0)
            turned = apply_rope(torch.cat([keys[p] for p in seen], 1)[None], rotation)
            query = apply_rope(joint[0][None], rotation[:, :, -1:])
            weights = (query @ turned.mT / query.shape[-1] ** 0.5).softmax(-1)
            mixed = weights @ torch.cat([values[p] for p in seen], 1)[None]
            x = x + layer.attention_out(mixed.reshape(1, -1))
            inner = layer.hidden_in(layer.norm2(x))
            x = x + layer.hidden_out(layer._activate(inner))
        outputs.append(decoder.norm(x))
    return torch.cat(outputs)


def test_pinned_steps_are_seen_where_the_caches_own_numbering_puts_them(moshi_like, monkeypatch):
    """Against a plain computation without ring, absolute positions or turned-back queries."""
    fed, hidden = [], []
    embed, depth = moshi_like.embed, moshi_like.depth.generate
    monkeypatch.setattr(moshi_like, "embed", lambda tokens: fed.append(embed(tokens)) or fed[-1])
    monkeypatch.setattr(
        moshi_like.depth, "generate", lambda h, *rest: hidden.append(h) or depth(h, *rest)
    )
    state, user = moshi_like.init_state(1), random_user_codes(1)
    run(moshi_like, user[:, :PINNED], state)
    state.pin([0], PINNED)
    run(moshi_like, user[:, PINNED:], state)
    with torch.inference_mode():
        expected = attend_by_cache_position(moshi_like, fed, PINNED)
    torch.testing.assert_close(torch.cat(hidden), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("steps", [30, 200])
def test_pinned_prompt_is_heard_long_after_the_context_and_an_unpinned_one_is_not(
    moshi_like, steps
):
    user = random_user_codes(1, steps).repeat(4, 1, 1)
    user[1::2, 1] = (user[1::2, 1] + 1) % 11  # one prompt token differs
    state, seen = moshi_like.init_state(4), []
    forced_run(moshi_like, user[:, :PINNED], state, seen)
    state.pin([0, 1], PINNED)
    forced_run(moshi_like, user, state, seen, begin=PINNED)
    last = seen[-1]
    assert float((last[0] - last[1]).abs().max()) > 1e-3
    assert torch.equal(last[2], last[3])


def test_pins_change_no_bit_of_another_slot(moshi_like):
    user = random_user_codes(2, 60)
    straight = run(moshi_like, user)
    state = moshi_like.init_state(2)
    first = run(moshi_like, user[:, :PINNED], state)
    state.pin([1], PINNED)
    rest = run(moshi_like, user[:, PINNED:], state)
    assert torch.equal(torch.cat((first, rest), 1)[0], straight[0])
    assert not torch.equal(rest[1], straight[1, PINNED:])


def test_rollback_over_a_pinned_ring_repeats_bit_for_bit(moshi_like):
    user, state = random_user_codes(1, 60), moshi_like.init_state(1)
    run(moshi_like, user[:, :PINNED], state)
    state.pin([0], PINNED)
    run(moshi_like, user[:, PINNED:40], state)
    straight = run(moshi_like, user[:, 40 : 40 + ROLLBACK_STEPS], state)
    state.rollback([0], ROLLBACK_STEPS)
    again = run(moshi_like, user[:, 40 : 40 + ROLLBACK_STEPS], state)
    assert torch.equal(again, straight)


@pytest.mark.parametrize(
    ("taken", "steps", "problem"),
    [
        (3, 4, "taken 3 to 3, and it must be 4 to 21"),
        (22, 2, "taken 22 to 22"),
        (9, 9, "cannot pin 9 steps of a context of 9"),
        (9, -1, "cannot pin -1 steps"),
    ],
)
def test_pin_of_steps_that_cannot_be_kept_is_refused(moshi_like, taken, steps, problem):
    state = moshi_like.init_state(1)
    run(moshi_like, random_user_codes(1, taken), state)
    with pytest.raises(SlotError, match=problem):
        state.pin([0], steps)
    assert state.pinned.tolist() == [0]


@pytest.mark.parametrize("reach", [Reach(106), Reach(106, 106), Reach(64, 8)])
def test_reach_changes_no_bit(make_config, make_decoder, reach):
    decoder = make_decoder(make_config(context=100))
    user = random_user_codes(2, 60)
    assert torch.equal(run(decoder, user, reach=reach), run(decoder, user))


def test_reach_is_a_power_of_two_or_the_ring(nano):
    config = nano.decoder
    found = [Reach.of(config, live).live_places for live in (1, 64, 65, 128, 129, 256, 257, 9999)]
    assert found == [64, 64, 128, 128, 256, 256, 262, 262]
    assert Reach.of(config, 250, 80).pinned_places == 0
    assert Reach.of(config, 251, 80).pinned_places == 128
    assert Reach.of(config, 251, 0).pinned_places == 0


def test_positions_beyond_2_to_the_16_attend_as_early_ones_do(moshi_like):
    """A window of the same steps, begun at step 0 and at step 2^17, gives the same logits."""
    user, late = random_user_codes(1, 40), moshi_like.init_state(1)
    early, seen_early, seen_late = moshi_like.init_state(1), [], []
    start = 2**17 // 15 * 15 + 10  # at another place of the ring, and of the token ring
    late.positions += start
    forced_run(moshi_like, user, early, seen_early)
    forced_run(moshi_like, user, late, seen_late)
    torch.testing.assert_close(seen_late[-1], seen_early[-1], rtol=1e-4, atol=1e-4)
