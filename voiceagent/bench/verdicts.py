"""The stage between recognising and scoring: what a judge says of each recording that needs one.

Asked is what the official scripts ask: how well the reply to an interruption fits it (v1, only
where the agent took the floor), and what was done about an overlap (v1.5, from all four
transcripts). A verdict lies with the checksum of the words that it was made from, so nothing is
asked twice, and what was recognised anew since counts as not judged. Our own scenes need no judge:
their grammar is closed, and `scorers.behaviour` has the rule.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voiceagent.bench.folder import DONE, RunFolder
from voiceagent.bench.judge import Judge
from voiceagent.bench.prompts import Prompt, read_behaviour_prompt, read_rating_prompt
from voiceagent.bench.scorers.takeover import is_takeover
from voiceagent.bench.suite import Sample
from voiceagent.bench.transcript import Transcript, read_transcript, text_of, to_json
from voiceagent.errors import BenchError, ConfigError

NO_JUDGE = "no judge"
NO_VERDICT = "no verdict in the judge's replies"
OTHER_WORDS = "judged on other words: run 'voiceagent bench judge' again"


@dataclass(frozen=True, slots=True)
class Question:
    """What a judge is asked of one recording.

    Attributes:
        verdict: "rating" or "behaviour".
        values: of the prompt's names.
    """

    verdict: str
    values: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Of the values."""
        return hashlib.sha256(json.dumps(dict(self.values)).encode()).hexdigest()


def verdict_of(sample: Sample) -> str:
    """Which verdict a recording needs, the field of its row; empty for none."""
    if "rating" in sample.task.axes:
        return "rating"
    return "behaviour" if "overlap" in sample.task.axes else ""


def question_of(folder: RunFolder, sample: Sample) -> Question | None:
    """What to ask; None where words are missing or there is nothing to judge."""
    verdict, recognised = verdict_of(sample), folder.recognised(sample.key)
    if not verdict or recognised is None or _has_rule(sample):
        return None
    if verdict == "rating":
        return _rating_question(sample, recognised.words)
    sides = {
        **{f"output_{name}": _agent_words(folder, sample, take) for name, take in _TAKES},
        **{f"input_{name}": user_words(folder, sample, take) for name, take in _TAKES},
    }
    known = {name: words for name, words in sides.items() if words is not None}
    if len(known) < len(sides):
        return None
    return Question("behaviour", {f"{name}_text": _compact(known[name]) for name in known})


def read_verdict(folder: RunFolder, sample: Sample) -> tuple[Any, str]:
    """What a judge said of a recording.

    Returns:
        The verdict, or None and why there is none; that is empty where none is needed.
    """
    question, judged = question_of(folder, sample), folder.judged(sample.key)
    if question is None and _is_settled(folder, sample):
        return None, ""
    if judged is None:
        return None, NO_JUDGE
    if question is None or judged["words_sha256"] != question.sha256:
        return None, OTHER_WORDS
    value = judged.get(question.verdict)
    return value, "" if value is not None else NO_VERDICT


def judge_samples(
    folder: RunFolder,
    samples: Sequence[Sample],
    judge: Judge,
    prompts: Mapping[str, Prompt],
    on_sample: Callable[[], object],
    on_failure: Callable[[str, str], object],
) -> None:
    """Ask of every recording that needs it and has no verdict of this judge on these words.

    Args:
        folder: of the run, with words.
        samples: of its plan.
        judge: open.
        prompts: of `read_prompts`.
        on_sample: told after each of them.
        on_failure: told key and reason where there is no verdict.

    Raises:
        BenchError: the judge cannot be asked.
    """
    for sample in samples:
        state = folder.state(sample.key)
        if verdict_of(sample) and state is not None and state.status == DONE:
            _judge(folder, sample, judge, prompts, on_failure)
        on_sample()


def read_prompts(samples: Sequence[Sample], upstream: Path) -> dict[str, Prompt]:
    """The prompts that some recordings need, by verdict.

    Raises:
        ConfigError: they need none.
        BenchError: a prompt is not there.
    """
    readers = {"rating": read_rating_prompt, "behaviour": read_behaviour_prompt}
    needed = {verdict_of(sample) for sample in samples if not _has_rule(sample)} - {""}
    if not needed:
        raise ConfigError(
            "nothing in this suite needs a judge: overlaps of our own scenes are tagged by a rule"
        )
    return {verdict: readers[verdict](upstream) for verdict in sorted(needed)}


def user_words(folder: RunFolder, sample: Sample, take: str) -> Transcript | None:
    """What the user said, from the data if it holds that, else as it was recognised."""
    path = sample.folder / f"{take}input.json"
    if path.is_file():
        return read_transcript(path)
    recognised = folder.recognised(sample.key, take, side="input")
    return None if recognised is None else recognised.words


_TAKES = (("clean", "clean_"), ("noisy", ""))


def _agent_words(folder: RunFolder, sample: Sample, take: str) -> Transcript | None:
    recognised = folder.recognised(sample.key, take)
    return None if recognised is None else recognised.words


def _rating_question(sample: Sample, words: Transcript) -> Question | None:
    if not is_takeover(words):
        return None
    assert sample.annotation is not None, "what was played has an annotation"
    return Question(
        "rating",
        {
            "in_before_interrupt_text": sample.annotation.context_text,
            "in_interrupt_text": sample.annotation.overlap_text,
            "out_after_interrupt_text": text_of(words),
        },
    )


def _judge(
    folder: RunFolder,
    sample: Sample,
    judge: Judge,
    prompts: Mapping[str, Prompt],
    on_failure: Callable[[str, str], object],
) -> None:
    try:
        question = question_of(folder, sample)
    except BenchError as error:
        on_failure(sample.key, str(error))
        return
    if question is None:
        if not _is_settled(folder, sample):
            on_failure(sample.key, "not judged, since words are missing")
        return
    prompt = prompts[question.verdict]
    source = {**judge.config.facts, "prompt_sha256": prompt.sha256}
    before = folder.judged(sample.key)
    if before and before["words_sha256"] == question.sha256 and before["judge"] == source:
        return
    found = judge.ask(prompt, prompt.user(question.values))
    if found.value is None:
        on_failure(sample.key, f"no verdict in {found.tries} replies of the judge")
    folder.set_judged(
        sample.key,
        {
            question.verdict: found.value,
            "reply": found.reply,
            "tries": found.tries,
            "words_sha256": question.sha256,
            "judge": source,
        },
    )


def _has_rule(sample: Sample) -> bool:
    """Whether it is one of our own scenes."""
    return sample.annotation is not None and sample.annotation.scene is not None


def _is_settled(folder: RunFolder, sample: Sample) -> bool:
    """Whether there is nothing to judge although the words are there."""
    return verdict_of(sample) == "rating" and folder.recognised(sample.key) is not None


def _compact(words: Transcript) -> str:
    return json.dumps(to_json(words), separators=(",", ":"), ensure_ascii=False)
