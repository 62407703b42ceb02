"""`voiceagent livekit setup`: the telephone lines of a LiveKit server, from the settings."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from voiceagent.errors import ConfigError
from voiceagent.settings import Settings, load_settings

if TYPE_CHECKING:
    from voiceagent.gateway.phone.trunks import Change

DESCRIPTION = """\
Tell a LiveKit server which telephone numbers lead to the agent, and how it calls out. Run it again
after every change of the file: what is right already is left alone, and said to be.

  [livekit]
  url = "ws://127.0.0.1:7880"          # key and secret: LIVEKIT_API_KEY, LIVEKIT_API_SECRET
  agent_name = "voiceagent"            # whom the calls go to

  [telephony]
  numbers = ["+15105550100"]           # ours, as the provider sends them
  allowed_addresses = ["54.172.60.0/30"]   # of the provider; or username and password
  ringing_timeout_s = 30               # then an unanswered call is given up

  outbound = true                      # off unless said
  outbound_prefixes = ["+1", "+49"]    # and nothing else
  outbound_address = "example.pstn.twilio.com"
  outbound_transport = "tls"
  outbound_number = "+15105550100"     # that people see
  outbound_username = "voiceagent"     # VOICEAGENT_TELEPHONY_OUTBOUND_PASSWORD

Each call gets a room of its own with the agent in it, rings no longer than said, and lasts no
longer than [livekit] max_call_s. LiveKit's noise suppression stays off. The wide band (G.722) is
taken wherever the provider offers it: switch it on there, it makes answers 80 ms quicker.
"""
NOTHING = (
    "nothing to do: [telephony] has no numbers that calls come in for, and outbound is off; "
    "see 'voiceagent livekit setup --help'"
)
OPEN = (
    "note: anybody who reaches the SIP port can call these numbers; give allowed_addresses, or "
    "username and password"
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = commands.add_parser(
        "setup",
        help="trunks and dispatch rule for telephone calls, from the settings",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_argument(parser)
    parser.add_argument(
        "--remove", action="store_true", help="take away what setup made for this agent_name"
    )
    parser.set_defaults(run=run)


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """--config; before or after the name of the action."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="a TOML file with settings",
    )


def settings_of(options: argparse.Namespace) -> Settings:
    """All settings, with a server that can be asked.

    Raises:
        ConfigError: settings that do not fit, or no server; or a package is missing.
    """
    try:
        import livekit.api  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"'livekit' needs {error.name}; run 'make setup' or pip install 'voiceagent[livekit]'"
        ) from error
    settings = load_settings(options.config, os.environ, {})
    settings.livekit.check_complete()
    return settings


def run(options: argparse.Namespace) -> int:
    """Set up, or remove; print what was done."""
    settings = settings_of(options)
    changes = asyncio.run(_change(settings, remove=options.remove))
    for change in changes:
        line = f"{change.what:15} {change.done:10} {change.id}  {change.detail}"
        print(line.rstrip())
    if not changes:
        print("nothing to remove" if options.remove else NOTHING)
    elif all(change.done == "unchanged" for change in changes):
        print("nothing had to be changed")
    if changes and not options.remove and settings.telephony.is_open:
        print(OPEN)
    return 0


async def _change(settings: Settings, *, remove: bool) -> list[Change]:
    from voiceagent.gateway.phone import trunks
    from voiceagent.gateway.phone.refusal import server_api

    config = settings.livekit
    async with server_api(config) as lkapi:
        if remove:
            return await trunks.remove(lkapi, config)
        return await trunks.set_up(lkapi, config, settings.telephony)
