import itertools

import pytest
import torch

from voiceagent.audio.wav import write_wav
from voiceagent.errors import PromptRefused, VoiceError
from voiceagent.model.checkpoint import open_model
from voiceagent.model.config import SamplingDefaults
from voiceagent.serving.config import SessionOptions
from voiceagent.serving.prompts import PrefixCache, Prompts
from voiceagent.serving.step import BatchStep, StepInput
from voiceagent.serving.voices import VoiceRegistry
from voiceagent.testing.laws import check_rows_equal

pytestmark = pytest.mark.slow

BAKER = SessionOptions(role="bake bread", voice="alice")
GUARD = SessionOptions(role="guard it")


@pytest.fixture(scope="module")
def model(promptable_folder):
    folder = open_model(promptable_folder)
    return folder.load_codec(), folder.load_decoder(dtype=torch.float32), folder.tokenizer()


@pytest.fixture
def voices(tmp_path, make_speech):
    registry = VoiceRegistry(tmp_path / "voices")
    for seed, name in enumerate(("alice", "bob")):
        write_wav(tmp_path / f"{name}.wav", make_speech(1.04, seed=seed)[0].numpy())
        registry.add_sound(name, tmp_path / f"{name}.wav")
    return registry


@pytest.fixture
def batch(model):
    return BatchStep(model[0], model[1], 4)


@pytest.fixture
def prompts(model, batch, voices):
    return Prompts(batch, model[2], is_promptable=True, voices=voices, max_bytes=2**24)


def tell(prompts, slot, options):
    """Feed a slot to the end; how many pieces that took."""
    prompt = prompts.prompt_of(options)
    if prompts.restore(slot, prompt):
        return 0
    return sum(1 for _ in prompts.feed(slot, prompt))


def answers(batch, slots, make_speech, steps=6):
    """Probabilities and codes of each slot while all of them hear the same."""
    frames = make_speech(0.08 * steps).view(-1, 1920).numpy()
    rows = [batch.run([StepInput(slot, frame, False) for slot in slots])[0] for frame in frames]
    return [[(row[i].p_pad, row[i].agent_codes) for row in rows] for i in range(len(slots))]


def test_prompt_takes_a_piece_a_frame_of_voice_and_a_piece_a_step(prompts, batch, model):
    tokens = len(model[2].encode("<system> bake bread <system>"))
    voice = 13  # 1.04 s
    steps = voice + 6 + tokens + 6
    assert tell(prompts, 1, BAKER) == voice + steps
    assert batch.state.decoder.positions.tolist() == [0, steps, 0, 0]
    assert batch.state.decoder.pinned.tolist() == [0, steps, 0, 0]


def test_second_session_of_a_prompt_joins_at_once_in_the_very_same_state(prompts, batch, model):
    tell(prompts, 0, BAKER)
    assert tell(prompts, 3, BAKER) == 0
    fresh = BatchStep(model[0], model[1], 4)
    again = Prompts(fresh, model[2], is_promptable=True, voices=prompts._voices, max_bytes=0)
    assert tell(again, 3, BAKER) > 0
    assert len(again.cache) == 0
    check_rows_equal(batch.state, fresh.state, [3])


def test_feed_that_waited_for_another_of_its_prompt_costs_nothing(prompts):
    prompt = prompts.prompt_of(GUARD)
    waiting = prompts.feed(1, prompt)
    for _ in prompts.feed(0, prompt):
        pass
    assert list(waiting) == []


def test_prompts_of_one_batch_do_not_mix(prompts, batch, make_speech):
    """Fed by turns, piece by piece, while a third session talks; each as if it were alone."""
    first, second = (
        prompts.feed(slot, prompts.prompt_of(options)) for slot, options in ((0, BAKER), (2, GUARD))
    )
    frame = make_speech(0.08)[0].numpy()
    for _ in itertools.zip_longest(first, second):
        batch.run([StepInput(1, frame, False)])
    together = answers(batch, [0, 2], make_speech)
    for slot in range(4):
        batch.begin(slot, SamplingDefaults(), 0)
    assert tell(prompts, 0, BAKER) == tell(prompts, 2, GUARD) == 0
    assert answers(batch, [0, 2], make_speech) == together
    assert together[0] != together[1]


@pytest.mark.parametrize(
    "other",
    [SessionOptions(), GUARD, SessionOptions(role="bake bread", voice="bob")],
    ids=["none", "role", "voice"],
)
def test_prompt_changes_what_the_model_thinks(prompts, batch, make_speech, other):
    tell(prompts, 0, BAKER)
    if other != SessionOptions():
        tell(prompts, 1, other)
    first, second = answers(batch, [0, 1], make_speech)
    assert max(abs(a[0] - b[0]) for a, b in zip(first, second, strict=True)) > 1e-4


def test_feed_that_is_given_up_keeps_nothing_and_the_slot_can_be_used(prompts, batch, model):
    feed = prompts.feed(1, prompts.prompt_of(BAKER))
    for _ in range(5):
        next(feed)
    feed.close()
    assert len(prompts.cache) == 0
    batch.begin(1, SamplingDefaults(), 0)
    check_rows_equal(batch.state, BatchStep(model[0], model[1], 4).state, [1])


def test_voice_that_was_registered_anew_is_another_prompt(prompts, voices, tmp_path):
    tell(prompts, 0, BAKER)
    voices.add_sound("alice", tmp_path / "bob.wav")
    assert tell(prompts, 1, BAKER) > 0


def test_unknown_voice_is_refused_with_those_there_are(prompts):
    with pytest.raises(PromptRefused, match="no voice 'carol': there are alice, bob"):
        prompts.prompt_of(SessionOptions(voice="carol"))


def test_voice_without_a_folder_of_voices_is_refused(batch, model):
    prompts = Prompts(batch, model[2], is_promptable=True)
    with pytest.raises(PromptRefused, match="no folder of voices"):
        prompts.prompt_of(SessionOptions(voice="alice"))


def test_role_too_long_for_the_window_is_refused_before_anything_is_fed(prompts):
    with pytest.raises(PromptRefused, match="half of its window"):
        prompts.prompt_of(SessionOptions(role="word " * 100))


def test_voice_that_went_away_meanwhile_is_an_error_of_that_session(prompts, voices):
    prompt = prompts.prompt_of(BAKER)
    voices.remove("alice")
    with pytest.raises(VoiceError, match=r"alice\.wav: no such file"):
        next(prompts.feed(0, prompt))


@pytest.mark.parametrize("options", [SessionOptions(), SessionOptions(role="  ")])
def test_options_without_role_and_voice_are_no_prompt(prompts, options):
    assert prompts.prompt_of(options) is None


def test_model_that_takes_no_prompts_says_so_and_goes_on(batch, model, voices, caplog):
    prompts = Prompts(batch, model[2], is_promptable=False, voices=voices)
    assert prompts.prompt_of(BAKER) is None
    assert prompts.voice_ids() == ()
    assert caplog.messages == [
        "this model takes no role and no voice: the session goes on without them"
    ]


def test_model_whose_codes_are_none_of_mimis_takes_no_prompts(nano_codec, nano_decoder, nano):
    prompts = Prompts(BatchStep(nano_codec, nano_decoder, 1), nano.tokenizer(), is_promptable=True)
    assert not prompts.is_promptable


def test_cache_drops_the_prompt_used_longest_ago_beyond_its_bytes(batch):
    size = batch.state.decoder.snapshot(0, 5).num_bytes()
    cache = PrefixCache(2 * size)
    for name in "abc":
        cache.put(name, batch.state.decoder.snapshot(0, 5))
        cache.get("a")
    assert [name for name in "abc" if cache.get(name) is not None] == ["a", "c"]
    assert cache.num_bytes == 2 * size
    cache.put("d", batch.state.decoder.snapshot(0, 50))
    assert cache.get("d") is None
