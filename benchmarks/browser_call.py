"""Calls in real headless Chromium to a gateway that runs, for bench_browser and the tests.

`tests/web/conversation.mjs` holds the browsers: a wav is the microphone, and both sides are
recorded on one AudioContext clock. Here: the server, the way there and back, and where in the
recording the wav lies. Judging what was said is `browser_talk`'s.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.signal
import soundfile
import soxr

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.errors import ConfigError

ROOT = Path(__file__).parent.parent
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")

_DRIVER = ROOT / "tests" / "web" / "conversation.mjs"
_PAGE = ROOT / "voiceagent" / "_web" / "index.html"
_STOP_S = 20
_START_S = 60  # browsers and the connection, beside the conversation itself


class Echo(NamedTuple):
    """What a microphone hears of the loudspeaker beside it.

    Attributes:
        gain: against what is played.
        delayMs: how much later.
    """

    gain: float = 0.25
    delayMs: float = 120.0  # as the driver reads it


@dataclass(frozen=True, slots=True)
class Shown:
    """The transcript as the page showed it from a moment on."""

    at_ms: float
    user: str
    agent: str


@dataclass(frozen=True, slots=True, eq=False)
class BrowserCall:
    """One call as its browser heard and showed it.

    Attributes:
        microphone: what the page sent, f32[N] at 24 kHz.
        agent: what it played, f32[N] of the same clock.
        shown: every change of the transcript, times on that clock.
        slip_ms: how far that clock fell behind the wall's in the whole call.
        complaints: errors of the page, and requests to any host but loopback.
        cut: with a reload, what the page showed of the agent's sentence before it.
        freed_ms: with a reload, from there to the old slot being free.
    """

    microphone: Samples
    agent: Samples
    shown: tuple[Shown, ...]
    slip_ms: float
    complaints: tuple[str, ...]
    cut: str | None
    freed_ms: int | None

    def shown_text(self, side: str, begin_ms: float = 0, end_ms: float = np.inf) -> str:
        """Return what a side's transcript grew by in a span of time."""
        before, after = (self._text_at(side, ms) for ms in (begin_ms, end_ms))
        return after.removeprefix(before).strip()

    def _text_at(self, side: str, ms: float) -> str:
        return next((getattr(s, side) for s in reversed(self.shown) if s.at_ms < ms), "")


def missing() -> str | None:
    """What a call in a browser needs and this machine lacks, with the fix."""
    if not CHROMIUM or not shutil.which("node"):
        return "needs Chromium and Node: apt-get install chromium nodejs"
    return None if _PAGE.exists() else "the page has not been built: run 'make web'"


@contextlib.contextmanager
def served(records: Path, *flags: str) -> Iterator[str]:
    """`voiceagent serve` on a free port, ended as by Ctrl-C; the url.

    Raises:
        ConfigError: it did not start, or did not end well.
    """
    command = [sys.executable, "-m", "voiceagent.cli", "serve", "--port", "0", *flags]
    server = subprocess.Popen(
        [*command, "--allow-slow", "--records", str(records)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        yield _url(server.stdout)
        server.send_signal(signal.SIGINT)
        if server.wait(_STOP_S) != 0:
            raise ConfigError(f"the server ended with exit status {server.returncode}")
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def converse(
    url: str,
    microphones: Sequence[Samples],
    *,
    reloads: bool = False,
    echo: Echo | None = None,
    on_second: Callable[[], object] = lambda: None,
) -> list[BrowserCall]:
    """Hold one call per microphone, all at the same time, each in a browser of its own.

    Args:
        url: from `served`.
        microphones: f32[N] at 24 kHz each; a call lasts as long as the longest.
        reloads: whether the page is reloaded in the agent's first sentence; the microphone plays
            again from its start for the new page.
        echo: of the agent, in every microphone.
        on_second: told once a second, for a progress bar.

    Raises:
        ConfigError: a browser or the page failed: says what the driver said.
    """
    seconds = max(len(pcm) for pcm in microphones) / SAMPLE_RATE_HZ
    with tempfile.TemporaryDirectory(prefix="voiceagent-browser-") as name:
        folder = Path(name)
        plan = {"url": url, "seconds": seconds, "reloads": reloads, "calls": []}
        plan |= {"echo": echo._asdict()} if echo else {}
        for i, pcm in enumerate(microphones):
            soundfile.write(folder / f"{i}.wav", pcm, SAMPLE_RATE_HZ)
            paths = {"microphone": f"{folder}/{i}.wav", "recording": f"{folder}/{i}.raw"}
            plan["calls"].append(paths)
        results = _drive(plan, on_second)
        return [_read(folder / f"{i}.raw", result) for i, result in enumerate(results)]


def find(sound: Samples, recording: Samples, near_ms: int, slack_ms: int) -> tuple[int, float]:
    """Return where in a recording a sound begins, in ms, and how like it is, 0 to 1.

    Args:
        sound: f32[N] at 24 kHz, N at least 1.
        recording: f32[N] at 24 kHz.
        near_ms: about where, inside the recording.
        slack_ms: how far from there to look.
    """
    per_ms = SAMPLE_RATE_HZ // 1000
    begin, slack = near_ms * per_ms, slack_ms * per_ms
    # the page may have begun to record after its microphone began to play
    padded = np.pad(recording, (slack, slack + len(sound)))
    window = padded[begin : begin + len(sound) + 2 * slack]
    match = scipy.signal.correlate(window, sound, mode="valid", method="fft")
    at = int(np.argmax(match))
    found = window[at : at + len(sound)]
    scale = float(np.linalg.norm(found) * np.linalg.norm(sound))
    return round((begin - slack + at) / per_ms), float(match[at]) / scale if scale else 0.0


def _url(printed: Any) -> str:
    lines = ""
    for line in printed:
        lines += line
        if found := re.search(r"http://\S+", line):
            return found.group()
    raise ConfigError(f"the server ended: {lines}")


def _drive(plan: dict[str, Any], on_second: Callable[[], object]) -> list[dict[str, Any]]:
    driver = subprocess.Popen(
        ["node", str(_DRIVER), json.dumps(plan)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CHROMIUM": str(CHROMIUM)},
    )
    try:
        for _ in range(round(plan["seconds"]) + _START_S):
            try:
                printed, complaint = driver.communicate(timeout=1)
                break
            except subprocess.TimeoutExpired:
                on_second()
        else:
            raise ConfigError(f"{_DRIVER.name}: not done {_START_S} s after the call's length")
    finally:
        driver.kill()
    if driver.returncode:
        raise ConfigError(f"{_DRIVER.name}: {complaint}")
    results: list[dict[str, Any]] = json.loads(printed)
    return results


def _read(recording: Path, result: dict[str, Any]) -> BrowserCall:
    stereo = np.fromfile(recording, np.int16).reshape(-1, 2).astype(np.float32) / 32768
    microphone, agent = (
        soxr.resample(stereo[:, side], result["rate"], SAMPLE_RATE_HZ) for side in (0, 1)
    )
    return BrowserCall(
        microphone=microphone,
        agent=agent,
        shown=tuple(Shown(s["atMs"], s["user"], s["agent"]) for s in result["changes"]),
        slip_ms=result["slipMs"],
        complaints=tuple(result["complaints"]),
        cut=result.get("cut"),
        freed_ms=result.get("freedMs"),
    )
