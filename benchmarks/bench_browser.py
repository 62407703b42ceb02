"""The agent in a real browser: answers, delay, interruptions, "uh huh", two at once, reloads.

Headless Chromium talks with `voiceagent serve` on 127.0.0.1 through the page that users have; its
microphone is a wav with scripted scenes in voices that no training set may contain (`make peers`).
All is judged on what the browser shows and plays, timed on the clock of its own recording. About a
quarter of an hour; leave the machine alone meanwhile. Not here: loss and delay of the network.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from browser_call import missing, served
from browser_rows import (
    FREED_MS,
    SILENT_P50_MS,
    SILENT_P90_MS,
    Bench,
    measure_answers,
    measure_backchannels,
    measure_echo,
    measure_interruptions,
    measure_pair,
    measure_reloads,
)
from harness import finish, make_parser, print_card, start
from peer_voices import restart_voices

from voiceagent.errors import VoiceAgentError
from voiceagent.serving.config import POLICIES
from voiceagent.serving.playback import SILENCE_MS, SILENT_BELOW_DBFS
from voiceagent.settings import default_policy

VOICES = ("flite:kal", "kokoro", "piper:joe")
MEASURES: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "answers": measure_answers,
    "interruption": measure_interruptions,
    "backchannel": measure_backchannels,
    "echo": measure_echo,
    "pair": measure_pair,
    "reload": measure_reloads,
}


def main() -> None:
    """Measure what was asked for."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=tuple(MEASURES))
    parser.add_argument("--voices", nargs="+", choices=VOICES, default=VOICES)
    parser.add_argument("--scenes", type=int, default=8, help="per voice and kind (default: 8)")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--policy", choices=POLICIES, default="", help="default: that of serve")
    options = parser.parse_args()
    start(options)
    if fault := missing():
        sys.exit(f"bench_browser: {fault}")
    print_card(
        "bench_browser: the agent as Chromium shows and plays it",
        {
            "answers": "text on the page; Whisper tiny.en on the sound; from the user's last "
            "sample to the agent's first",
            "interruption": f"onset to silence (wanted: p50 <= {SILENT_P50_MS}, p90 <= "
            f"{SILENT_P90_MS} ms); silence is {SILENCE_MS} ms below {SILENT_BELOW_DBFS:g} dBFS",
            "backchannel": '"uh huh" over the answer (wanted: it finishes)',
            "echo": "a loudspeaker beside the microphone and no echo canceller (wanted: never "
            "breaks off, never answers itself)",
            "pair": "two browsers ask different questions at once (wanted: each its own answer)",
            "reload": f"in mid-sentence (wanted: its slot free within {FREED_MS} ms, its record, a "
            "new conversation)",
        },
    )
    results = {}
    flags = ("--policy", options.policy) if options.policy else ()
    try:
        with tempfile.TemporaryDirectory() as records, served(Path(records), *flags) as url:
            bench = Bench(url, Path(records), options.voices, options.scenes, options.seed)
            for name in options.only:
                restart_voices()
                results[name] = MEASURES[name](bench)
    except VoiceAgentError as error:
        sys.exit(f"bench_browser: {error}")
    config = {
        "model": "nano",
        "policy": options.policy or default_policy("nano"),
        "seed": options.seed,
        "scenes": options.scenes,
        "voices": options.voices,
        "judge": "whisper tiny.en int8",
    }
    finish("browser", config, results, options)


if __name__ == "__main__":
    main()
