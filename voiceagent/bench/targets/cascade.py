"""The baseline: a cascade of real parts, Silero VAD -> Whisper tiny.en -> rules -> a hibari voice.

What most voice agents are built as, so that a model that hears and speaks at once has something to
beat. It waits for a silence, recognises what was said before it, and answers by the rules of the
embedded model's domain; whoever speaks into its answer for a quarter of a second stops it, whatever
they say. In this process and faster than real time, but what a turn took to compute stands on the
recording's clock, in processor's time: two runs differ by milliseconds, on a busy machine too.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from voiceagent.audio.framing import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ, Samples
from voiceagent.bench.targets.base import Call, OnSeconds, Outcome, Reply, in_lanes
from voiceagent.bench.transcript import TimedWord, Transcript
from voiceagent.clock import Clock, ProcessorClock
from voiceagent.scenes.domain import (
    BACKCHANNELS,
    REFUSAL,
    Turn,
    turn_for,
)
from voiceagent.scenes.speakers import AGENT_VOICE, speaker
from voiceagent.scenes.utterance import Utterance, Word
from voiceagent.serving.downsample import Downsampler
from voiceagent.serving.facts import DAYS, time_words
from voiceagent.serving.vad import RATE_HZ, SileroVad
from voiceagent.testing.recogniser import Recogniser
from voiceagent.testing.words import normalise

SPEAKS = 0.5
#: Frames of 80 ms. So long a silence ends a turn,
END_FRAMES = 7
#: so much speech into an answer stops it,
BARGE_IN_FRAMES = 3
#: and less is no turn.
LEAST_FRAMES = 2
#: What the detector was late to notice.
BEFORE_SAMPLES = SAMPLE_RATE_HZ * 240 // 1000
FADE_SAMPLES = SAMPLE_RATE_HZ * 10 // 1000

_WARM_UP = "okay no problem"


class Rules:
    """What to answer. Next: `answer`, turn after turn of one conversation."""

    def __init__(self, now: Callable[[], datetime.datetime]) -> None:
        self._now = now
        self._last: str | None = None

    def answer(self, heard: str) -> str | None:
        """The answer to what was recognised; None to silence and to a murmur."""
        words = normalise(heard)
        if not words or " ".join(words) in BACKCHANNELS:
            return None
        turn = _known_turn(words)
        if turn.intent != "repeat" or self._last is None:
            self._last = self._with_fact(turn)
        return self._last

    def _with_fact(self, turn: Turn) -> str:
        if turn.intent == "time":
            return time_words(self._now().hour, self._now().minute)
        if turn.intent == "day":
            return f"today is {DAYS[self._now().weekday()]}"
        return turn.agent_text


def _known_turn(words: list[str]) -> Turn:
    """The turn of all words or else of the last of them, at least two: "well um what is ..."."""
    starts = [0, *range(1, len(words) - 1)]
    turns = (turn_for(" ".join(words[start:])) for start in starts)
    return next((turn for turn in turns if turn.intent != "ood"), Turn("ood", "", REFUSAL))


class CascadeTarget:
    """See the module's docstring and `base.Target`."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        now: Callable[[], datetime.datetime] = datetime.datetime.now,
    ) -> None:
        """Load all parts and use each once.

        Args:
            clock: what computing is measured with.
            now: for those who ask.

        Raises:
            DetectorUnavailable: Silero VAD is missing.
            RecogniserUnavailable: Whisper is missing or damaged.
            SynthesisUnavailable: hibari is missing.
        """
        self._clock = clock or ProcessorClock()
        self._now = now
        self._vad = SileroVad(1)
        self._downsampler = Downsampler(RATE_HZ, 1)
        self._recogniser = Recogniser()
        self._voice = speaker(AGENT_VOICE)
        self._recogniser.transcribe(self._voice.say(_WARM_UP).pcm)

    @property
    def facts(self) -> dict[str, Any]:
        """Its parts and its patience."""
        return {
            "target": "cascade",
            "parts": ["Silero VAD", "Whisper tiny.en", "rules", f"{AGENT_VOICE} voice"],
            "end_of_turn_ms": END_FRAMES * FRAME_MS,
            "barge_in_ms": BARGE_IN_FRAMES * FRAME_MS,
            "pace": "faster than real time, processor's time on the clock",
        }

    def converse(self, calls: Iterable[Call], on_seconds: OnSeconds) -> Iterator[Outcome]:
        """See `base.Target`."""
        return in_lanes(calls, lambda call: self.answer(call, on_seconds))

    def close(self) -> None:
        """Nothing to let go of."""

    def answer(self, call: Call, on_seconds: OnSeconds) -> Reply:
        """Hold one conversation; one at a time."""
        padded = np.pad(call.user, (0, -len(call.user) % FRAME_SAMPLES))
        self._vad.begin(0)
        self._downsampler.begin(0)
        answer, recognise = Rules(self._now).answer, self._recogniser.transcribe
        turns = Turns(padded, recognise, answer, self._voice.say, self._clock)
        for start in range(0, len(padded), FRAME_SAMPLES):
            begin_us = self._clock.now_us()
            turns.step(self._speaks(padded[start : start + FRAME_SAMPLES]), begin_us)
            on_seconds(FRAME_MS / 1000)
        return Reply(call.key, turns.said[: len(call.user)], turns.words)

    def _speaks(self, frame: Samples) -> bool:
        sound = self._downsampler.frames([0], frame[None])
        return bool(self._vad.probabilities([0], sound)[0] >= SPEAKS)


class Turns:
    """Whose turn it is, by silence alone. Next: `step` once a frame; `said` and `words`."""

    def __init__(
        self,
        pcm: Samples,
        recognise: Callable[[Samples], str],
        answer: Callable[[str], str | None],
        say: Callable[[str], Utterance],
        clock: Clock,
    ) -> None:
        """Begin to listen.

        Args:
            pcm: float32 [N], 24 kHz, the caller's side, N a multiple of 1920; only what has passed
                is looked at.
            recognise: of the recogniser.
            answer: of the rules.
            say: of the voice.
            clock: what computing is measured with.
        """
        self._pcm = pcm
        self._recognise, self._answer, self._say = recognise, answer, say
        self._clock = clock
        #: The agent's side, f32[N].
        self.said = np.zeros(len(pcm), np.float32)
        self._words: list[TimedWord] = []
        self._now = 0
        self._heard_from: int | None = None
        self._speech_frames = self._silent_frames = 0
        # of the last answer: when it starts, and where the turn began that it is to
        self._answer_start = self._answered_from = 0

    def step(self, speaks: bool, begin_us: int) -> None:
        """A frame is over.

        Args:
            speaks: whether the caller did at its end.
            begin_us: when computing began on it.
        """
        self._now += FRAME_SAMPLES
        if speaks:
            self._hear_speech()
            return
        self._silent_frames += 1
        if self._heard_from is not None and self._silent_frames >= END_FRAMES:
            self._take_turn(self._heard_from, begin_us)

    @property
    def words(self) -> Transcript:
        """What was said so far, and what will be unless somebody stops it."""
        return tuple(self._words)

    def _hear_speech(self) -> None:
        self._speech_frames += 1
        self._silent_frames = 0
        if self._now <= self._answer_start:  # the caller goes on: that was no end
            self._heard_from, self._speech_frames = self._answered_from, LEAST_FRAMES
            self._stop(self._now)
        elif self._speech_frames >= BARGE_IN_FRAMES:
            self._stop(self._now)
        if self._heard_from is None:
            self._heard_from = max(0, self._now - FRAME_SAMPLES - BEFORE_SAMPLES)

    def _take_turn(self, heard_from: int, begin_us: int) -> None:
        is_speech = self._speech_frames >= LEAST_FRAMES
        self._heard_from, self._speech_frames = None, 0
        heard = self._recognise(self._pcm[heard_from : self._now]) if is_speech else ""
        text = self._answer(heard)
        if text is None:
            return
        spoken = self._say(text)
        passed_us = self._clock.now_us() - begin_us
        self._speak(spoken, self._now + passed_us * SAMPLE_RATE_HZ // 1_000_000, heard_from)

    def _speak(self, spoken: Utterance, start: int, heard_from: int) -> None:
        self._stop(start)
        place = self.said[start : start + len(spoken.pcm)]
        place[:] = spoken.pcm[: len(place)]
        words = (_timed(word, start) for word in spoken.words)
        self._words += [word for word in words if word.start_s < len(self.said) / SAMPLE_RATE_HZ]
        self._answer_start, self._answered_from = start, heard_from

    def _stop(self, at: int) -> None:
        """Fall silent, with a short fade; words that were not begun were not said."""
        silent_from = max(at, self._answer_start)
        if at > self._answer_start:
            fade = self.said[at : at + FADE_SAMPLES]
            fade *= np.linspace(1, 0, len(fade), dtype=np.float32)
            silent_from += FADE_SAMPLES
        self.said[silent_from:] = 0
        self._words = [word for word in self._words if word.start_s * SAMPLE_RATE_HZ < at]
        self._answer_start = min(at, self._answer_start)


def _timed(word: Word, start: int) -> TimedWord:
    """A word of what begins at a sample."""
    begin_s = start / SAMPLE_RATE_HZ
    return TimedWord(
        word.text, round(begin_s + word.start_ms / 1000, 3), round(begin_s + word.end_ms / 1000, 3)
    )
