"""`voiceagent livekit call`: have the agent call a telephone."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING

from voiceagent.cli.livekit_setup import add_config_argument, settings_of
from voiceagent.settings import Settings

if TYPE_CHECKING:
    from voiceagent.gateway.phone.outbound import Outcome

DESCRIPTION = """\
Have the agent call a telephone. Off unless [telephony] says outbound = true, and then only numbers
that begin as outbound_prefixes say; 'voiceagent livekit setup --help' shows the file.

A running 'voiceagent livekit' takes the call; nobody is rung while no worker has come. The command
ends when the telephone was answered, the conversation goes on without it.

exit status:
  0  answered          4  declined (SIP 603, 403)         6  no answer, or nothing there
  2  wrong settings    5  no such number (SIP 404)        7  anything else, said in words
  3  busy (SIP 486)
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = commands.add_parser(
        "call",
        help="have the agent call a telephone",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("number", metavar="NUMBER", help="with + and country code: +15105550100")
    add_config_argument(parser)
    parser.add_argument(
        "--role",
        metavar="TEXT",
        default=argparse.SUPPRESS,
        help="who the agent shall be in this call; for models that take prompts",
    )
    parser.add_argument(
        "--voice", metavar="ID", default=argparse.SUPPRESS, help="with which registered voice"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Call; print how it went."""
    settings = settings_of(options)
    settings.telephony.check_callable(options.number)
    wish = {name: getattr(options, name) for name in ("role", "voice") if getattr(options, name)}
    metadata = json.dumps(wish) if wish else ""
    outcome = asyncio.run(_call(settings, options.number, metadata))
    print(outcome.text, file=sys.stderr if outcome.answer else sys.stdout)
    return int(outcome.answer)


async def _call(settings: Settings, number: str, metadata: str) -> Outcome:
    from voiceagent.gateway.phone.outbound import place_call
    from voiceagent.gateway.phone.refusal import server_api

    config = settings.livekit
    async with server_api(config) as lkapi:
        return await place_call(
            lkapi,
            config,
            settings.telephony,
            number,
            metadata=metadata,
            on_progress=lambda text: print(text, flush=True),
        )
