"""`voiceagent voices`: register, list and remove the voices that sessions may ask for."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from voiceagent.errors import ConfigError
from voiceagent.serving.voices import LOUDNESS_LUFS, VoiceInfo, VoiceRegistry, seconds_of
from voiceagent.settings import voices_dir

DESCRIPTION = f"""\
A model that takes prompts (PersonaPlex) speaks with a voice that it is given a sample of. Callers
choose it by the id under which it is registered here; they never name a file.

  voiceagent voices add anna anna.wav        ten seconds of one person speaking, without noise
  voiceagent voices add NATF0 NATF0.pt       a voice of PersonaPlex's archive (voices.tgz)
  voiceagent serve --model DIR --voice anna --role "You are Anna of the bakery. You ..."

A recording may be 1 to 60 s long, of any format, rate and channels; it is kept as 24 kHz mono at
{LOUDNESS_LUFS:g} LUFS (ITU-R BS.1770) and encoded by the model's own codec when it is first asked
for. Every 80 ms of it is one step before a conversation can begin, the first time; after that the
model's state is kept. A .pt file is opened for tensors only, here and now, and kept as safetensors;
it fits the model that it was published with.
"""
COLUMNS = ("id", "length", "kind", "made of", "added (UTC)")


def default_root() -> Path:
    """Where voices lie: VOICEAGENT_VOICES_DIR, else the user's data folder."""
    named = os.environ.get("VOICEAGENT_VOICES_DIR")
    return Path(named) if named else voices_dir(os.environ)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand and its own."""
    parser = commands.add_parser(
        "voices",
        help="register the voices that a promptable model may be given",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="register a recording or a published .pt voice")
    add.add_argument("id", metavar="ID", help="1 to 64 letters, digits, '_' and '-'")
    add.add_argument("file", type=Path, metavar="FILE", help="a sound file, or a .pt voice")
    add.add_argument("--replace", action="store_true", help="even if the id is taken")
    add.set_defaults(run=run_add)
    listing = actions.add_parser("list", help="every registered voice")
    listing.set_defaults(run=run_list)
    remove = actions.add_parser("remove", help="forget a voice")
    remove.add_argument("id", metavar="ID")
    remove.set_defaults(run=run_remove)
    for action in (add, listing, remove):
        action.add_argument(
            "--voices",
            type=Path,
            default=default_root(),
            metavar="DIR",
            help="folder of voices (default: %(default)s)",
        )


def run_add(options: argparse.Namespace) -> int:
    """Register a voice."""
    registry = VoiceRegistry(options.voices)
    notes: tuple[str, ...] = ()
    if options.id in registry.ids() and not options.replace:
        raise ConfigError(f"voice '{options.id}' is registered already; --replace takes its place")
    if options.file.suffix.lower() == ".pt":
        info = registry.add_published(options.id, options.file)
    else:
        info, notes = registry.add_sound(options.id, options.file)
    changes = "".join(f"; {note}" for note in notes)
    print(f"registered '{info.id}': {seconds_of(info):.1f} s{changes}")
    return 0


def run_list(options: argparse.Namespace) -> int:
    """Print a line per voice."""
    registry = VoiceRegistry(options.voices)
    rows = [_row(registry.info(voice_id)) for voice_id in registry.ids()]
    if not rows:
        print(f"no voices in {options.voices}; 'voiceagent voices add ID FILE' registers one")
        return 0
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    for row in (COLUMNS, *rows):
        print(
            "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    return 0


def run_remove(options: argparse.Namespace) -> int:
    """Forget a voice."""
    VoiceRegistry(options.voices).remove(options.id)
    print(f"removed '{options.id}'")
    return 0


def _row(info: VoiceInfo) -> tuple[str, ...]:
    added = info.added_at[:19].replace("T", " ")
    return (info.id, f"{seconds_of(info):.1f} s", info.kind, info.source, added)
