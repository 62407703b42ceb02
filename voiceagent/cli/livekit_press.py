"""`voiceagent livekit press`: send keys to the other end of a running telephone call."""

from __future__ import annotations

import argparse
import asyncio
import sys

from voiceagent.cli.livekit_setup import settings_of
from voiceagent.cli.livekit_transfer import add_session_arguments, running_header
from voiceagent.errors import ConfigError
from voiceagent.gateway.phone.dtmf import codes_of
from voiceagent.records.schema import SessionHeader
from voiceagent.settings import Settings

DESCRIPTION = """\
Send keys (DTMF) to the other end of a running telephone call, such as a menu that wants a 1. The
session is one of 'voiceagent sessions list', named by the beginning of its id:

  voiceagent livekit press 3f2a 12#

LiveKit's SIP service sends 0 to 9, * and #, one each 0.6 s, and drops A to D. Keys that the caller
presses are in the session's record.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = commands.add_parser(
        "press",
        help="send keys to the other end of a running telephone call",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_session_arguments(parser)
    parser.add_argument("keys", metavar="KEYS", help="0 to 9, * and #")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Order it; print what came of it."""
    settings = settings_of(options)
    try:
        codes_of(options.keys)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    header = running_header(options.records or settings.records.dir, options.session)
    refusal = asyncio.run(_press(settings, header, options.keys))
    if refusal is not None:
        print(f"not sent: {refusal}", file=sys.stderr)
        return 1
    print(f"sent {options.keys}")
    return 0


async def _press(settings: Settings, header: SessionHeader, keys: str) -> str | None:
    from voiceagent.gateway.phone.order import order_keys
    from voiceagent.gateway.phone.refusal import server_api

    config = settings.livekit
    async with server_api(config) as lkapi:
        return await order_keys(lkapi, config, header, keys)
