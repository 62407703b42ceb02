import pytest
import torch
from torch import Tensor

from voiceagent.errors import PromptRefused
from voiceagent.model.prompt import (
    PromptCodes,
    PromptPlan,
    plan_prompt,
    prompt_steps,
    role_tokens,
)
from voiceagent.model.tokenizer import WordTokenizer
from voiceagent.model.voice import Voice

TONE, SILENCE, PAD = (1, 2, 3), (7, 8, 9), 3
CODES = PromptCodes(TONE, SILENCE)
VOICE = torch.tensor([[4, 5, 6], [5, 6, 4], [6, 4, 5]])
TOKENS = [11, 12, 13, 14]
FRAMES = 3 + 6 + 4 + 6


@pytest.fixture
def config(make_config):
    """Like Moshi: no delay for text and the first codebook, one step for the others."""
    return make_config(context=60)


def plan(config, tokens=TOKENS, voice=VOICE) -> PromptPlan:
    return plan_prompt(config, tokens, None if voice is None else Voice.of_codes(voice), CODES)


def test_plan_lands_every_frame_at_its_own_position_plus_the_streams_delay(config):
    result = plan(config)
    text = [PAD] * 9 + TOKENS + [PAD] * 6
    agent = VOICE.tolist() + [list(SILENCE)] * 16
    for call in range(FRAMES):
        position = call + 1
        assert result.text[call] == (text[position] if position < FRAMES else PAD)
        for k, delay in enumerate(config.agent_delays):
            frame = position - delay
            wanted = agent[frame][k] if frame < FRAMES else SILENCE[k]
            assert result.agent_codes[call, k] == wanted, (call, k)


def test_plan_holds_the_tone_in_the_users_stream_throughout(config):
    result = plan(config)
    assert result.user_codes.tolist() == [list(TONE)] * FRAMES
    assert result.steps == FRAMES == prompt_steps(3, 4)


@pytest.mark.parametrize(
    ("tokens", "voice", "steps"),
    [(TOKENS, None, 16), ([], VOICE, 15), ([], None, 0)],
    ids=["role alone", "voice alone", "neither"],
)
def test_plan_without_a_part_leaves_that_part_out(config, tokens, voice, steps):
    result = plan(config, tokens, voice)
    assert (result.steps, len(result.agent_codes), len(result.user_codes)) == (steps,) * 3


def test_role_stands_between_its_tags_once():
    tokenizer = WordTokenizer(("<unk>", "<system>", "be", "kind"))
    assert role_tokens("be kind", tokenizer) == [1, 2, 3, 1]
    assert role_tokens("  <system> be kind <system> ", tokenizer) == [1, 2, 3, 1]
    assert role_tokens("  ", tokenizer) == []


def test_prompt_longer_than_half_of_the_window_is_refused_with_both_numbers(config):
    plan(config, [5] * 15)
    with pytest.raises(PromptRefused, match=r"31 steps .* at most 30 \(half of its window of 60\)"):
        plan(config, [5] * 16)


@pytest.mark.parametrize(
    "voice",
    [
        Voice.of_codes(torch.zeros(2, 4, dtype=torch.int64)),
        Voice.of_codes(torch.full((2, 3), 11)),
        Voice(VOICE, torch.zeros(4, 31)),
    ],
    ids=["codebooks", "cardinality", "width"],
)
def test_voice_of_another_model_is_refused(config, voice):
    with pytest.raises(PromptRefused, match=r"this model|this one has 32"):
        plan_prompt(config, [], voice, CODES)


def test_mimis_codes_do_not_fit_a_smaller_codec(config):
    assert CODES.fits(config)
    assert not PromptCodes().fits(config)
    assert len(PromptCodes().tone) == len(PromptCodes().silence) == 8


def fed(decoder, plan: PromptPlan, state=None, rows: int = 1):
    """The state after a prompt."""
    state = state or decoder.init_state(rows)
    for t in range(plan.steps):
        decoder.feed(
            plan.user_codes[t].repeat(rows, 1),
            state,
            torch.ones(rows, dtype=torch.bool),
            text=plan.text[t].repeat(rows),
            agent_codes=plan.agent_codes[t].repeat(rows, 1),
            embeddings=plan.embeddings[t].repeat(rows, 1) if t < len(plan.embeddings) else None,
        )
    return state


def listen(decoder, state, steps: int = 5) -> Tensor:
    """Probabilities of silence of the next steps."""
    user, active = torch.tensor([[4, 4, 4]]), torch.ones(1, dtype=torch.bool)
    return torch.stack([decoder.step(user, state, active).p_pad for _ in range(steps)])


@pytest.fixture
def decoder(config, make_decoder):
    return make_decoder(config)


def test_fed_frame_leaves_what_a_forced_step_leaves_but_no_way_back(moshi_like):
    generator = torch.Generator().manual_seed(3)
    user, agent, text = (torch.randint(11, (2, 12, n), generator=generator) for n in (3, 3, 1))
    fed_state, stepped = moshi_like.init_state(2), moshi_like.init_state(2)
    active = torch.tensor([True, False])
    for t in range(12):
        moshi_like.feed(user[:, t], fed_state, active, text=text[:, t, 0], agent_codes=agent[:, t])
        moshi_like.step(
            user[:, t],
            stepped,
            active,
            forced_text=text[:, t, 0],
            forced_agent_codes=agent[:, t],
        )
    assert fed_state.room.tolist() == [0, 0]
    stepped.room.zero_()
    for (mine, _), (theirs, _) in zip(fed_state.tensors(), stepped.tensors(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    "other",
    [{"tokens": [11, 12, 13, 15]}, {"voice": VOICE.flip(0)}, {"tokens": []}, {"voice": None}],
    ids=["one token", "voice", "no role", "no voice"],
)
def test_another_prompt_gives_other_probabilities(decoder, config, other):
    first = listen(decoder, fed(decoder, plan(config)))
    second = listen(decoder, fed(decoder, plan(config, **other)))
    assert (first - second).abs().max() > 1e-4


def test_embeddings_of_a_voice_stand_for_its_codes(decoder, config):
    """What the reference keeps of a voice: summed inputs of all its frames but the last."""
    by_codes, state, embeddings = plan(config), decoder.init_state(1), []
    embed = decoder.embed

    def keep(tokens):
        embeddings.append(embed(tokens))
        return embeddings[-1]

    decoder.embed = keep
    fed(decoder, by_codes, state)
    voice = Voice(VOICE[-2:], torch.cat(embeddings[: len(VOICE) - 1]))
    decoder.embed = embed
    again = fed(decoder, plan_prompt(config, TOKENS, voice, CODES))
    for (mine, _), (theirs, _) in zip(state.tensors(), again.tensors(), strict=True):
        assert torch.equal(mine, theirs)
