"""What turn-taking costs: observation and policy per session and frame, on real speech.

CPU time of the thread that runs it, the model left out. Smart Turn, which runs once a pause in a
thread of its own, is counted apart.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import finish, make_parser, print_card, print_table, start

from voiceagent.audio.wav import read_wav
from voiceagent.cli.talk import QUESTION
from voiceagent.serving.config import ObserveConfig
from voiceagent.serving.ears import Ears, SoundFrame
from voiceagent.serving.end_of_turn import HEARD_SAMPLES, SmartTurn
from voiceagent.serving.observe import ModelView, Playout, observation
from voiceagent.turntaking.config import TurnConfig
from voiceagent.turntaking.policy import decide
from voiceagent.turntaking.types import TurnState

WARM_UP_FRAMES = 50
BUDGET_MS = {1: 1.0, 32: 0.5}
LOOKS = 20
PAUSE_SAMPLES = 24_000 * 2


def arguments() -> argparse.Namespace:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--frames", type=int, default=400, help="per row (default: 400)")
    parser.add_argument(
        "--sessions",
        type=lambda text: [int(item) for item in text.split(",")],
        default=[1, 8, 32],
        help="numbers of sessions (default: 1,8,32)",
    )
    return parser.parse_args()


def cpu_ms(run: Callable[[], Any]) -> tuple[float, Any]:
    begin_s = time.thread_time()
    found = run()
    return 1000 * (time.thread_time() - begin_s), found


def measure(speech: np.ndarray, sessions: int, vad: str, frames: int) -> dict[str, Any]:
    """Hear and decide: users who ask and wait, each at another place, an agent that never stops."""
    ears, config = Ears(ObserveConfig(num_slots=sessions, vad=vad)), TurnConfig()
    states = [TurnState()] * sessions
    hear_ms, decide_ms = [], []
    for frame in range(WARM_UP_FRAMES + frames):
        heard = [speech[(frame + 11 * slot) % len(speech)] for slot in range(sessions)]
        batch = [SoundFrame(slot, frame, pcm, pcm[::-1].copy()) for slot, pcm in enumerate(heard)]
        spent_ms, (cues, _) = cpu_ms(lambda batch=batch: ears.hear(batch))
        hear_ms.append(spent_ms / sessions)

        def decide_all(frame: int = frame, cues: Any = cues) -> None:
            for slot, cue in enumerate(cues):
                seen = observation(frame, cue, ModelView(), Playout(generated_frames=frame))
                states[slot], _ = decide(config, states[slot], seen)

        decide_ms.append(cpu_ms(decide_all)[0] / sessions)
    total_ms = np.add(hear_ms, decide_ms)[WARM_UP_FRAMES:]
    return {
        "vad": vad,
        "sessions": sessions,
        "hear_mean_ms": round(float(np.mean(hear_ms[WARM_UP_FRAMES:])), 3),
        "decide_mean_ms": round(float(np.mean(decide_ms[WARM_UP_FRAMES:])), 3),
        "total_mean_ms": round(float(total_ms.mean()), 3),
        "total_p99_ms": round(float(np.percentile(total_ms, 99)), 3),
    }


def smart_turn_ms() -> float:
    """Median of one look."""
    smart_turn = SmartTurn()
    pcm = np.random.default_rng(0).normal(0, 0.1, HEARD_SAMPLES).astype(np.float32)
    looks = [cpu_ms(lambda: smart_turn.probability(pcm))[0] for _ in range(LOOKS)]
    return round(float(np.median(looks)), 1)


def main() -> None:
    options = arguments()
    start(options)
    speech = np.pad(read_wav(QUESTION).pcm, (0, PAUSE_SAMPLES))
    speech = speech[: len(speech) // 1920 * 1920].reshape(-1, 1920)
    print_card(
        "observation and policy, CPU per session and frame",
        {f"budget, {count} session(s)": f"{ms} ms" for count, ms in BUDGET_MS.items()},
    )
    rows = [
        measure(speech, sessions, vad, options.frames)
        for vad in ("silero", "webrtc")
        for sessions in options.sessions
    ]
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    look_ms = smart_turn_ms()
    print(f"Smart Turn: {look_ms} ms of CPU a pause\n")
    config = {"frames": options.frames, "threads": options.threads}
    finish("turns_cost", config, {"rows": rows, "smart_turn_ms": look_ms}, options)


if __name__ == "__main__":
    main()
