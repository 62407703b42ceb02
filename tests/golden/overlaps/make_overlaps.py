"""Makes the transcripts that a person labelled: what real agents did about overlaps.

    .venv/bin/python tests/golden/overlaps/make_overlaps.py SCRATCH

Scenes of the builtin suite's four overlap tasks, each agent on scenes of its own: nano without and
with turn-taking, the cascade, and the cascade with rules that ask again instead of refusing (nano
and the cascade never do). `transcripts.jsonl` has what a reader needs and no tag; `labels.json` is
made by hand and names the transcripts by id.
"""

import json
import random
import sys
import zlib
from pathlib import Path

from voiceagent.bench.builtin import BuiltinConfig, speak_scenes
from voiceagent.bench.folder import RunFolder
from voiceagent.bench.heard import overlap_texts
from voiceagent.bench.recognise import open_source, recognise_samples
from voiceagent.bench.runner import play_samples
from voiceagent.bench.stages import begin, plan_run
from voiceagent.bench.targets import cascade
from voiceagent.bench.targets.factory import TargetOptions, open_target
from voiceagent.bench.targets.in_process import InProcessConfig
from voiceagent.scenes.domain import REFUSAL

TRANSCRIPTS = Path(__file__).parent / "transcripts.jsonl"
TASKS = ("user_interruption", "user_backchannel", "talking_to_other", "background_speech")
#: Name -> scenes of each task, seed of the first, where the words come from.
AGENTS = {
    "nano": (17, 41_000, "whisper"),
    "nano, turn-taking on": (13, 42_000, "text"),
    "cascade": (10, 43_000, "whisper"),
    "cascade that asks again": (10, 44_000, "whisper"),
}
ASKS = (
    "sorry could you say that again please",
    "pardon i did not catch that",
    "could you repeat that please",
    "excuse me what did you say",
    "i did not understand that",
)


class AskingRules(cascade.Rules):
    """Asks what it would have refused to be said again."""

    def answer(self, heard: str) -> str | None:
        found = super().answer(heard)
        return ASKS[zlib.crc32(heard.encode()) % len(ASKS)] if found == REFUSAL else found


def target_of(name: str):
    """The agent of a name."""
    if name.startswith("cascade"):
        cascade.Rules = AskingRules if "asks" in name else cascade.Rules
        return open_target("cascade", TargetOptions())
    session = {"policy": "on"} if "on" in name else {}
    return open_target("in-process", TargetOptions(in_process=InProcessConfig(session=session)))


def transcripts_of(name: str, scratch: Path) -> list[dict]:
    """Play, recognise and take down one agent's scenes."""
    count, seed, words = AGENTS[name]
    data, folder = scratch / f"scenes-{seed}", RunFolder(scratch / f"run-{seed}")
    speak_scenes(data, BuiltinConfig(count=count, seed=seed, tasks=TASKS), lambda: None)
    target = target_of(name)
    samples = begin(folder, plan_run("builtin", data, target.facts, {}))
    play_samples(folder, samples, target, lambda seconds: None, print)
    recognise_samples(folder, samples, open_source(words), lambda: None, print)
    found = []
    for sample in samples:
        recognised = folder.recognised(sample.key)
        texts = overlap_texts(sample, recognised.words)
        found.append({"task": sample.task.name, "agent": name, "words": words, **texts})
    return found


def main() -> None:
    """Write the transcripts in an order that says nothing about the agent."""
    rows = [row for name in AGENTS for row in transcripts_of(name, Path(sys.argv[1]))]
    random.Random(2026).shuffle(rows)
    lines = (json.dumps({"id": index, **row}) + "\n" for index, row in enumerate(rows))
    TRANSCRIPTS.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
