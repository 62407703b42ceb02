"""`voiceagent serve`: the page, its API and the engine, until interrupted."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from pathlib import Path

from voiceagent.audio.framing import FRAME_MS
from voiceagent.cli.options import add_engine_arguments
from voiceagent.errors import ConfigError
from voiceagent.serving.metrics import StepForecast
from voiceagent.settings import Settings, load_settings

PAGE = Path(__file__).parent.parent / "_web" / "index.html"

DESCRIPTION = """\
Serve a page on which a person talks with the agent. By default only this machine can open it.

To let others in, give a token and TLS (browsers give no microphone to a plain-http page that is
not localhost):

  voiceagent serve --host 0.0.0.0 --token "$(openssl rand -hex 32)" --tls self-signed

Every flag can also stand in a TOML file (--config) or the environment:
  [gateway] port = 8080       VOICEAGENT_GATEWAY_PORT=8080       --port 8080
Thresholds of turn-taking are in [turns], such as yield_after_frames = 8.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = commands.add_parser(
        "serve",
        help="serve a page on which a person talks with the agent",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_engine_arguments(parser, slots="conversations")
    parser.add_argument("--host", metavar="ADDRESS", help="to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, metavar="N", help="to listen on (default: 8080)")
    parser.add_argument("--token", help="what callers must send; at least 16 characters")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain, PEM")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, PEM")
    parser.add_argument(
        "--tls", choices=("self-signed",), help="make a certificate for this run instead"
    )
    parser.add_argument(
        "--ice-server",
        action="append",
        metavar="URL",
        help="stun:HOST[:PORT] or turn:USER:PASSWORD@HOST[:PORT], for this server and the page; "
        "repeatable",
    )
    parser.add_argument(
        "--udp-ports", metavar="FIRST-LAST", help="ports of the media, for a firewall"
    )
    parser.add_argument("--records", type=Path, metavar="DIR", help="where sessions are recorded")
    parser.add_argument(
        "--record-audio", action="store_true", default=None, help="keep the sound of sessions too"
    )
    parser.add_argument("--verbose", action="store_true", help="log more")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    try:
        from voiceagent.gateway.quiet import quieten_pipecat

        quieten_pipecat()
        import voiceagent.gateway.server  # noqa: F401  # so that a missing part is named at once
    except ImportError as error:
        raise ConfigError(
            f"'serve' needs {error.name}; run 'make setup' or pip install 'voiceagent[serve]'"
        ) from error
    settings = settings_of(options)
    asyncio.run(_serve(settings, options.adapter))
    return 0


def settings_of(options: argparse.Namespace) -> Settings:
    """All settings, a self-signed certificate made where one was asked for.

    Raises:
        ConfigError: settings that do not fit.
    """
    cert, key = options.tls_cert, options.tls_key
    if options.tls:
        from voiceagent.gateway.certificate import make_self_signed

        if cert or key:
            raise ConfigError("--tls self-signed makes its own --tls-cert and --tls-key; drop them")
        cert, key = make_self_signed(options.host or "localhost")
    flags = {
        "model": options.model,
        "engine.num_slots": options.slots,
        "voices.dir": options.voices,
        "gateway.role": options.role,
        "gateway.voice": options.voice,
        "engine.device": options.device,
        "engine.allow_slow": options.allow_slow,
        "engine.policy": options.policy,
        "gateway.host": options.host,
        "gateway.port": options.port,
        "gateway.token": options.token,
        "gateway.tls_cert": cert,
        "gateway.tls_key": key,
        "gateway.ice_servers": tuple(options.ice_server) if options.ice_server else None,
        "gateway.udp_ports": _port_range(options.udp_ports),
        "records.dir": options.records,
        "records.with_audio": options.record_audio,
    }
    return load_settings(options.config, os.environ, flags)


def _port_range(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal()):
        raise ConfigError(f"--udp-ports: '{text}' is no range such as 50000-50100")
    return int(first), int(last)


async def _serve(settings: Settings, adapter: Path | None) -> None:
    from voiceagent.gateway.server import serve
    from voiceagent.serving.supervisor import EngineProcess

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    print(f"starting the engine with model '{settings.model}' ...", flush=True)
    engine = EngineProcess(
        settings.engine, model=settings.model, adapter=adapter, voices=settings.voices.dir
    )
    await serve(
        settings.gateway,
        engine,
        records=settings.records,
        on_ready=lambda port: _greet(settings, port, engine.forecast),
        stop=stop,
    )


def _greet(settings: Settings, port: int, forecast: StepForecast | None) -> None:
    gateway = settings.gateway
    url = gateway.url.rpartition(":")[0] + f":{port}/"
    if gateway.token:
        url += "#token=YOUR_TOKEN"
    print(f"talk at   {url}")
    print(f"model     {settings.model}, up to {settings.engine.num_slots} conversations at once")
    if forecast:
        print(
            f"step      {forecast.p50_us / 1000:.0f} ms, p99 {forecast.p99_us / 1000:.0f} ms of "
            f"{FRAME_MS} on {forecast.device}, when all {forecast.num_slots} are long; reading "
            f"memory alone takes {forecast.floor_us / 1000:.0f} ms"
        )
    sound = "with sound" if settings.records.with_audio else "without sound"
    print(f"records   {settings.records.dir} ({sound})")
    if not PAGE.is_file():
        print("missing   the page has not been built: run 'make web'")
    print("stop with Ctrl-C", flush=True)
