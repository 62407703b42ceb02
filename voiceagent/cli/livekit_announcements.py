"""`voiceagent livekit announcements`: speak the telephone's announcements anew."""

from __future__ import annotations

import argparse
from pathlib import Path

from voiceagent.errors import ConfigError
from voiceagent.gateway.phone.announcements import TEXTS
from voiceagent.scenes.announcements import render_announcements

DESCRIPTION = """\
Speak the five announcements of the telephone in the agent's voice, as .ogg files. The package
holds them already; say other ones by putting your own sound files into [livekit], for instance
greeting_file = "greeting.wav" and, for transcripts, greeting_text = "Welcome to the bakery."
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = commands.add_parser(
        "announcements",
        help="speak the announcements anew",
        description=DESCRIPTION,
        epilog="\n".join(f"  {name:16} {text}" for name, text in TEXTS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="where to write them")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write them."""
    if not options.folder.is_dir():
        raise ConfigError(f"{options.folder}: there is no such folder")
    for path in render_announcements(options.folder):
        print(path)
    return 0
