"""How an agent worker talks with a LiveKit server on `/agent`: bytes to events, and back.

One WebSocket of binary protobuf messages. `register` first; the server answers `Registered`. Each
call comes as an `Offered`, answered by `accept` or `refuse` within some seconds; what was accepted
comes back as `Assigned` with a token for its room, and its end is told by `job_over`. `status`
is due every few seconds and whenever the load changes. Not here: the socket, rooms, tokens.

Source: livekit/protocol `livekit_agent.proto`; livekit-server v1.13.5 `pkg/agent/worker.go`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from google.protobuf.message import DecodeError
from livekit.protocol import agent, models

from voiceagent.errors import BadMessage

PATH = "/agent"
#: A job's room and metadata are some kilobytes; nothing else is large.
MAX_MESSAGE_BYTES = 1024 * 1024
PING_EVERY_S = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """One wish for an agent in a room.

    Attributes:
        id: of the job.
        room: its name.
        metadata: what whoever dispatched it says of it; any text.
        room_metadata: what whoever made the room says of it.
    """

    id: str
    room: str
    metadata: str
    room_metadata: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Registered:
    """The server knows this worker and may offer jobs.

    Attributes:
        worker_id: its name there.
        server: version of the server.
    """

    worker_id: str
    server: str


@dataclasses.dataclass(frozen=True, slots=True)
class Offered:
    """Will this worker take the job? Next: `accept` or `refuse`."""

    job: Job


@dataclasses.dataclass(frozen=True, slots=True)
class Assigned:
    """An accepted job, with the way into its room.

    Attributes:
        job: it.
        url: of the server to join; empty for the one that this worker is connected with.
        token: for the room. Not shown, since whoever holds it can join.
    """

    job: Job
    url: str
    token: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Terminated:
    """The server ended a job: its room was closed, or its dispatch was deleted."""

    job_id: str


@dataclasses.dataclass(frozen=True, slots=True)
class Pong:
    """The server's answer to `ping`, or news that mean nothing to this worker."""


Event: TypeAlias = Registered | Offered | Assigned | Terminated | Pong


def decode(data: bytes | str) -> Event:
    """What a message of the server means.

    Raises:
        BadMessage: it is no message of this protocol.
    """
    if isinstance(data, str):
        raise BadMessage("the LiveKit server sent text where protobuf was due")
    try:
        message = agent.ServerMessage.FromString(data)
    except DecodeError as error:
        raise BadMessage("the LiveKit server sent what is no ServerMessage") from error
    match message.WhichOneof("message"):
        case "register":
            found = message.register
            return Registered(found.worker_id, found.server_info.version)
        case "availability":
            return Offered(_job(message.availability.job))
        case "assignment":
            found_job = message.assignment
            return Assigned(_job(found_job.job), found_job.url, found_job.token)
        case "termination":
            return Terminated(message.termination.job_id)
    return Pong()


def register(agent_name: str, version: str) -> bytes:
    """The first message: this worker takes rooms for which `agent_name` was dispatched."""
    permissions = models.ParticipantPermission(
        can_publish=True,
        can_subscribe=True,
        can_publish_data=True,
        can_update_metadata=True,
        agent=True,
    )
    return _encode(
        register=agent.RegisterWorkerRequest(
            type=agent.JT_ROOM,
            agent_name=agent_name,
            version=version,
            ping_interval=PING_EVERY_S,
            allowed_permissions=permissions,
        )
    )


def accept(job_id: str, identity: str, name: str, attributes: Mapping[str, str]) -> bytes:
    """Take an offered job, as a participant of that identity and name."""
    return _encode(
        availability=agent.AvailabilityResponse(
            job_id=job_id,
            available=True,
            participant_identity=identity,
            participant_name=name,
            participant_attributes=attributes,
        )
    )


def refuse(job_id: str) -> bytes:
    """Leave an offered job to other workers."""
    return _encode(availability=agent.AvailabilityResponse(job_id=job_id, available=False))


def status(load: float, num_jobs: int, *, is_draining: bool) -> bytes:
    """How busy this worker is.

    Args:
        load: 0 to 1; the server prefers the idle.
        num_jobs: that go on.
        is_draining: whether it takes no more.
    """
    state = agent.WS_FULL if is_draining else agent.WS_AVAILABLE
    return _encode(
        update_worker=agent.UpdateWorkerStatus(
            status=state, load=load, job_count=num_jobs, draining=is_draining
        )
    )


def job_running(job_id: str) -> bytes:
    """A job has been taken up."""
    return _encode(update_job=agent.UpdateJobStatus(job_id=job_id, status=agent.JS_RUNNING))


def job_over(job_id: str, error: str = "") -> bytes:
    """A job is done, or has failed with this error."""
    ending = agent.JS_FAILED if error else agent.JS_SUCCESS
    return _encode(update_job=agent.UpdateJobStatus(job_id=job_id, status=ending, error=error))


def migrate(job_ids: Iterable[str]) -> bytes:
    """Jobs that go on although the connection is a new one; an open-source server ignores it."""
    return _encode(migrate_job=agent.MigrateJobRequest(job_ids=list(job_ids)))


def ping(time_ms: int) -> bytes:
    """Ask whether the server lives."""
    return _encode(ping=agent.WorkerPing(timestamp=time_ms))


def _encode(**message: object) -> bytes:
    return agent.WorkerMessage(**message).SerializeToString()  # type: ignore[arg-type]


def _job(job: agent.Job) -> Job:
    return Job(job.id, job.room.name, job.metadata, job.room.metadata)
