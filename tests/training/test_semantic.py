import pytest
import torch

from voiceagent.training import loop, semantic
from voiceagent.training.semantic import ECHO, FAR, NEAR, NOBODY, SemanticTask
from voiceagent.training.sizes import CODEC_SIZES

pytestmark = pytest.mark.slow


@pytest.fixture
def task(sizes, toy_speech):
    return SemanticTask(sizes, toy_speech, toy_speech["pcm"], 1)


def batch(task, generator):
    return task._heard(*task.clips.draw(task.rows, generator), generator, 1.0)


def test_late_tracks_ask_for_what_was_said_40_ms_ago():
    track = torch.arange(8)[None]
    assert semantic.late(track).tolist() == [[[0, 0, 0, 1], [2, 3, 4, 5]]]


def test_loss_falls_on_a_toy_language(task, generator):
    optimiser = torch.optim.AdamW(task.module.parameters(), 5e-3)
    losses = []
    for _ in range(25):
        loss, parts = task.loss(0.05, generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(parts["phone"])
    assert sum(losses[-5:]) < 0.97 * sum(losses[:5])


def test_loss_is_unquantised_at_first_and_quantised_later(task, generator):
    before = task.codebooks.uses.clone()
    task.loss(0.05, generator)
    assert torch.equal(task.codebooks.uses, before)
    task.loss(0.5, generator)
    assert not torch.equal(task.codebooks.uses, before)


def test_batch_labels_near_far_and_echo_and_phones_only_near(task):
    found = set()
    for seed in range(8):
        _, phones, source = batch(task, torch.Generator().manual_seed(seed))
        found |= set(source.unique().tolist())
        assert not phones[source != NEAR].any()
        assert (phones[source == NEAR] > 0).all()
    assert found == {NOBODY, NEAR, FAR, ECHO}


def test_some_rows_hold_sound_and_nobody(task):
    levels = []
    for seed in range(8):
        pcm, _, source = batch(task, torch.Generator().manual_seed(seed))
        is_empty = (source == NOBODY).all(1)
        levels += pcm[is_empty].square().mean(1).sqrt().tolist()
    assert len(levels) >= 4
    assert max(levels) > 0.02


def test_batch_ends_with_the_first_rows_in_other_noise(task, generator):
    pcm, phones, source = batch(task, generator)
    assert torch.equal(phones[:8], phones[-8:])
    assert torch.equal(source[:8], source[-8:])
    assert not torch.equal(pcm[:8], pcm[-8:])


def test_evaluate_is_the_share_of_right_phones(task):
    figures = task.evaluate()
    read = {"phones_clean", "phones_10dB"}
    assert set(figures) == read | {f"{name}_again" for name in read}
    assert all(0 <= value <= 1 for value in figures.values())


def test_an_ear_that_begins_with_whispers_is_pulled_to_it_and_changes_slowly(toy_speech, generator):
    task = SemanticTask(CODEC_SIZES, toy_speech, toy_speech["pcm"], 1, rows=2, is_whisper=True)
    before = {name: p.detach().clone() for name, p in task.module.named_parameters()}
    optimiser = torch.optim.AdamW(loop._groups(task), 1.0, weight_decay=0.0)
    loop._set_rate(optimiser, task.learning_rate, 0.03)
    distances = []
    for _ in range(4):
        loss, parts = task.loss(0.05, generator)
        distances.append(parts["whisper"])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert distances[-1] < distances[0]
    # AdamW's first steps are as long as the rate
    far = {name: (p - before[name]).abs().max() for name, p in task.module.named_parameters()}
    ear = max(value for name, value in far.items() if name.startswith(task.gentle))
    rest = max(value for name, value in far.items() if not name.startswith(task.gentle))
    assert 0 < ear < 0.2 * rest
    theirs = task.whisper.layers[0].hidden_in.weight
    assert torch.equal(theirs, before["encoder.encoder.layers.0.hidden_in.weight"])
