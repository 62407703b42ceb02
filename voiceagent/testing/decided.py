"""Recorded calls in which turn-taking really decided, without a model: for tests of what follows.

A script says frame by frame who sounds. The policy decides on what a detector and a model would
have made of it, an echo engine in this process counts the frames, and the gateway's recorder
writes it all down.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from voiceagent.audio.framing import FRAME_SAMPLES, Samples
from voiceagent.gateway.recording import Origin, RecordedPort, recorded
from voiceagent.records.config import RecordsConfig
from voiceagent.serving.echo import EchoEngine
from voiceagent.serving.local import LocalClient
from voiceagent.serving.ports import PortFrame, SessionPort
from voiceagent.turntaking.config import TurnConfig
from voiceagent.turntaking.policy import decide
from voiceagent.turntaking.trace import SCHEMA_VERSION, TurnRow
from voiceagent.turntaking.types import Observation, Text, TurnState

#: A question with a pause, its answer, an interruption, and an answer to that.
SCRIPT = (
    "." * 5
    + ("u" * 12 + "." * 7 + "u" * 10)
    + ("." * 6 + "a" * 20 + "b" * 7)
    + ("u" * 12 + "." * 6 + "a" * 15)
    + "." * 12
)
LOUD_DBFS, QUIET_DBFS = -20.0, -62.0
UNPLAYED_FRAMES = 3


class _StoppedClock:
    def now_us(self) -> int:
        return 0


def observe(script: str) -> list[Observation]:
    """What a policy would see of a script.

    Args:
        script: a character each frame: "u" the user sounds, "a" the agent, "b" both, "." nobody.
    """
    before = "." + script
    return [_observation(i, now, before[i]) for i, now in enumerate(script)]


def _observation(frame: int, now: str, before: str) -> Observation:
    """The user of this frame, the model of the one before."""
    user, agent = now in "ub", before in "ab"
    return Observation(
        frame=frame,
        # no two alike, and none that ends in decimal digits: a record must keep every bit
        p_user=0.9 + frame % 7 / 90 if user else 0.02 + frame % 5 / 300,
        level_dbfs=(LOUD_DBFS if user else QUIET_DBFS) + frame % 3 / 7,
        floor_dbfs=-65.0,
        tilt_db=-5.0,
        echo=0.0,
        p_eot=None,
        heard=" plus" if before in "ub" and frame % 4 == 0 else None,
        text=Text.WORD if agent else Text.PAD,
        p_pad=0.1 if agent else 0.99,
        p_epad=0.0,
        entropy_nats=1 / 3,
        agent_dbfs=LOUD_DBFS if agent else -90.0,
        generated_frames=frame,
        sent_frames=frame,
        heard_frames=max(0, frame - UNPLAYED_FRAMES),
        rewind_room_frames=12,
        repeats=0,
        is_hung_up=False,
        is_late=False,
    )


def decided(observations: Sequence[Observation], config: TurnConfig) -> list[TurnRow]:
    """The rows of a session that begins with the first observation."""
    rows, state = [], TurnState()
    for seen in observations:
        after, decision = decide(config, state, seen)
        rows.append(TurnRow(state=state, observation=seen, decision=decision))
        state = after
    return rows


class ScriptedPort:
    """A session's port whose agent, words and turn-taking are those of rows, frame by frame."""

    def __init__(self, port: SessionPort, rows: Sequence[TurnRow], policy: str) -> None:
        self._port = port
        self._rows = rows
        self._policy = policy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    async def frames(self) -> AsyncIterator[PortFrame]:
        """The port's own, with what the rows say."""
        async for frame in self._port.frames():
            yield self._scripted(frame)

    def _scripted(self, frame: PortFrame) -> PortFrame:
        row = self._rows[frame.step]
        later = self._rows[min(frame.step + 1, len(self._rows) - 1)].observation
        turn = {
            "policy": self._policy,
            "row": {"turn_schema": SCHEMA_VERSION, **dataclasses.asdict(row)},
            "generated_dbfs": later.agent_dbfs,
        }
        return dataclasses.replace(
            frame,
            pcm=_sound(later.agent_dbfs),
            said=" seven" if later.text is Text.WORD and frame.step % 4 == 0 else None,
            heard=row.observation.heard,
            turn=turn if self._policy else None,
        )


def _sound(level_dbfs: float) -> Samples:
    return np.full(FRAME_SAMPLES, 10 ** (level_dbfs / 20), np.float32)


async def record_call(
    folder: Path,
    script: str = SCRIPT,
    config: TurnConfig | None = None,
    policy: str = "on",
) -> str:
    """Hold a scripted call and record it, as fast as it goes.

    Args:
        folder: of the records.
        script: as `observe` takes it.
        config: thresholds that are decided by.
        policy: "on" or "shadow"; empty for a call without turn-taking.

    Returns:
        The session's id.
    """
    config = config or TurnConfig()
    rows = decided(observe(script), config)
    async with LocalClient(EchoEngine(), clock=_StoppedClock()) as client:
        port = await client.open()
        scripted = cast(SessionPort, ScriptedPort(port, rows, policy))
        told = dataclasses.asdict(config) if policy else None
        origin = Origin(model="echo", turn_config=told)
        taped = recorded(scripted, RecordsConfig(dir=folder), origin)
        assert isinstance(taped, RecordedPort), "the folder can be written"
        await _hold(taped, rows)
        await taped.finish("the script ended", frames_lost=0)
    return taped.session_id


async def _hold(port: RecordedPort, rows: Sequence[TurnRow]) -> None:
    """Bring the user's sound a frame at a time: the engine keeps no more than a few."""
    frames = port.frames()
    for row in rows:
        port.push(_sound(row.observation.level_dbfs))
        await anext(frames)
    await port.close()
