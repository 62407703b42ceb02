"""All conversations of one gateway: a slot first, then a peer connection, then a task of its own.

The order matters: a caller for whom there is no slot costs one message to the engine and no ICE,
DTLS or codec. Knows offers and answers, not HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

from aiortc.sdp import candidate_from_sdp

from voiceagent.clock import Clock
from voiceagent.errors import AtCapacity, EngineUnavailable, PromptRefused
from voiceagent.gateway.config import GatewayConfig, IceServer
from voiceagent.gateway.connection import Peer
from voiceagent.gateway.live import LiveAxes
from voiceagent.gateway.metrics import GatewayMetrics
from voiceagent.gateway.offer import Candidate, Offer, OfferRefused
from voiceagent.gateway.recording import Origin, RecordedPort, recorded
from voiceagent.gateway.sessions import PastSessions
from voiceagent.gateway.webrtc import PeerConnection
from voiceagent.records.config import RecordsConfig
from voiceagent.serving.ports import PortClient, SessionOptions, SessionPort

ENGINE_RETRY_S = 2.0

_log = logging.getLogger(__name__)


class Peers:
    """Next: `answer` offers, `add_candidates`; `close` in the end."""

    def __init__(
        self,
        engine: PortClient,
        config: GatewayConfig,
        clock: Clock,
        records: RecordsConfig | None = None,
        model: str = "nano",
        turn_config: dict[str, Any] | None = None,
    ) -> None:
        """Without `records`, nothing of a conversation is kept.

        Args:
            engine: where sessions come from.
            config: of the gateway.
            clock: the machine's.
            records: where sessions are recorded.
            model: its name, for the record.
            turn_config: thresholds of the engine's turn-taking, likewise, where they are known.
        """
        self.metrics = GatewayMetrics(lambda: self)
        self._engine = engine
        self._config = config
        self._clock = clock
        self._records = records
        self._origin = Origin(model=model, turn_config=turn_config)
        self._peers: dict[str, Peer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._live = LiveAxes(clock)
        #: By id, sessions whose record is still being written; set when it is done.
        self._recording: dict[str, asyncio.Event] = {}
        root = None if records is None else records.dir
        #: Conversations that are over, as far as they were recorded.
        self.past = PastSessions(root, self._recording)

    def __iter__(self) -> Iterator[Peer]:
        return iter(list(self._peers.values()))

    def __len__(self) -> int:
        return len(self._peers)

    async def answer(self, offer: Offer) -> dict[str, str]:
        """Admit a peer, or renegotiate with one that is here: `{sdp, type, pc_id, session_id?}`.

        A session that is recorded has a `session_id`, by which it can be looked at when it is over.

        Raises:
            OfferRefused: 400 (a role or voice that cannot be had, too), 404 or 503.
        """
        if offer.pc_id is not None:
            return await self._renegotiate(offer.pc_id, offer.sdp)
        options = self._options(offer)
        bare = await self._open(options)
        port: SessionPort | RecordedPort = bare
        servers = map(IceServer.parse, self._config.ice_servers)
        connection = PeerConnection(self._clock, servers)
        try:
            await self._initialize(connection, offer.sdp)
            answer: dict[str, str] = connection.get_answer()  # type: ignore[no-untyped-call]
            if self._records is not None:
                port = recorded(bare, self._records, self._origin, options)
            peer = Peer(connection, port, self._config, self._clock, self._live)
        except BaseException:
            await port.close()
            await connection.close()
            raise
        if isinstance(port, RecordedPort):
            self._recording[port.session_id] = asyncio.Event()
            answer["session_id"] = port.session_id
        self._peers[connection.pc_id] = peer
        self.metrics.count_session()
        task = asyncio.create_task(self._hold(connection.pc_id, peer), name="peer")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return answer

    async def add_candidates(self, pc_id: str, candidates: list[Candidate]) -> None:
        """Candidates that came after the offer.

        Raises:
            OfferRefused: 400 or 404.
        """
        connection = self._peer(pc_id).connection
        for item in candidates:
            await connection.add_ice_candidate(_parse(item))  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """End all conversations; nobody is admitted any more."""
        self._is_closed = True
        for peer in self:
            peer.end("the server stops")
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _peer(self, pc_id: str) -> Peer:
        peer = self._peers.get(pc_id)
        if peer is None:
            raise OfferRefused(404, "this session is over; start a new one")
        return peer

    def _options(self, offer: Offer) -> SessionOptions:
        """What the offer asks for, the server's own where it asks for nothing."""
        return SessionOptions(
            role=offer.role or self._config.role,
            voice=offer.voice or self._config.voice,
            policy=offer.policy,
        )

    async def _open(self, options: SessionOptions) -> SessionPort:
        if self._is_closed:
            raise OfferRefused(503, "the server stops", ENGINE_RETRY_S, code="stopping")
        try:
            return await self._engine.open(options)
        except AtCapacity as error:
            detail = f"every slot is taken ({error.num_slots}); try again soon"
            raise OfferRefused(503, detail, error.retry_after_s, code=error.code) from error
        except PromptRefused as error:
            raise OfferRefused(400, str(error), code=error.code) from error
        except EngineUnavailable as error:
            _log.error("no session: %s", error)
            detail = "the engine does not answer; it is being restarted"
            raise OfferRefused(503, detail, ENGINE_RETRY_S, code=error.code) from error

    async def _initialize(self, connection: PeerConnection, sdp: str) -> None:
        try:
            await connection.initialize(sdp, "offer")
        except OfferRefused:
            raise
        except Exception as error:  # aiortc raises anything at an SDP it dislikes
            _log.info("an offer was refused: %s: %s", type(error).__name__, error)
            raise OfferRefused(400, "the sdp cannot be answered: it is not valid") from error

    async def _renegotiate(self, pc_id: str, sdp: str) -> dict[str, str]:
        connection = self._peer(pc_id).connection
        await self._initialize(connection, sdp)
        answer: dict[str, str] = connection.get_answer()  # type: ignore[no-untyped-call]
        return answer

    async def _hold(self, pc_id: str, peer: Peer) -> None:
        """The supervisor of one peer: what goes wrong in it goes no further."""
        reason = "a fault of this program"
        try:
            reason = await peer.run()
            _log.info("session %s ended: %s", pc_id[-8:], reason)
        except Exception:  # noqa: BLE001  # the one supervisor of a conversation
            _log.exception("session %s failed", pc_id[-8:])
        finally:
            self._peers.pop(pc_id, None)
            self.metrics.count_end(peer)
            if isinstance(peer.port, RecordedPort):
                await self._finish(peer.port, reason, peer.dropped_frames)

    async def _finish(self, port: RecordedPort, reason: str, frames_lost: int) -> None:
        try:
            summary = await port.finish(reason, frames_lost)
        finally:
            self._recording.pop(port.session_id).set()
        if summary is not None and summary.axes is not None:
            self.metrics.axes.count(summary.axes)


def _parse(item: Candidate) -> Any:
    if not item.candidate:
        return None  # the end of candidates (RFC 8840)
    try:
        candidate = candidate_from_sdp(item.candidate.removeprefix("candidate:"))
    except (ValueError, AssertionError, IndexError) as error:
        raise OfferRefused(400, "a candidate cannot be read") from error
    candidate.sdpMid, candidate.sdpMLineIndex = item.sdp_mid, item.sdp_mline_index
    return candidate
