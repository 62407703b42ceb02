"""Every error that `voiceagent` raises on purpose, in one tree.

The two lower packages have roots of their own, since they cannot import upward::

    voiceagent_codec.CodecError          wrong frame, codes, slot, state or checkpoint
    voiceagent.VoiceAgentError
    ├ ConfigError                        settings that cannot work: at start, exit 2
    ├ AudioFileError                     a sound file that cannot be used: names file and reason
    ├ SynthesisUnavailable               a speech synthesiser is missing: names the install line
    ├ RecogniserUnavailable              the judge of speech is missing or damaged: likewise
    ├ DetectorUnavailable                a detector of turn-taking is missing: likewise
    ├ LiveKitUnavailable                 a part of LiveKit for tests is missing: likewise
    ├ TrainingError                      a training run that cannot go on: says why and how
    ├ RecordError                        a session's record that is missing or cannot be read
    ├ BenchError                         a bench's data, run or target that cannot be used: likewise
    │ └ TargetError                      a system under test that refused, died or stalled
    ├ VoiceError                         a registered voice, or a file to become one: likewise
    ├ ProtocolError                      bytes of the other side that break the protocol
    │ ├ BadMessage                       they mean nothing
    │ ├ MessageTooBig                    there are too many of them
    │ └ UnsupportedVersion               they are of another version of the protocol
    ├ AdmissionError
    │ ├ AtCapacity                       every slot is taken
    │ └ PromptRefused                    a role or voice that this engine cannot take: says why
    ├ SessionError
    │ └ SessionClosed                    the session has ended: says why
    ├ LiveKitRefused                     a LiveKit server that refused, or is not there: says why
    ├ RoomError                          a LiveKit room that cannot be entered or was lost
    └ EngineError
      ├ EngineUnavailable                no engine answers, or it died at start: says why
      ├ MalformedMessage                 bytes between processes that mean nothing
      └ StepFailed                       a step raised: its sessions end, the others go on

Errors carry data as attributes and chain their cause. What is not in this tree is a bug.
"""

from __future__ import annotations

from collections.abc import Sequence


class VoiceAgentError(Exception):
    """Root of the errors of the `voiceagent` package.

    Attributes:
        code: short stable identifier for logs, metrics and wire protocols.
        retryable: whether the same request may succeed later, unchanged.
    """

    code: str = "error"
    retryable: bool = False


class ConfigError(VoiceAgentError):
    """Settings that cannot work, found at start."""

    code = "config"


class AudioFileError(VoiceAgentError):
    """A sound file that cannot be read, written or used.

    Attributes:
        path: the file, as the user named it.
        reason: what is wrong with it, and the fix where there is one.
    """

    code = "audio_file"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class SynthesisUnavailable(VoiceAgentError):
    """A speech synthesiser is not installed.

    Attributes:
        engine: its name.
        fix: the line that installs it.
    """

    code = "synthesis_unavailable"

    def __init__(self, engine: str, reason: str, fix: str) -> None:
        super().__init__(f"{engine} cannot be used ({reason}); install it with: {fix}")
        self.engine = engine
        self.fix = fix


class RecogniserUnavailable(VoiceAgentError):
    """The recogniser or its weights are missing or damaged.

    Attributes:
        reason: what is wrong.
        fix: the line that mends it.
    """

    code = "recogniser_unavailable"

    def __init__(self, reason: str, fix: str = "pip install 'voiceagent[asr]'") -> None:
        super().__init__(f"the recogniser cannot be used ({reason}); mend it with: {fix}")
        self.reason = reason
        self.fix = fix


class DetectorUnavailable(VoiceAgentError):
    """A detector that turn-taking needs is not installed, or its network cannot be read.

    Attributes:
        detector: its name.
        reason: what is wrong.
        fix: the line that mends it.
    """

    code = "detector_unavailable"

    def __init__(
        self, detector: str, reason: str, fix: str = "pip install 'voiceagent[turns]'"
    ) -> None:
        super().__init__(f"{detector} cannot be used ({reason}); mend it with: {fix}")
        self.detector = detector
        self.reason = reason
        self.fix = fix


class LiveKitUnavailable(VoiceAgentError):
    """A program of the LiveKit that tests and benchmarks call is missing, or did not start.

    Attributes:
        program: its name.
        reason: what is wrong.
        fix: how to get it; empty where that is not the trouble.
    """

    code = "livekit_unavailable"

    def __init__(self, program: str, reason: str, fix: str) -> None:
        mend = f"; get it with: {fix}" if fix else ""
        super().__init__(f"{program} cannot be used ({reason}){mend}")
        self.program = program
        self.reason = reason
        self.fix = fix


class TrainingError(VoiceAgentError):
    """A training run that cannot go on."""

    code = "training"


class RecordError(VoiceAgentError):
    """A session's record that is missing, damaged or of another schema version."""

    code = "record"


class BenchError(VoiceAgentError):
    """Data of a bench, a run of it or a target that cannot be used; the text says which and why."""

    code = "bench"


class TargetError(BenchError):
    """A system under test that refused a conversation, or died or stalled in it.

    Attributes:
        target: its address or name.
        reason: what it did, and the fix where there is one.
        at_s: how far the conversation had come; None: it did not begin.
    """

    code = "target"

    def __init__(self, target: str, reason: str, at_s: float | None = None) -> None:
        when = "" if at_s is None else f" ({at_s:.1f} s into the conversation)"
        super().__init__(f"{target}: {reason}{when}")
        self.target = target
        self.reason = reason
        self.at_s = at_s


class VoiceError(VoiceAgentError):
    """A registered voice, or a file that shall become one, that is missing or cannot be used."""

    code = "voice"


class ProtocolError(VoiceAgentError):
    """Bytes of the other side that break the protocol; the connection cannot go on.

    Attributes:
        close_code: of WebSocket (RFC 6455 section 7.4.1), to be sent in answer.
    """

    code = "protocol"
    close_code = 1002


class BadMessage(ProtocolError):
    """A message that means nothing, or comes when it may not; the text says why."""

    code = "bad_message"


class MessageTooBig(ProtocolError):
    """A message above the cap of its kind; the text says both."""

    code = "message_too_big"
    close_code = 1009


class UnsupportedVersion(ProtocolError):
    """The other side speaks another version of the protocol.

    Attributes:
        version: which.
    """

    code = "unsupported_version"

    def __init__(self, version: int) -> None:
        super().__init__(f"version {version} of the protocol is not known here, only version 0")
        self.version = version


class AdmissionError(VoiceAgentError):
    """A session that may not start now."""

    code = "admission"
    retryable = True


class AtCapacity(AdmissionError):
    """Every slot is taken.

    Attributes:
        num_slots: how many there are.
        retry_after_s: a hint for the caller.
    """

    code = "at_capacity"

    def __init__(self, num_slots: int, retry_after_s: float) -> None:
        super().__init__(f"all {num_slots} slots are taken; retry in {retry_after_s:g} s")
        self.num_slots = num_slots
        self.retry_after_s = retry_after_s


class PromptRefused(AdmissionError):
    """A role or voice that this engine cannot take; the text says why."""

    code = "prompt_refused"
    retryable = False


class SessionError(VoiceAgentError):
    """A fault of one session; the others go on."""

    code = "session"


class SessionClosed(SessionError):
    """The session has ended, or its slot has been given to a later one; the text says why."""

    code = "session_closed"


class LiveKitRefused(VoiceAgentError):
    """A LiveKit server refused what it was asked, or does not answer.

    Attributes:
        url: of the server.
        reason: why, and the fix where there is one; holds no secret.
    """

    code = "livekit_refused"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"LiveKit at {url}: {reason}")
        self.url = url
        self.reason = reason


class RoomError(VoiceAgentError):
    """A LiveKit room that cannot be entered, or in which nothing can be said any more.

    Attributes:
        room: its name.
        reason: why; holds no token.
    """

    code = "room"
    retryable = True

    def __init__(self, room: str, reason: str) -> None:
        super().__init__(f"room {room}: {reason}")
        self.room = room
        self.reason = reason


class EngineError(VoiceAgentError):
    """A fault of the engine or of the way to it."""

    code = "engine"


class EngineUnavailable(EngineError):
    """No engine answers at this address.

    Attributes:
        address: where it should be.
        reason: what was tried, or the last words of an engine that died at start.
    """

    code = "engine_unavailable"
    retryable = True

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"no engine at {address}: {reason}")
        self.address = address
        self.reason = reason


class MalformedMessage(EngineError):
    """Bytes from another process that are no message of this version.

    Attributes:
        reason: the first thing that is wrong with them.
    """

    code = "malformed_message"

    def __init__(self, reason: str) -> None:
        super().__init__(f"malformed message: {reason}")
        self.reason = reason


class StepFailed(EngineError):
    """A step raised; the chained cause is what it raised.

    Attributes:
        slots: whose sessions it ends.
    """

    code = "step_failed"

    def __init__(self, slots: Sequence[int], cause: Exception) -> None:
        named = ", ".join(map(str, slots))
        super().__init__(f"the step of slots {named} failed: {type(cause).__name__}: {cause}")
        self.slots = tuple(slots)
        self.__cause__ = cause
