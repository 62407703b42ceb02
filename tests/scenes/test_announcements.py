import pytest

from voiceagent.audio.wav import read_wav
from voiceagent.errors import AudioFileError
from voiceagent.gateway.phone.announcements import TEXTS
from voiceagent.scenes.announcements import render_announcements
from voiceagent.testing.recogniser import Recogniser
from voiceagent.testing.words import word_accuracy

pytestmark = pytest.mark.slow


def test_announcements_say_their_texts(tmp_path):
    recogniser = Recogniser()
    for path in render_announcements(tmp_path):
        heard = recogniser.transcribe(read_wav(path).pcm)
        assert word_accuracy([TEXTS[path.stem]], [heard]) >= 0.7, (path.stem, heard)


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(AudioFileError, match="cannot be written"):
        render_announcements(tmp_path / "none")
