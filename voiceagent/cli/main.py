"""Parses the command line, runs a subcommand, turns known errors into one line and an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from voiceagent_codec.errors import CodecError

from voiceagent import __version__
from voiceagent.cli import (
    bench,
    codec,
    doctor,
    livekit,
    replay,
    report,
    serve,
    sessions,
    talk,
    train,
    voices,
)
from voiceagent.errors import VoiceAgentError

EPILOG = """\
first steps:
  voiceagent doctor                 what this machine can run, what is missing, how to fix it
  voiceagent serve                  talk with the agent in a browser on this machine
  voiceagent livekit --help         answer the telephone, through a LiveKit server
  voiceagent talk question.wav      play a recording to the agent, read and hear what it answers
  voiceagent codec info             how the model hears and speaks
  voiceagent voices --help          whose voice a model that takes prompts shall have
  voiceagent sessions list          records of past conversations
  voiceagent report SESSION         one of them as a page to look at
  voiceagent replay SESSION         who had the floor, decided again, with other thresholds too
  voiceagent bench                  score the embedded model on Full-Duplex-Bench's axes
  voiceagent train nano --help      make the embedded model anew, or further

The embedded model 'nano' answers a closed domain: sums and differences to twenty ("what is three
plus four"), opening hours ("when do you open on monday"), day and time, names and their spelling,
small talk, "repeat that". It needs no GPU and no download.
"""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="voiceagent",
        description="Real-time full-duplex voice agents: listen and talk at the same time.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"voiceagent {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in (
        serve,
        livekit,
        talk,
        codec,
        voices,
        sessions,
        report,
        replay,
        bench,
        train,
        doctor,
    ):
        module.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point.

    Returns:
        0 for success, 1 where a check failed, 2 for bad input, 130 after an interrupt.
    """
    options = build_parser().parse_args(arguments)
    try:
        result: int = options.run(options)
    except (VoiceAgentError, CodecError) as error:
        print(f"voiceagent: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return result
