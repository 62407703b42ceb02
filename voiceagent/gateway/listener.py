"""uvicorn as a part of a program that has a loop and signals of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import uvicorn

from voiceagent.errors import ConfigError


class HttpServer(uvicorn.Server):
    """Leaves signals to whoever runs the loop, and says when it listens."""

    def __init__(
        self, config: uvicorn.Config, on_ready: Callable[[int], None], setting: str = "--port"
    ) -> None:
        """`setting` is how another port is chosen, for the message."""
        super().__init__(config)
        self._on_ready = on_ready
        self._setting = setting

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """See `uvicorn.Server`: does nothing."""
        yield

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """See `uvicorn.Server`."""
        try:
            await super().startup(sockets)  # type: ignore[arg-type]
        except SystemExit as error:  # uvicorn ends the process when the port is taken
            raise ConfigError(
                f"{self.config.host}:{self.config.port} cannot be listened on: is it taken? "
                f"Choose another with {self._setting}"
            ) from error
        if self.started:
            self._on_ready(self.servers[0].sockets[0].getsockname()[1])
