"""A conversation in real Chromium, with the page, the gateway and the engine as a user has them."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soxr

from voiceagent.cli.talk import QUESTION
from voiceagent.records.store import RecordStore
from voiceagent.testing.recogniser import Recogniser
from voiceagent.testing.words import normalise

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")


@pytest.fixture
def url(tmp_path):
    """`voiceagent serve` on a free port, ended as by Ctrl-C."""
    if not CHROMIUM or not shutil.which("node"):
        pytest.skip("needs Chromium and Node: apt-get install chromium nodejs")
    if not (ROOT / "voiceagent" / "_web" / "index.html").exists():
        pytest.skip("the page has not been built: run 'make web'")
    command = [sys.executable, "-m", "voiceagent.cli", "serve", "--port", "0", "--slots", "2"]
    server = subprocess.Popen(
        [*command, "--records", str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    printed = ""
    while not (found := re.search(r"http://\S+", printed)):
        line = server.stdout.readline()
        assert line, f"the server ended: {printed}"
        printed += line
    yield found.group()
    server.send_signal(signal.SIGINT)
    assert server.wait(20) == 0
    server.stdout.close()


def converse(url: str, seconds: int) -> dict:
    script = ROOT / "tests" / "web" / "conversation.mjs"
    command = ["node", str(script), url, str(QUESTION), str(seconds)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "CHROMIUM": CHROMIUM},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_question_in_the_browser_is_answered_in_text_and_sound_and_recorded(url, tmp_path):
    result = converse(url, 7)
    shown = " ".join(result["transcript"])
    assert "what is three plus four" in shown
    assert "three plus four is seven" in shown
    assert result["elsewhere"] == []
    sound = np.frombuffer(base64.b64decode(result["sound"]), np.float32)
    heard = Recogniser().transcribe(soxr.resample(sound, result["rate"], 24_000))
    assert normalise(heard) == normalise("three plus four is seven")
    (session_id,) = RecordStore(tmp_path).ids()
    words = [f.said.strip() for f in RecordStore(tmp_path).trace(session_id) if f.said]
    assert " ".join(words) == "three plus four is seven"
