import copy

import pytest
import torch
from voiceagent_codec.mel import LogMel, WhisperMel

from voiceagent.training.augment import Augmenter, _pronounce, augment_mel


@pytest.fixture
def pcm(make_speech):
    return make_speech(1.92, rows=4)


@pytest.mark.parametrize("effect", ["far", "telephone", "losses"])
def test_effects_keep_shape_and_repeat_with_their_generator(augmenter, pcm, effect):
    one, two = (getattr(augmenter, effect)(pcm, torch.Generator().manual_seed(4)) for _ in range(2))
    assert one.shape == pcm.shape
    assert torch.equal(one, two)
    assert not torch.equal(one, pcm)


def test_room_begins_with_the_direct_sound(augmenter, generator):
    click = torch.zeros(2, 9600)
    click[:, 1000] = 1.0
    wet = augmenter.room(click, generator, (0.1, 0.2))
    assert wet[:, :1000].abs().max() < 1e-5
    torch.testing.assert_close(wet[:, 1000], torch.ones(2), atol=1e-4, rtol=0)
    assert wet[:, 1001:].abs().max() > 0.05


def test_far_speech_is_duller_and_as_loud(augmenter, pcm, generator):
    far = augmenter.far(pcm, generator)
    torch.testing.assert_close(far.abs().amax(1), pcm.abs().amax(1))
    high = [torch.fft.rfft(x).abs().square()[:, 23_000:].sum() for x in (far, pcm)]
    assert high[0] < 0.2 * high[1]


def test_noise_without_an_amount_is_none_and_with_all_of_it_up_to_the_speech(augmenter, pcm):
    silent = augmenter.noise(pcm, torch.Generator().manual_seed(1), 0.0)
    torch.testing.assert_close(silent, pcm)
    added = torch.cat(
        [augmenter.noise(pcm, torch.Generator().manual_seed(i), 1.0) - pcm for i in range(20)]
    )
    rms = added.square().mean(1).sqrt()
    assert (rms < 1e-6).float().mean() == pytest.approx(0.25, abs=0.15)
    assert rms.max() > 0.02


def test_telephone_has_nothing_above_4_khz_and_keeps_the_middle(augmenter, generator):
    time = torch.arange(46_081) / 24_000
    tones = [0.2 * torch.sin(2 * torch.pi * hz * time) for hz in (1000, 5000)]
    middle, high = (
        augmenter.telephone(torch.stack([*tones] * 4), generator).unflatten(0, (4, 2)).unbind(1)
    )
    assert middle.shape == (4, 46_081)
    inner = slice(2000, -2000)  # the band is cut in one transform, which goes round
    assert high[:, inner].abs().max() < 5e-3
    torch.testing.assert_close(
        middle[:, inner], tones[0].expand(4, -1)[:, inner], atol=0.03, rtol=0
    )
    power = torch.fft.rfft(middle).abs()
    assert power[:, 7800:].max() < 1e-3 * power.max()


def test_every_fourth_noise_is_white(augmenter):
    power = torch.fft.rfft(augmenter.noises[::4]).abs().square()
    halves = power[:, 1:].chunk(2, 1)
    torch.testing.assert_close(halves[0].mean(1), halves[1].mean(1), rtol=0.05, atol=0)


def test_every_fourth_noise_is_a_tune(augmenter):
    power = torch.fft.rfft(augmenter.noises).abs().square().sort(1, descending=True).values
    in_few_tones = power[:, : power.shape[1] // 20].sum(1) / power.sum(1)
    assert in_few_tones[2::4].min() > 0.8
    assert in_few_tones[::4].max() < 0.5


def test_losses_are_whole_packets(augmenter, generator):
    heard = augmenter.losses(torch.ones(8, 46_080), generator).unflatten(1, (-1, 480))
    assert set(heard.mean(2).unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("kind", [LogMel, WhisperMel])
def test_augment_mel_keeps_scale_and_shape(kind, pcm, generator):
    mel = kind()
    frames = mel(pcm, mel.init_state(4, "cpu"), None)
    changed = augment_mel(frames, generator, mel)
    assert changed.shape == frames.shape
    assert torch.isfinite(changed).all()
    assert (changed.mean() - frames.mean()).abs() < 1.0
    assert changed.min() >= mel.least - 1e-4


def test_any_noise_goes_round(augmenter, generator):
    noise = augmenter.any_noise(2, 24_000 * 25, generator, torch.zeros(2, dtype=torch.bool))
    assert noise.shape == (2, 600_000)
    assert torch.equal(noise[:, :1000], noise[:, 480_000:481_000])  # 20 s and over again


@pytest.fixture
def told_apart(augmenter):
    """An augmenter whose noises are 0 and whose crowds are not."""
    told_apart = copy.copy(augmenter)
    told_apart.noises = torch.zeros(24, 480_000)
    return told_apart


def test_any_noise_is_a_crowd_where_asked(told_apart, generator):
    is_crowd = torch.arange(64) < 32
    noise = told_apart.any_noise(64, 2400, generator, is_crowd)
    assert torch.equal(noise.std(1) > 0.5, is_crowd)


def test_any_noise_is_a_crowd_now_and_then(told_apart, generator):
    noise = told_apart.any_noise(200, 240, generator)
    assert 0.15 < (noise.std(1) > 0.5).float().mean() < 0.35


def test_every_crowd_is_another_one_of_several_voices(generator):
    voices = torch.zeros(24_000 * 4, dtype=torch.int16)
    voices[::24_000] = 20_000  # a click a second: as many clicks in a second as there are voices
    crowd = Augmenter(voices, 1).crowd(40, 24_000, generator)
    clicks = (crowd > 0).sum(1)
    assert set(clicks.tolist()) == {3, 4, 5, 6, 7}
    assert len({int(first) for first in (crowd > 0).int().argmax(1)}) > 30
    torch.testing.assert_close(crowd.std(1), torch.ones(40), atol=1e-3, rtol=0)


def test_sounds_come_and_go_at_many_levels(augmenter, generator):
    sounds = augmenter.sounds(64, 46_080, generator)
    assert sounds.shape == (64, 46_080)
    share_on = (sounds != 0).float().mean(1)
    assert share_on.min() < 0.5 < share_on.max()
    loud_db = 20 * sounds.square().mean(1).sqrt().clamp(min=1e-9).log10()
    assert loud_db.max() > -20
    assert loud_db.max() - loud_db.median() > 10


def test_augment_mel_pronounces_some_rows_otherwise_at_the_same_time(generator):
    """A vowel that lasts is moved and coloured; where there is no speech, nothing happens."""
    rows, silent = 40, slice(0, 30)
    frames = torch.full((rows, 128, 80), -2.4)
    resonance = 3 * torch.exp(-(((torch.arange(80) - 40) / 4) ** 2))
    frames[:, 40:] += 3.0 + resonance
    changed = _pronounce(frames, generator)
    is_other = (changed != frames).flatten(1).any(1)
    assert 0.55 < is_other.float().mean() < 0.95
    peaks = changed[is_other, 44:].argmax(2)
    assert peaks.min() < 40 < peaks.max()
    assert (peaks - 40).abs().max() < 10
    moved = (changed - frames)[is_other]
    steady = moved[:, silent] - moved[:, silent].mean((1, 2), keepdim=True)
    assert steady.abs().mean() < 0.05 * moved[:, 44:].abs().mean()
