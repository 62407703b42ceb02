"""The HTTP shell: offers and answers, past sessions, status, health, metrics and the page.

Each request is checked from the outside in: origin, token, rate, type and size of the body, its
JSON, the SDP, and only then a slot. Every error is JSON: `{detail, code, retry_after_s?}`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from voiceagent.clock import Clock
from voiceagent.errors import EngineUnavailable
from voiceagent.gateway.admission import RateLimiter, has_token, is_local_name, is_same_origin
from voiceagent.gateway.config import GatewayConfig, IceServer
from voiceagent.gateway.offer import MAX_BODY_BYTES, OfferRefused, read_candidates, read_offer
from voiceagent.gateway.peers import ENGINE_RETRY_S, Peers
from voiceagent.records.page import style_hash
from voiceagent.serving.ports import EngineStatus, PortClient

WEB_FOLDER = Path(__file__).parent.parent / "_web"
NO_PAGE = "The page has not been built: run `make web`. The API answers at /api/status.\n"
HEADERS = {
    "Content-Security-Policy": (
        # a report is one file with its style inside; that one and no other
        f"default-src 'self'; style-src 'self' '{style_hash()}'; connect-src 'self'; "
        "media-src 'self' blob:; "
        "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Api:
    """The handlers, over one `Peers`."""

    def __init__(
        self, peers: Peers, engine: PortClient, config: GatewayConfig, clock: Clock
    ) -> None:
        self._peers = peers
        self._engine = engine
        self._config = config
        self._offers = RateLimiter(config.max_offers_per_minute, clock)
        self._reads = RateLimiter(config.max_offers_per_minute, clock)
        self._registry = CollectorRegistry()
        self._registry.register(peers.metrics)

    async def offer(self, request: Request) -> Response:
        """POST /api/offer: `{sdp, type: "offer", pc_id?}` -> `{sdp, type, pc_id, session_id?}`."""
        self._admit(request)
        self._limit(self._offers, request, "too many new sessions from this address")
        return JSONResponse(await self._peers.answer(read_offer(await _json(request))))

    async def candidates(self, request: Request) -> Response:
        """PATCH /api/offer: `{pc_id, candidates: [{candidate, sdp_mid, sdp_mline_index}]}`."""
        self._admit(request)
        pc_id, candidates = read_candidates(await _json(request))
        await self._peers.add_candidates(pc_id, candidates)
        return JSONResponse({"status": "success"})

    async def session(self, request: Request) -> Response:
        """GET /api/sessions/ID: how a past one went, `{id, duration_ms, end_reason, axes}`."""
        return JSONResponse(await self._peers.past.brief(self._past_id(request)))

    async def report(self, request: Request) -> Response:
        """GET /api/sessions/ID/report: a past conversation as a page that stands alone."""
        return HTMLResponse(await self._peers.past.report(self._past_id(request)))

    async def status(self, request: Request) -> Response:
        """GET /api/status: what the page must know before it calls."""
        status = await self._engine_status()
        if status is None:
            detail = "the engine does not answer"
            raise OfferRefused(503, detail, ENGINE_RETRY_S, code=EngineUnavailable.code)
        return JSONResponse(
            {
                "model": status.model,
                "num_slots": status.num_slots,
                "num_free": status.num_free,
                "is_promptable": status.is_promptable,
                "voices": list(status.voices) if self._knows_token(request) else [],
                "auth_required": self._config.token is not None,
                "ice_servers": self._ice_servers() if self._knows_token(request) else [],
            }
        )

    async def health(self, request: Request) -> Response:
        """GET /healthz: 200 while conversations can be held."""
        is_up = await self._engine_status() is not None
        text = "ok\n" if is_up else "the engine does not answer\n"
        return PlainTextResponse(text, 200 if is_up else 503)

    async def metrics(self, request: Request) -> Response:
        """GET /metrics, for Prometheus."""
        self._check_token(request)
        self._peers.metrics.engine = await self._engine_status()
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    def _past_id(self, request: Request) -> str:
        self._admit(request)
        self._limit(self._reads, request, "too many questions about sessions from this address")
        return str(request.path_params["session_id"])

    def _limit(self, limiter: RateLimiter, request: Request, detail: str) -> None:
        wait_s = limiter.admit(request.client.host if request.client else "")
        if wait_s:
            raise OfferRefused(429, detail, wait_s, code="rate_limited")

    def _admit(self, request: Request) -> None:
        headers = request.headers
        origin, host = headers.get("origin"), headers.get("host")
        if not is_same_origin(origin, host, self._config.allowed_origins):
            raise OfferRefused(403, "pages of another origin may not call")
        if self._config.is_loopback and not is_local_name(host):
            raise OfferRefused(403, "this server answers only to localhost")
        self._check_token(request)

    def _check_token(self, request: Request) -> None:
        if not self._knows_token(request):
            detail = "send the token as Authorization: Bearer"
            raise OfferRefused(401, detail, code="unauthorized")

    def _knows_token(self, request: Request) -> bool:
        return has_token(request.headers.get("authorization"), self._config.token)

    def _ice_servers(self) -> list[dict[str, str]]:
        """As the page's RTCPeerConnection takes them."""
        servers = [dataclasses.asdict(IceServer.parse(url)) for url in self._config.ice_servers]
        return [{k: v for k, v in server.items() if v is not None} for server in servers]

    async def _engine_status(self) -> EngineStatus | None:
        try:
            return await self._engine.status()
        except EngineUnavailable:
            return None


def build_app(
    peers: Peers,
    engine: PortClient,
    config: GatewayConfig,
    clock: Clock,
    web_folder: Path = WEB_FOLDER,
) -> FastAPI:
    """The application; whoever made the peers and the engine's client closes them."""
    api = Api(peers, engine, config, clock)
    app = FastAPI(title="voiceagent", openapi_url=None, docs_url=None, redoc_url=None)
    app.add_route("/api/offer", api.offer, methods=["POST"])
    app.add_route("/api/offer", api.candidates, methods=["PATCH"])
    app.add_route("/api/sessions/{session_id}", api.session, methods=["GET"])
    app.add_route("/api/sessions/{session_id}/report", api.report, methods=["GET"])
    app.add_route("/api/status", api.status, methods=["GET"])
    app.add_route("/healthz", api.health, methods=["GET"])
    app.add_route("/metrics", api.metrics, methods=["GET"])
    if (web_folder / "index.html").is_file():
        app.mount("/", StaticFiles(directory=web_folder, html=True))
    else:
        app.add_route("/", lambda request: PlainTextResponse(NO_PAGE, 404), methods=["GET"])

    @app.exception_handler(OfferRefused)
    async def refuse(request: Request, error: OfferRefused) -> Response:
        peers.metrics.count_refusal(error.status)
        return _error(error.status, error.detail, error.code, error.retry_after_s)

    @app.exception_handler(HTTPException)
    async def say(request: Request, error: HTTPException) -> Response:
        return _error(error.status_code, str(error.detail), "http")

    @app.middleware("http")
    async def add_headers(
        request: Request, handle: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await handle(request)
        response.headers.update(HEADERS)
        if request.url.path.startswith("/api/"):
            response.headers["Cache-Control"] = "no-store"
        return response

    return app


def _error(status: int, detail: str, code: str, retry_after_s: float | None = None) -> Response:
    content: dict[str, str | float] = {"detail": detail, "code": code}
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if retry_after_s is not None:
        content["retry_after_s"] = round(retry_after_s, 1)
        headers["Retry-After"] = str(max(1, round(retry_after_s)))
    return JSONResponse(content, status, headers)


async def _json(request: Request) -> object:
    """The body as JSON.

    Raises:
        OfferRefused: 400, 413 or 415.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise OfferRefused(415, "send application/json")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise OfferRefused(413, f"the body is larger than {MAX_BODY_BYTES // 1024} KiB")
    try:
        content: object = json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise OfferRefused(400, "the body is no JSON that can be read") from error
    return content
