"""The measures of bench_browser: scenes of one kind in one call per voice, scored and tabulated."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from browser_call import BrowserCall, Echo, converse
from browser_talk import Talk, interruption, microphone, question, take_apart, uh_huh
from harness import interval_95, percentiles, print_table, share_95
from peer_voices import voice_id
from talk_answers import draw_turns
from tqdm import tqdm

from voiceagent.audio.framing import SAMPLE_RATE_HZ
from voiceagent.records.store import RecordStore
from voiceagent.scenes import Rendered
from voiceagent.scenes.domain import turn_for
from voiceagent.testing.recogniser import Recogniser
from voiceagent.testing.words import normalise, word_accuracy

SILENT_P50_MS, SILENT_P90_MS = 450, 750
FREED_MS = 5000

_PAIR_VOICES = ("flite:kal", "piper:joe")
_RELOADS = 3
_ECHO_TURNS = 51
_RELOAD_QUESTION = "can you help me"  # its answer takes two and a half seconds


@dataclass(frozen=True, slots=True)
class Bench:
    """Where to talk, and with how many scenes of which voices."""

    url: str
    records: Path
    voices: Sequence[str]
    num_scenes: int
    seed: int

    def by_voice(self, label: str, make: Callable[[int, str], Rendered]) -> dict[str, list[Talk]]:
        """Hold a call per voice; `make` takes the scene's index and the voice's id."""
        talks = {}
        for v, voice in enumerate(self.voices):
            indices = range(v * self.num_scenes, (v + 1) * self.num_scenes)
            bar = tqdm(indices, f"{label}, {voice}: speaking", leave=False)
            scenes = [make(i, voice_id(voice, i)) for i in bar]
            [talks[voice]] = self.hold(f"{label}, {voice}", [scenes])
        return talks

    def hold(self, label: str, calls: Sequence[Sequence[Rendered]]) -> list[list[Talk]]:
        """Hold calls of several scenes each, all at the same time."""
        recorded = self.converse(label, calls)
        return [take_apart(call, scenes) for call, scenes in zip(recorded, calls, strict=True)]

    def converse(
        self,
        label: str,
        calls: Sequence[Sequence[Rendered]],
        reloads: bool = False,
        echo: Echo | None = None,
    ) -> list[BrowserCall]:
        """As `browser_call.converse`, with a progress bar."""
        microphones = [microphone(scenes) for scenes in calls]
        seconds = max(map(len, microphones)) // SAMPLE_RATE_HZ
        with tqdm(total=seconds, desc=label, unit="s", leave=False) as bar:
            return converse(self.url, microphones, reloads=reloads, echo=echo, on_second=bar.update)


def measure_answers(bench: Bench) -> dict[str, Any]:
    """Ask single questions: text, sound, and how long the answer takes to be heard."""
    turns = draw_turns(len(bench.voices) * bench.num_scenes, bench.seed)
    talks = bench.by_voice("answers", lambda i, voice: question(turns[i], voice, bench.seed + i))
    return _tabulate("answers", talks, score_answers)


def measure_interruptions(bench: Bench) -> dict[str, Any]:
    """Interrupt the agent with another question."""
    talks = bench.by_voice("interruption", lambda i, voice: interruption(bench.seed + i, voice))
    return _tabulate("interruption", talks, score_yields)


def measure_backchannels(bench: Bench) -> dict[str, Any]:
    """Say "uh huh" over the agent."""
    talks = bench.by_voice("uh huh", lambda i, voice: uh_huh(bench.seed + i, voice))
    return _tabulate("uh huh", talks, score_finishes)


def measure_pair(bench: Bench) -> dict[str, Any]:
    """Two browsers at once, different questions and answers all along."""
    many = draw_turns(4 * bench.num_scenes, bench.seed + 1)
    distinct = list({turn.agent_text: turn for turn in many}.values())
    parts = (distinct[: bench.num_scenes], distinct[bench.num_scenes : 2 * bench.num_scenes])
    calls = [
        [question(turn, voice, bench.seed + i) for i, turn in enumerate(part)]
        for voice, part in zip(_PAIR_VOICES, parts, strict=True)
    ]
    talks = bench.hold("pair", calls)
    results = _tabulate("pair", dict(zip(_PAIR_VOICES, talks, strict=True)), score_answers)
    results["all"]["crossed"] = sum(
        count_crossed(own, [turn.agent_text for turn in others])
        for own, others in zip(talks, reversed(parts), strict=True)
    )
    print(
        f"answers of the other browser's questions, shown or heard: {results['all']['crossed']}\n"
    )
    return results


def measure_echo(bench: Bench) -> dict[str, Any]:
    """Questions to an agent that hears itself from a loudspeaker, without an echo canceller."""
    count = _ECHO_TURNS // len(bench.voices)
    turns = draw_turns(_ECHO_TURNS, bench.seed + 2)
    talks = {}
    for v, voice in enumerate(bench.voices):
        scenes = [
            question(turns[i], voice_id(voice, i), bench.seed + i)
            for i in range(v * count, (v + 1) * count)
        ]
        [call] = bench.converse(f"echo, {voice}", [scenes], echo=Echo())
        talks[voice] = take_apart(call, scenes)
    return _tabulate("echo", talks, score_echo)


def score_echo(talks: Sequence[Talk]) -> dict[str, Any]:
    """Whether the agent broke off, or answered itself, because of its own sound."""
    pairs = [(talk.answer.split(), talk.shown("agent").split()) for talk in talks]
    return {
        "n": len(talks),
        "right": round(sum(said == answer for answer, said in pairs) / len(talks), 3),
        "broken_off": sum(0 < len(said) < len(a) and a[: len(said)] == said for a, said in pairs),
        "went_on": sum(len(said) > len(a) and said[: len(a)] == a for a, said in pairs),
    }


def measure_reloads(bench: Bench) -> dict[str, Any]:
    """Reload the page in mid-sentence, a few times."""
    rows = []
    for i in range(_RELOADS):
        voice = bench.voices[i % len(bench.voices)]
        before = set(RecordStore(bench.records).ids())
        scene = question(turn_for(_RELOAD_QUESTION), voice_id(voice, i), bench.seed + i)
        [call] = bench.converse(f"reload, {voice}", [[scene]], reloads=True)
        [talk] = take_apart(call, [scene])
        cut_id, _ = [s for s in RecordStore(bench.records).ids() if s not in before]
        summary = RecordStore(bench.records).summary(cut_id)
        rows.append(
            {
                "voice": voice,
                "cut": call.cut,
                "freed_ms": call.freed_ms,
                "record": summary and summary.end_reason,
                "then_right": talk.shown("agent") == talk.answer,
            }
        )
    print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
    return {"rows": rows}


def score_answers(talks: Sequence[Talk]) -> dict[str, Any]:
    """What the page showed, what Whisper heard, and the delay of right answers."""
    n = len(talks)
    heard = [_recogniser().transcribe(talk.agent) for talk in talks]
    answers = [talk.answer for talk in talks]
    is_shown = [talk.shown("agent") == talk.answer for talk in talks]
    is_heard = [
        normalise(text) == normalise(answer) for text, answer in zip(heard, answers, strict=True)
    ]
    first_ms = [_first_ms(talk) for talk, is_right in zip(talks, is_shown, strict=True) if is_right]
    return {
        "n": n,
        "user_shown": _share(talk.shown("user") == talk.question.text for talk in talks),
        "agent_shown": _share(is_shown),
        "agent_shown_95": share_95(sum(is_shown), n),
        "sound_exact": _share(is_heard),
        "sound_accuracy": round(word_accuracy(answers, heard), 3),
        "first_ms": percentiles([ms for ms in first_ms if ms is not None], (10, 50, 90)),
        **_clock(talks),
        "wrong": [
            {
                "asked": talk.question.text,
                "user": talk.shown("user"),
                "agent": talk.shown("agent"),
                "sound": text,
            }
            for talk, text, shown, sound in zip(talks, heard, is_shown, is_heard, strict=True)
            if not (shown and sound)
        ],
    }


def score_yields(talks: Sequence[Talk]) -> dict[str, Any]:
    """From an interruption's first sample to the agent's silence, where it was answering."""
    silent_ms: list[int] = []
    then_right = 0
    for talk in talks:
        [interrupting] = talk.scene.of_kind("interruption")
        if not talk.is_answering(interrupting.start_ms):
            continue
        silent_ms.append(talk.silent_from_ms(interrupting.start_ms) - interrupting.start_ms)
        then_right += talk.shown("agent").endswith(talk.scene.expected.answers[1])
    n = len(silent_ms)
    return {
        "scenes": len(talks),
        "n": n,
        "silent_ms": percentiles(silent_ms),
        "silent_p50_95": interval_95(silent_ms, np.median) if n else None,
        "then_right": round(then_right / n, 3) if n else None,
        **_clock(talks),
        "each_ms": silent_ms,
    }


def score_finishes(talks: Sequence[Talk]) -> dict[str, Any]:
    """Whether the agent ends its sentence, on the page and to the ear, and says nothing else."""
    answering = [
        talk for talk in talks if talk.is_answering(talk.scene.of_kind("backchannel")[0].start_ms)
    ]
    n = len(answering)
    finished = [talk.shown("agent") == talk.answer for talk in answering]
    heard = [_recogniser().transcribe(talk.agent) for talk in answering]
    ends = [
        normalise(text)[-1:] == normalise(talk.answer)[-1:]
        for text, talk in zip(heard, answering, strict=True)
    ]
    return {
        "scenes": len(talks),
        "n": n,
        "finished": _share(finished),
        "finished_95": share_95(sum(finished), n) if n else None,
        "last_word_heard": _share(ends),
        **_clock(talks),
        "wrong": [
            {"user": talk.shown("user"), "agent": talk.shown("agent"), "sound": text}
            for talk, text, shown, sound in zip(answering, heard, finished, ends, strict=True)
            if not (shown and sound)
        ],
    }


def count_crossed(talks: Sequence[Talk], others: Sequence[str]) -> int:
    """How many times a browser showed or played an answer that belongs to another one."""
    foreign = [normalise(answer) for answer in others]
    return sum(
        normalise(talk.shown("agent")) in foreign
        or normalise(_recogniser().transcribe(talk.agent)) in foreign
        for talk in talks
    )


def _first_ms(talk: Talk) -> int | None:
    first_ms = talk.audible_from_ms()
    return None if first_ms is None else first_ms - talk.question.end_ms


def _clock(talks: Sequence[Talk]) -> dict[str, float]:
    """Whether the recordings' clock may be believed, and the microphone's part of them."""
    return {
        "slip_ms": round(max((talk.call.slip_ms for talk in talks), key=abs), 1),
        "least_match": round(min(talk.match for talk in talks), 2),
    }


def _share(claims: Iterable[bool]) -> float | None:
    values = list(claims)
    return round(sum(values) / len(values), 3) if values else None


def _tabulate(
    label: str, talks: dict[str, list[Talk]], score: Callable[[Sequence[Talk]], dict[str, Any]]
) -> dict[str, Any]:
    results = {voice: score(of_voice) for voice, of_voice in talks.items()}
    if len(talks) > 1:
        results["all"] = score(list(itertools.chain(*talks.values())))
        for of_each in ("wrong", "each_ms"):
            results["all"].pop(of_each, None)
    columns = [name for name in results[next(iter(results))] if name not in ("wrong", "each_ms")]
    rows = [(voice, *(_cell(row[name]) for name in columns)) for voice, row in results.items()]
    print_table((label, *columns), rows)
    return results


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return " / ".join(f"{number:.0f}" for number in value.values())
    if isinstance(value, tuple):
        return "-".join(f"{number:g}" for number in value)
    return "-" if value is None else f"{value:g}"


@functools.cache
def _recogniser() -> Recogniser:
    return Recogniser()
