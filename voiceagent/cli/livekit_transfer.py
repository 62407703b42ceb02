"""`voiceagent livekit transfer`: hand a running telephone call on to another telephone."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from voiceagent.cli.livekit_setup import add_config_argument, settings_of
from voiceagent.errors import ConfigError, RecordError
from voiceagent.gateway.phone.target import as_uri
from voiceagent.records.schema import SessionHeader
from voiceagent.records.store import RecordStore
from voiceagent.settings import Settings

DESCRIPTION = """\
Hand the caller of a running session on to another telephone (cold transfer, SIP REFER). The session
is one of 'voiceagent sessions list', named by the beginning of its id; the target is a number or a
SIP address:

  voiceagent livekit transfer 3f2a +15105550100
  voiceagent livekit transfer 3f2a sip:desk@example.com

Where the transfer is refused the call goes on: the agent says so, and so does this command, with
exit status 1. Callers can do it themselves with a key of their telephone: [livekit] transfer_key.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = commands.add_parser(
        "transfer",
        help="hand a running telephone call on to another telephone",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_session_arguments(parser)
    parser.add_argument("target", metavar="TARGET", help="+15105550100 or sip:desk@example.com")
    parser.set_defaults(run=run)


def add_session_arguments(parser: argparse.ArgumentParser) -> None:
    """SESSION, --config and --records."""
    parser.add_argument("session", metavar="SESSION", help="the beginning of its id")
    add_config_argument(parser)
    parser.add_argument(
        "--records",
        type=Path,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="folder of records (default: that of the settings)",
    )


def run(options: argparse.Namespace) -> int:
    """Order it; print what came of it."""
    settings = settings_of(options)
    try:
        uri = as_uri(options.target)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    header = running_header(options.records or settings.records.dir, options.session)
    refusal = asyncio.run(_transfer(settings, header, uri))
    if refusal is not None:
        print(f"transfer refused, the call goes on: {refusal}", file=sys.stderr)
        return 1
    print(f"transferred to {uri}")
    return 0


def running_header(records: Path, prefix: str) -> SessionHeader:
    """What is known of a session that goes on.

    Raises:
        RecordError: there is none that begins so, or it has ended.
    """
    record = RecordStore(records).record(RecordStore(records).find(prefix))
    if record.summary is not None:
        reason = record.summary.end_reason
        raise RecordError(f"session {record.header.id[:8]} has ended: {reason}")
    return record.header


async def _transfer(settings: Settings, header: SessionHeader, uri: str) -> str | None:
    from voiceagent.gateway.phone.order import order_transfer
    from voiceagent.gateway.phone.refusal import server_api

    config = settings.livekit
    async with server_api(config) as lkapi:
        return await order_transfer(lkapi, config, header, uri)
