"""What is to be heard in one frame of each session: all cues of the sound, without a thread.

`observe` runs this beside the model's step and adds what the model and the playout say.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

import numpy as np

from voiceagent.audio.framing import FRAME_SAMPLES, Samples
from voiceagent.errors import DetectorUnavailable
from voiceagent.serving.config import ObserveConfig
from voiceagent.serving.cues import LevelMeter, tilt_db
from voiceagent.serving.downsample import Batch, Downsampler
from voiceagent.serving.echo_coherence import EchoCoherence
from voiceagent.serving.vad import RATE_HZ, SileroVad, Vad, WebRtcVad

#: Where nobody seems to speak, nobody needs to know whose speech it is.
ECHO_ASKED_ABOVE_P = 0.2

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SoundFrame:
    """One frame of one session.

    Attributes:
        slot: whose.
        frame: 0 for the first of the session.
        pcm: the user's sound, float32 [1920] at 24 kHz.
        played: the agent's sound of the frame before, likewise.
    """

    slot: int
    frame: int
    pcm: Samples
    played: Samples


@dataclasses.dataclass(frozen=True, slots=True)
class Cues:
    """What was heard in it; see `turntaking.types.Observation` for the values.

    Attributes:
        slot: whose.
        frame: which.
        p_user: that the user speaks at its end.
        level_dbfs: of the user's sound.
        floor_dbfs: of the noise.
        tilt_db: bright against dark.
        echo: likeness to the agent's sound, 0 to 1.
        p_eot: end-of-turn probability, in the first frame after it was found.
        is_pause_onset: the user has just fallen silent.
    """

    slot: int
    frame: int
    p_user: float
    level_dbfs: float
    floor_dbfs: float
    tilt_db: float
    echo: float
    p_eot: float | None
    is_pause_onset: bool


class Ears:
    """See the module's docstring. Next: `begin` for a new session, then `hear`, from one thread."""

    def __init__(self, config: ObserveConfig) -> None:
        """Load the detectors.

        Raises:
            DetectorUnavailable: one that was asked for is missing.
        """
        slots = config.num_slots
        self._config = config
        self._vad = open_vad(config)
        self._downsampler = Downsampler(RATE_HZ, slots)
        self._level = LevelMeter(slots)
        self._echo = EchoCoherence(slots)
        self._is_speech = np.zeros(slots, np.bool_)
        #: Frames taken for silence because a sample was not finite.
        self.bad_frames = 0

    def begin(self, slot: int) -> None:
        """Forget all of a slot."""
        for part in (self._vad, self._downsampler, self._level, self._echo):
            part.begin(slot)
        self._is_speech[slot] = False

    def hear(self, frames: Sequence[SoundFrame]) -> tuple[list[Cues], Batch]:
        """Judge one frame of each of some sessions.

        Args:
            frames: at least one, each of another slot.

        Returns:
            Cues without `p_eot`, in the same order, and the user's sound at 16 kHz [B, 1280].
        """
        slots = [frame.slot for frame in frames]
        pcm = self._finite([frame.pcm for frame in frames])
        played = self._finite([frame.played for frame in frames])
        pcm_16k = self._downsampler.frames(slots, pcm)
        p_user = self._vad.probabilities(slots, pcm_16k)
        level_dbfs, floor_dbfs = self._level.frames(slots, pcm)
        echo = self._echo.frames(slots, pcm, played, p_user >= ECHO_ASKED_ABOVE_P)
        onsets = self._pause_onsets(slots, p_user)
        columns = (p_user, level_dbfs, floor_dbfs, tilt_db(pcm), echo)
        values = np.stack(columns, axis=1).tolist()
        rows = zip(frames, values, onsets, strict=True)
        return [_cues(frame, row, onset) for frame, row, onset in rows], pcm_16k

    def _finite(self, frames: Sequence[Samples]) -> Batch:
        """All frames in one array, silence for those that are not finite."""
        pcm = np.stack(frames)
        is_bad = ~np.isfinite(pcm).all(axis=1)
        if is_bad.any():
            self.bad_frames += int(is_bad.sum())
            pcm[is_bad] = 0
        return np.clip(pcm, -1, 1, out=pcm)

    def _pause_onsets(self, slots: Sequence[int], p_user: Batch) -> list[bool]:
        was_speech = self._is_speech[slots]
        threshold = np.where(was_speech, self._config.silence_below_p, self._config.speech_above_p)
        self._is_speech[slots] = p_user >= threshold
        return (was_speech & ~self._is_speech[slots]).tolist()


def _cues(frame: SoundFrame, values: Sequence[float], is_pause_onset: bool) -> Cues:
    p_user, level_dbfs, floor_dbfs, tilt, echo = values
    return Cues(
        slot=frame.slot,
        frame=frame.frame,
        p_user=p_user,
        level_dbfs=level_dbfs,
        floor_dbfs=floor_dbfs,
        tilt_db=tilt,
        echo=echo,
        p_eot=None,
        is_pause_onset=is_pause_onset,
    )


def open_vad(config: ObserveConfig) -> Vad:
    """The detector that the config asks for.

    Raises:
        DetectorUnavailable: it is missing; with "auto", both are.
    """
    if config.vad == "webrtc":
        return WebRtcVad(config.num_slots)
    try:
        return SileroVad(config.num_slots, config.vad_model)
    except DetectorUnavailable as error:
        if config.vad == "silero" or config.vad_model is not None:
            raise
        try:
            fallback = WebRtcVad(config.num_slots)
        except DetectorUnavailable:
            raise error from None
        _log.warning("%s; falling back to webrtcvad, which is poor in noise", error)
        return fallback


def check_frame(frame: SoundFrame, num_slots: int) -> None:
    """Raise ValueError unless a frame can be heard."""
    if not 0 <= frame.slot < num_slots:
        raise ValueError(f"slot must be 0 to {num_slots - 1}, not {frame.slot}")
    for name, pcm in (("pcm", frame.pcm), ("played", frame.played)):
        if pcm.shape != (FRAME_SAMPLES,) or pcm.dtype != np.float32:
            found = f"{pcm.dtype} {list(pcm.shape)}"
            raise ValueError(f"{name} is float32 [{FRAME_SAMPLES}], not {found}")
