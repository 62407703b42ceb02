import pytest
import torch

from voiceagent.training.voice import VoiceTask, track_losses


@pytest.fixture
def task(sizes, toy_voice):
    return VoiceTask(sizes, toy_voice, 1)


def right_tracks(batch):
    log_pitch = torch.log(batch["pitch_hz"].clamp(min=60))
    voicing = torch.where(batch["pitch_hz"] > 0, 20.0, -20.0)
    return torch.cat(
        (
            batch["harmonic"] + 5,
            batch["noise"] + 8,
            ((log_pitch - 5.3) / 0.3)[..., None],
            voicing[..., None],
        ),
        dim=-1,
    )


def test_track_losses_of_the_targets_themselves_are_nothing(task):
    batch = task._batch(torch.tensor([0, 40]))
    losses = track_losses(right_tracks(batch), batch)
    assert set(losses) == {"harmonic", "slope", "noise", "pitch", "voicing"}
    assert all(value < 1e-5 for value in losses.values())


@pytest.mark.parametrize(("place", "name"), [(0, "harmonic"), (70, "noise"), (104, "pitch")])
def test_track_losses_name_what_is_wrong(task, place, name):
    batch = task._batch(torch.tensor([0, 40]))
    tracks = right_tracks(batch)
    tracks[..., place] += 3.0
    wrong = {key for key, value in track_losses(tracks, batch).items() if value > 1e-3}
    assert wrong == {name}


def test_loss_falls_and_at_last_compares_sound(task, generator):
    optimiser = torch.optim.AdamW(task.module.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        loss, parts = task.loss(0.1, generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert "spectral" not in parts
    loss, parts = task.loss(0.9, generator)
    loss.backward()
    assert parts["spectral"] > 0
    assert task.voice.head.weight.grad.abs().sum() > 0


def test_evaluate_has_every_loss(task):
    figures = task.evaluate()
    assert {"held_harmonic", "held_noise", "held_pitch", "held_spectral"} <= set(figures)


def test_sound_teaches_levels_and_not_the_pitch(task):
    batch = task._batch(torch.tensor([0, 40]))
    tracks = right_tracks(batch).requires_grad_()
    task._spectral(tracks, batch["pcm"]).backward()
    assert tracks.grad[..., :104].abs().sum() > 0
    assert tracks.grad[..., 104:].abs().sum() == 0


def test_levels_of_pulses_that_die_away_are_taught_too(task):
    batch = task._batch(torch.tensor([0, 40]))
    tracks = right_tracks(batch)
    last = int((batch["pitch_hz"][0] > 0).nonzero().max())
    tracks[0, last + 1, :64] += 3.0
    assert track_losses(tracks, batch)["harmonic"] > 1e-3
