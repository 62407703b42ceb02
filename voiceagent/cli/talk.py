"""`voiceagent talk`: play a recording to the agent in one process, as if it were live.

Every 80 ms of the recording is one step of the model, which hears and speaks at the same time; the
answer's clock is the recording's clock, so overlap and latency are real.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from voiceagent.audio.framing import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ, Samples
from voiceagent.audio.wav import Recording, read_wav, write_wav
from voiceagent.cli.options import (
    add_model_arguments,
    add_policy_argument,
    add_prompt_arguments,
    bounded_float,
    check_output,
)
from voiceagent.cli.voices import default_root
from voiceagent.errors import ConfigError
from voiceagent.serving.config import MAX_WAIT_MS, EngineConfig, ObserveConfig, SessionOptions
from voiceagent.serving.metrics import StepMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voiceagent.serving.engine import Engine
    from voiceagent.serving.playback import Playback, SaidWord

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
        metavar="T",
        help="of text and voice; 0 takes the likeliest (default: the model's own; nano's is 0)",
    )
    parser.add_argument("--seed", type=int, default=0, help="repeats a drawn answer (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead")
    add_prompt_arguments(parser)
    add_policy_argument(parser, default="off")
    add_model_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Play, print, write."""
    recording = read_wav(options.input)
    output = options.output or Path(f"{options.input.stem}.answer.wav")
    check_output(output, options.input)
    session_options = _session_options(options)
    pcm = _with_silence(recording.pcm, options.wait)
    engine = load_engine(options)
    is_long = len(pcm) > LONG_SECONDS * SAMPLE_RATE_HZ and not options.json
    with tqdm(
        total=len(pcm) // FRAME_SAMPLES, disable=not is_long, unit="frame", leave=False
    ) as bar:
        from voiceagent.serving.playback import play

        (playback,) = play(engine, [pcm], bar.update, session_options)
    write_wav(output, np.stack([pcm, playback.agent], axis=1) if options.stereo else playback.agent)
    if options.json:
        print(json.dumps(_document(options, recording, output, playback, engine.metrics)))
        return 0
    notes = "".join(f", {note}" for note in recording.notes)
    print(f"{options.input}: {recording.seconds:.1f} s{notes}")
    for line in transcript_lines(playback.heard, playback.said):
        print(line)
    _print_times(engine.metrics)
    print(f"wrote {output}")
    return 0


def load_engine(options: argparse.Namespace) -> Engine:
    """One slot of the model that was asked for."""
    from voiceagent.serving.device import use_threads
    from voiceagent.serving.engine import Engine

    use_threads(options.threads)
    return Engine.load(
        options.model,
        # nobody waits for a recording: each frame is judged before it is decided
        EngineConfig(device=options.device, observe=ObserveConfig(wait_ms=MAX_WAIT_MS)),
        adapter=options.adapter,
        voices=options.voices or default_root(),
    )


def transcript_lines(heard: Sequence[SaidWord], said: Sequence[SaidWord]) -> list[str]:
    """Both sides as lines of words spoken close together, in order of their beginning."""
    lines: list[tuple[int, str]] = []
    for label, words in (("heard", heard), ("said", said)):
        group: list[SaidWord] = []
        for word, following in zip(words, [*words, None][1:], strict=True):
            group.append(word)
            if following is None or following.time_ms - word.time_ms > LINE_GAP_MS:
                text = " ".join(item.text for item in group)
                start_ms, end_ms = group[0].time_ms, group[-1].time_ms
                span = f"{start_ms / 1000:8.2f} -{end_ms / 1000:7.2f} s"
                lines.append((start_ms, f"{span}  {label:5}  {text}"))
                group = []
    return [line for _, line in sorted(lines)] or ["    (nothing was heard and nothing said)"]


def _session_options(options: argparse.Namespace) -> SessionOptions:
    try:
        return SessionOptions(
            role=options.role or "",
            voice=options.voice or "",
            text_temperature=options.temperature,
            code_temperature=options.temperature,
            seed=options.seed,
            policy=options.policy or "off",
        )
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _with_silence(pcm: Samples, seconds: float) -> Samples:
    """Append silence and fill the last frame."""
    total = len(pcm) + round(seconds * SAMPLE_RATE_HZ)
    return np.pad(pcm, (0, total - len(pcm) + -total % FRAME_SAMPLES))


def _print_times(metrics: StepMetrics) -> None:
    times = metrics.step_times()
    p50_ms, p95_ms = times.p50_us / 1000, times.p95_us / 1000
    factor = FRAME_MS / p50_ms
    pace = f"{factor:.1f} times faster" if factor >= 1 else f"{1 / factor:.1f} times slower"
    print(
        f"{metrics.steps} frames of {FRAME_MS} ms took {p50_ms:.1f} ms each (median; "
        f"p95 {p95_ms:.1f}): {pace} than real time"
    )


def _document(
    options: argparse.Namespace,
    recording: Recording,
    output: Path,
    playback: Playback,
    metrics: StepMetrics,
) -> dict[str, object]:
    times = metrics.step_times()
    return {
        "model": options.model,
        "input": str(options.input),
        "notes": recording.notes,
        "output": str(output),
        "heard": [dataclasses.asdict(word) for word in playback.heard],
        "said": [dataclasses.asdict(word) for word in playback.said],
        "frames": metrics.steps,
        "frame_p50_us": times.p50_us,
        "frame_p95_us": times.p95_us,
    }
