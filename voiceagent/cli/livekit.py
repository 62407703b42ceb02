"""`voiceagent livekit`: telephone calls and rooms of a LiveKit server, until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from pathlib import Path

from voiceagent.cli import (
    livekit_announcements,
    livekit_call,
    livekit_press,
    livekit_setup,
    livekit_transfer,
)
from voiceagent.cli.options import add_engine_arguments
from voiceagent.errors import ConfigError
from voiceagent.settings import Settings, load_settings

DESCRIPTION = """\
Take calls from a LiveKit server: telephone calls that its SIP service brings, and rooms of LiveKit
apps that ask for an agent. Each call is a conversation like the browser's, with the same record.

The server and its key come from a TOML file or the environment, never from a flag:

  export LIVEKIT_URL=ws://127.0.0.1:7880 LIVEKIT_API_KEY=devkey LIVEKIT_API_SECRET=...
  voiceagent livekit --slots 4

Give several machines the same server and each takes calls up to its slots; the server chooses
whoever is least busy. A room asks for the agent by name (agent_name, "voiceagent" by default) and
may send {"role": ..., "voice": ..., "policy": ...} as the dispatch's metadata.

SIGTERM or Ctrl-C stops it in order: no new calls, those that go on may end (drain_within_s); the
second signal ends them too. Settings are in [livekit], such as

  [livekit]
  url = "wss://livekit.example.com"
  api_key = "..."                      # the secret in a file or LIVEKIT_API_SECRET
  api_secret_file = "/run/secrets/livekit"
  greeting = true
  transfer_key = "0"                   # this key hands the caller on
  transfer_to = "tel:+15105550100"
  http_port = 8081                     # /healthz and /metrics
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand and its own."""
    parser = commands.add_parser(
        "livekit",
        help="take telephone calls and rooms from a LiveKit server",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_engine_arguments(parser, slots="calls")
    parser.add_argument("--url", metavar="URL", help="of the server (default: LIVEKIT_URL)")
    parser.add_argument("--agent-name", metavar="NAME", help="by which rooms ask for this agent")
    parser.add_argument("--records", type=Path, metavar="DIR", help="where sessions are recorded")
    parser.add_argument(
        "--record-audio", action="store_true", default=None, help="keep the sound of sessions too"
    )
    parser.add_argument("--verbose", action="store_true", help="log more")
    parser.set_defaults(run=run)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    for module in (
        livekit_setup,
        livekit_call,
        livekit_transfer,
        livekit_press,
        livekit_announcements,
    ):
        module.add_parser(actions)


def run(options: argparse.Namespace) -> int:
    """Take calls until SIGINT or SIGTERM."""
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    try:
        import voiceagent.gateway.phone.server  # noqa: F401  # names a missing part at once
    except ImportError as error:
        raise ConfigError(
            f"'livekit' needs {error.name}; run 'make setup' or "
            "pip install 'voiceagent[serve,livekit]'"
        ) from error
    settings = settings_of(options)
    settings.livekit.check_complete()
    asyncio.run(_take_calls(settings, options.adapter))
    return 0


def settings_of(options: argparse.Namespace) -> Settings:
    """All settings.

    Raises:
        ConfigError: settings that do not fit.
    """
    flags = {
        "model": options.model,
        "engine.num_slots": options.slots,
        "engine.device": options.device,
        "engine.allow_slow": options.allow_slow,
        "engine.policy": options.policy,
        "voices.dir": options.voices,
        "gateway.role": options.role,
        "gateway.voice": options.voice,
        "livekit.url": options.url,
        "livekit.agent_name": options.agent_name,
        "records.dir": options.records,
        "records.with_audio": options.record_audio,
    }
    return load_settings(options.config, os.environ, flags)


async def _take_calls(settings: Settings, adapter: Path | None) -> None:
    from voiceagent.gateway.phone.server import Signals, serve_phone
    from voiceagent.serving.supervisor import EngineProcess

    signals = Signals(on_ready=lambda: _greet(settings))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        (signals.stop_now if signals.stop.is_set() else signals.stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    print(f"starting the engine with model '{settings.model}' ...", flush=True)
    engine = EngineProcess(
        settings.engine, model=settings.model, adapter=adapter, voices=settings.voices.dir
    )
    await serve_phone(
        settings.livekit,
        engine,
        gateway=settings.gateway,
        records=settings.records,
        signals=signals,
    )


def _greet(settings: Settings) -> None:
    livekit = settings.livekit
    print(f"registered at {livekit.url} as agent '{livekit.agent_name}'")
    print(f"model     {settings.model}, up to {settings.engine.num_slots} calls at once")
    sound = "with sound" if settings.records.with_audio else "without sound"
    print(f"records   {settings.records.dir} ({sound})")
    if livekit.http_port:
        print(f"health    http://{livekit.http_host}:{livekit.http_port}/healthz, /metrics")
    print("stop with Ctrl-C; calls that go on may end, a second Ctrl-C ends them", flush=True)
