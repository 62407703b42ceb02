import numpy as np
import pytest
import soundfile

from voiceagent.errors import ConfigError
from voiceagent.gateway.phone.announcements import TEXTS, load_announcements
from voiceagent.gateway.phone.config import LiveKitConfig


def test_every_announcement_is_bundled_and_can_be_heard():
    sounds = load_announcements(LiveKitConfig())
    assert set(sounds) == set(TEXTS)
    assert {name: sound.text for name, sound in sounds.items()} == TEXTS
    for pcm in [sound.pcm for sound in sounds.values()]:
        assert 0.3 < np.abs(pcm).max() < 1
        assert 0.4 < pcm.size / 24_000 < 8


def test_ones_own_file_takes_its_place_at_any_rate(tmp_path):
    file = tmp_path / "hello.wav"
    soundfile.write(file, np.full(8000, 0.5), 8000)
    greeting = load_announcements(LiveKitConfig(greeting_file=file))["greeting"]
    assert (greeting.pcm.size, greeting.text) == (24_000, "")
    config = LiveKitConfig(greeting_file=file, greeting_text="Good day.")
    assert load_announcements(config)["greeting"].text == "Good day."


@pytest.mark.parametrize(
    ("samples", "problem"), [(None, "no such file"), (8000 * 61, "longer than 60 s")]
)
def test_a_file_that_cannot_be_used_is_named_at_start(tmp_path, samples, problem):
    file = tmp_path / "hello.wav"
    if samples:
        soundfile.write(file, np.zeros(samples), 8000)
    with pytest.raises(ConfigError, match=f"greeting_file.*{problem}"):
        load_announcements(LiveKitConfig(greeting_file=file))


def test_words_without_the_sound_that_says_them_are_refused():
    with pytest.raises(ConfigError, match=r"greeting_text: .* greeting_file"):
        load_announcements(LiveKitConfig(greeting_text="Good day."))
