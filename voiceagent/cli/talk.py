"""`voiceagent talk`: play a recording to the agent in one process, as if it were live.

Every 80 ms of the recording is one step of the model, which hears and speaks at the same time; the
answer's clock is the recording's clock, so overlap and latency are real.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from voiceagent.audio.framing import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ, Samples
from voiceagent.audio.wav import read_wav, write_wav
from voiceagent.cli.options import add_model_arguments, bounded_float
from voiceagent.errors import ConfigError

if TYPE_CHECKING:
    from voiceagent.serving.engine import Engine
    from voiceagent.serving.metrics import StepTimes

QUESTION = Path(__file__).parent.parent / "assets" / "question.wav"
#: Words of one speaker this close belong to one line.
LINE_GAP_MS = 1200
#: Recordings shorter than this need no progress bar.
LONG_SECONDS = 10

DESCRIPTION = """\
Play IN.wav to the agent, 80 ms at a time, and write what it says to OUT.wav.

Prints both sides with times from the start of the recording: 'heard' is the model's own transcript
of the user (a word appears once it has ended), 'said' is the agent's text (a word appears as it
begins). OUT.wav starts with the recording and goes on for --wait seconds after it.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Word:
    """One word of a transcript."""

    text: str
    time_ms: int


@dataclasses.dataclass(frozen=True, slots=True)
class Talk:
    """What came of a recording."""

    agent_pcm: Samples
    heard: list[Word]
    said: list[Word]
    times: StepTimes


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = commands.add_parser(
        "talk",
        help="play a recording to the agent and write its answer",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "input",
        type=Path,
        nargs="?",
        default=QUESTION,
        metavar="IN.wav",
        help="any format, rate and channels; without it, a question that comes with voiceagent",
    )
    parser.add_argument(
        "output",
        type=Path,
        nargs="?",
        metavar="OUT.wav",
        help="the answer, 24 kHz 16-bit (default: IN.answer.wav in this folder)",
    )
    parser.add_argument(
        "--stereo", action="store_true", help="write the user on the left, the agent on the right"
    )
    parser.add_argument(
        "--wait",
        type=bounded_float(0, 60),
        default=4.0,
        metavar="SECONDS",
        help="silence to play after the recording, for the answer (default: 4)",
    )
    parser.add_argument(
        "--temperature",
        type=bounded_float(0, 5),
        default=0.0,
        metavar="T",
        help="of text and voice; 0 takes the likeliest (default: 0)",
    )
    parser.add_argument("--seed", type=int, default=0, help="repeats a drawn answer (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead")
    add_model_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Play, print, write."""
    recording = read_wav(options.input)
    output = options.output or Path(f"{options.input.stem}.answer.wav")
    if output.resolve() == options.input.resolve():
        raise ConfigError(f"{output}: would overwrite the recording; name another OUT.wav")
    pcm = _with_silence(recording.pcm, options.wait)
    talk = play(load_engine(options), options, pcm)
    write_wav(output, np.stack([pcm, talk.agent_pcm], axis=1) if options.stereo else talk.agent_pcm)
    if options.json:
        print(json.dumps(_document(options, output, talk)))
        return 0
    seconds = len(recording.pcm) / SAMPLE_RATE_HZ
    notes = "".join(f", {note}" for note in recording.notes)
    print(f"{options.input}: {seconds:.1f} s{notes}")
    for line in transcript_lines(talk.heard, talk.said):
        print(line)
    _print_times(talk.times)
    print(f"wrote {output}")
    return 0


def load_engine(options: argparse.Namespace) -> Engine:
    """One slot of the model that was asked for."""
    from voiceagent.serving.engine import Engine, use_threads

    use_threads(options.threads)
    return Engine.load(options.model)


def play(engine: Engine, options: argparse.Namespace, pcm: Samples) -> Talk:
    """Run a whole recording through one session.

    Args:
        engine: with a free slot.
        options: temperature and seed.
        pcm: float32 [N], 24 kHz, N a multiple of 1920.
    """
    from voiceagent.serving.config import SessionOptions

    try:
        settings = SessionOptions(
            text_temperature=options.temperature,
            code_temperature=options.temperature,
            seed=options.seed,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from error
    session = engine.open_session(settings)
    agent: list[Samples] = []
    heard: list[Word] = []
    said: list[Word] = []
    is_long = len(pcm) > LONG_SECONDS * SAMPLE_RATE_HZ and not options.json
    frames = range(0, len(pcm), FRAME_SAMPLES)
    for start in tqdm(frames, disable=not is_long, unit="frame", leave=False, file=sys.stderr):
        session.push(pcm[start : start + FRAME_SAMPLES])
        for frame in engine.step():
            agent.append(frame.pcm)
            for piece, words in ((frame.heard, heard), (frame.said, said)):
                if piece is not None:
                    words.append(Word(piece.strip(), frame.time_ms))
    engine.close(session)
    return Talk(np.concatenate(agent), heard, said, engine.metrics.step_times())


def transcript_lines(heard: list[Word], said: list[Word]) -> list[str]:
    """Both sides as lines of words spoken close together, in order of their beginning."""
    lines: list[tuple[int, str]] = []
    for label, words in (("heard", heard), ("said", said)):
        group: list[Word] = []
        for word, following in zip(words, [*words, None][1:], strict=True):
            group.append(word)
            if following is None or following.time_ms - word.time_ms > LINE_GAP_MS:
                text = " ".join(item.text for item in group)
                start_s, end_s = group[0].time_ms / 1000, group[-1].time_ms / 1000
                lines.append(
                    (group[0].time_ms, f"{start_s:8.2f} -{end_s:7.2f} s  {label:5}  {text}")
                )
                group = []
    return [line for _, line in sorted(lines)] or ["         (nothing was heard and nothing said)"]


def _with_silence(pcm: Samples, seconds: float) -> Samples:
    """Append silence and fill the last frame."""
    total = len(pcm) + round(seconds * SAMPLE_RATE_HZ)
    padded = np.zeros(total + -total % FRAME_SAMPLES, np.float32)
    padded[: len(pcm)] = pcm
    return padded


def _print_times(times: StepTimes) -> None:
    p50_ms, p95_ms = times.p50_us / 1000, times.p95_us / 1000
    print(
        f"{times.steps} frames of {FRAME_MS} ms took {p50_ms:.1f} ms each (median; "
        f"p95 {p95_ms:.1f}): {FRAME_MS / p50_ms:.1f} times faster than real time"
    )


def _document(options: argparse.Namespace, output: Path, talk: Talk) -> dict[str, object]:
    return {
        "model": options.model,
        "input": str(options.input),
        "output": str(output),
        "heard": [dataclasses.asdict(word) for word in talk.heard],
        "said": [dataclasses.asdict(word) for word in talk.said],
        "frames": talk.times.steps,
        "frame_p50_us": talk.times.p50_us,
        "frame_p95_us": talk.times.p95_us,
    }
