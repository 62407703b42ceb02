"""The part of bench_talk that asks single questions: text, user transcript, and the agent's sound.

The sound is judged twice by Whisper tiny.en: against the right answer, which is what a caller gets,
and against the text the agent meant to say, which is about its voice alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness import interval_95, percentiles, print_table, share_95
from peer_voices import HUMAN_SENTENCES, peer_or_speaker, voice_id
from talk_play import play_all
from tqdm import tqdm

from voiceagent.scenes import Expected, Line, Script, render
from voiceagent.scenes.domain import Turn, sample_in_domain_turn, turn_for
from voiceagent.scenes.seeds import child_rng
from voiceagent.serving.facts import number_words
from voiceagent.serving.playback import Playback
from voiceagent.testing.recogniser import Recogniser
from voiceagent.testing.words import normalise, word_accuracy, word_errors

UNSEEN = ("flite:kal", "kokoro", "piper:joe", "human:allison")

_HUMAN_SUMS = 37
_TAIL_MS = 5000


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One question and what came of it."""

    turn: Turn
    playback: Playback
    question_end_ms: int
    recognised: str

    @property
    def is_right(self) -> bool:
        """Whether the agent said the right answer and nothing else."""
        return self.playback.said_text() == self.turn.agent_text


def measure_answers(voices: Sequence[str], count: int, seed: int) -> dict[str, Any]:
    """Ask single questions; judge text and sound."""
    by_voice = {voice: ask(voice, count, seed) for voice in voices}
    results = {voice: score_answers(answers) for voice, answers in by_voice.items()}
    if len(by_voice) > 1:
        everybody = [answer for answers in by_voice.values() for answer in answers]
        # shuffled within a voice only: the voices are asked the same questions
        pairs = sum(len(answers) * (len(answers) - 1) for answers in by_voice.values())
        chance = sum(shuffled_hits(answers) for answers in by_voice.values()) / pairs
        results["all"] = {**score_answers(everybody), "shuffled_exact": round(chance, 4)}
        del results["all"]["wrong"]
    print_table(
        ("answers", "n", "exact", "95 %", "user WER", "Whisper", "95 %", "of text", "shuffled"),
        [
            (
                voice,
                row["n"],
                f"{row['exact']:.3f}",
                "{:.2f}-{:.2f}".format(*row["exact_95"]),
                f"{row['user_wer']:.3f}",
                f"{row['sound_accuracy']:.3f}",
                "{:.2f}-{:.2f}".format(*row["sound_accuracy_95"]),
                f"{row['sound_of_text_accuracy']:.3f}",
                f"{row['shuffled_exact']:.3f}",
            )
            for voice, row in results.items()
        ],
    )
    return results


def ask(voice: str, count: int, seed: int) -> list[Answer]:
    """Put the questions of one voice to the engine and its answers to the recogniser."""
    turns = human_turns(seed) if voice == "human:allison" else draw_turns(count, seed)
    scenes = [
        render(question_script(turn, voice_id(voice, i), seed + i), peer_or_speaker)
        for i, turn in enumerate(tqdm(turns, f"{voice}: speaking", leave=False))
    ]
    playbacks = play_all([scene.user for scene in scenes], f"{voice}: answering")
    recogniser = Recogniser()
    return [
        Answer(turn, playback, scene.scene.events[0].end_ms, recogniser.transcribe(playback.agent))
        for turn, scene, playback in zip(
            tqdm(turns, f"{voice}: judging", leave=False), scenes, playbacks, strict=True
        )
    ]


def score_answers(answers: Sequence[Answer]) -> dict[str, Any]:
    """Figures of one voice."""
    n = len(answers)
    right = sum(answer.is_right for answer in answers)
    user_words = sum(len(normalise(answer.turn.user_text)) for answer in answers)
    user_errors = sum(
        word_errors(answer.turn.user_text, answer.playback.heard_text()) for answer in answers
    )
    meant = [answer for answer in answers if answer.playback.said]
    gaps_ms = [
        start_ms - answer.question_end_ms
        for answer in answers
        if answer.is_right and (start_ms := answer.playback.sound_from_ms()) is not None
    ]
    return {
        "n": n,
        "exact": round(right / n, 4),
        "exact_95": share_95(right, n),
        "user_wer": round(user_errors / user_words, 4),
        "sound_accuracy": round(sound_accuracy(answers), 4),
        "sound_accuracy_95": interval_95(answers, sound_accuracy),
        "sound_of_text_accuracy": round(
            word_accuracy(
                [answer.playback.said_text() for answer in meant],
                [answer.recognised for answer in meant],
            ),
            4,
        ),
        "shuffled_exact": round(shuffled_hits(answers) / (n * (n - 1)), 4),
        "first_sound_ms": percentiles(gaps_ms),
        "wrong": [
            {
                "asked": answer.turn.user_text,
                "heard": answer.playback.heard_text(),
                "said": answer.playback.said_text(),
            }
            for answer in answers
            if not answer.is_right
        ],
    }


def sound_accuracy(answers: Sequence[Answer]) -> float:
    """Word accuracy of the agent's sound against the right answers."""
    return word_accuracy(
        [answer.turn.agent_text for answer in answers], [answer.recognised for answer in answers]
    )


def shuffled_hits(answers: Sequence[Answer]) -> int:
    """Pairs in which an answer is the right one of *another* question: what chance would score."""
    rights = Counter(answer.turn.agent_text for answer in answers)
    said = (answer.playback.said_text() for answer in answers)
    return sum(rights[text] for text in said) - sum(answer.is_right for answer in answers)


def draw_turns(count: int, seed: int) -> list[Turn]:
    """Questions of mixed intents, each once, no answer more than twice."""
    rng = child_rng(seed, "bench_talk questions")
    turns: dict[str, Turn] = {}
    uses: Counter[str] = Counter()
    while len(turns) < count:
        turn = sample_in_domain_turn(rng)
        if turn.user_text not in turns and uses[turn.agent_text] < 2:
            turns[turn.user_text] = turn
            uses[turn.agent_text] += 1
    return list(turns.values())


def human_turns(seed: int, num_sums: int = _HUMAN_SUMS) -> list[Turn]:
    """What the human prompts can ask: different sums, and the few sentences they hold whole."""
    pairs = child_rng(seed, "bench_talk sums").permutation(100)[:num_sums]
    sums = [f"{number_words(int(p) // 10)} plus {number_words(int(p) % 10)}" for p in pairs]
    return [turn_for(text) for text in (*sums, *HUMAN_SENTENCES)]


def question_script(turn: Turn, voice: str, seed: int) -> Script:
    """One question with room for its answer."""
    line = Line(
        kind="question",
        channel="user",
        speaker=voice,
        text=turn.user_text,
        offset_ms=600,
        addressed=True,
    )
    return Script(
        id=f"question-{seed}",
        scene_class="question",
        seed=seed,
        lines=(line,),
        expected=Expected(answers=(turn.agent_text,)),
        tail_ms=_TAIL_MS,
    )
