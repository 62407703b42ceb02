"""Is this SDP offer one that we answer: one Opus audio line, and small.

Checked before a slot is taken and before aiortc sees a byte of it. Pure text. Each refusal is one
sentence for the person at the other end, with the HTTP status it is sent under.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from voiceagent.errors import VoiceAgentError
from voiceagent.serving.config import check_policy, check_role, voice_id_of

MAX_SDP_BYTES = 64 * 1024
#: JSON escapes each line break of the SDP, and a token or two stand beside it.
MAX_BODY_BYTES = 96 * 1024
MAX_MEDIA_LINES = 4
MAX_CANDIDATES = 50
MAX_LINES = 1000
MAX_CANDIDATE_CHARS = 512
MAX_ID_CHARS = 128


class OfferRefused(VoiceAgentError):
    """A request that is not answered.

    Attributes:
        status: HTTP status.
        detail: what was wrong, for the caller.
        retry_after_s: when to try again, where that can help.
        code: what a program can tell refusals of one status by.
    """

    code = "offer_refused"

    def __init__(
        self,
        status: int,
        detail: str,
        retry_after_s: float | None = None,
        *,
        code: str = "offer_refused",
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.status = status
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.retryable = retry_after_s is not None


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """A session that a client asks for.

    Attributes:
        sdp: the session description.
        pc_id: names the session that the client has and wants to renegotiate.
        role: who the agent shall be; empty for the server's default.
        voice: id of a registered voice, likewise.
        policy: what turn-taking shall do, likewise.
    """

    sdp: str
    pc_id: str | None
    role: str = ""
    voice: str = ""
    policy: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """An ICE candidate that came after the offer; an empty one ends them."""

    candidate: str
    sdp_mid: str
    sdp_mline_index: int


def read_offer(body: object) -> Offer:
    """The offer in a JSON body.

    Raises:
        OfferRefused: 400 or 413, naming what is wrong.
    """
    fields = _object(body, "the body")
    sdp, kind, pc_id = fields.get("sdp"), fields.get("type"), fields.get("pc_id")
    if not isinstance(sdp, str):
        raise OfferRefused(400, "sdp is missing: send the text of the offer's session description")
    if kind != "offer":
        raise OfferRefused(400, 'type must be "offer"')
    if pc_id is not None and not _is_id(pc_id):
        raise OfferRefused(400, "pc_id must be the text that the answer gave")
    check_sdp(sdp)
    return Offer(
        sdp,
        pc_id,
        _role(fields.get("role")),
        _voice(fields.get("voice")),
        _policy(fields.get("policy")),
    )


def read_candidates(body: object) -> tuple[str, list[Candidate]]:
    """The session and the candidates in a JSON body.

    Raises:
        OfferRefused: 400, naming what is wrong.
    """
    fields = _object(body, "the body")
    pc_id, candidates = fields.get("pc_id"), fields.get("candidates")
    if not _is_id(pc_id):
        raise OfferRefused(400, "pc_id is missing: send the text that the answer gave")
    if not isinstance(candidates, list) or len(candidates) > MAX_CANDIDATES:
        raise OfferRefused(400, f"candidates must be a list of at most {MAX_CANDIDATES}")
    return str(pc_id), [_candidate(_object(item, "a candidate")) for item in candidates]


def check_sdp(sdp: str) -> None:
    """Refuse an offer that cannot become a conversation.

    Raises:
        OfferRefused: 400 or 413, naming what is wrong.
    """
    if len(sdp.encode()) > MAX_SDP_BYTES:
        raise OfferRefused(413, f"the sdp is larger than {MAX_SDP_BYTES // 1024} KiB")
    lines = sdp.splitlines()
    if not lines or lines[0].strip() != "v=0" or len(lines) > MAX_LINES:
        raise OfferRefused(400, "the sdp is not a session description that can be read")
    media = [line.split()[0] for line in lines if line.startswith("m=") and len(line) > 2]
    if len(media) > MAX_MEDIA_LINES:
        raise OfferRefused(400, f"the sdp has more than {MAX_MEDIA_LINES} media lines")
    if media.count("m=audio") != 1:
        raise OfferRefused(
            400, f"the sdp must offer one audio track; it has {media.count('m=audio')}"
        )
    if sum(line.startswith("a=candidate:") for line in lines) > MAX_CANDIDATES:
        raise OfferRefused(400, f"the sdp has more than {MAX_CANDIDATES} ICE candidates")
    if not any(
        line.lower().startswith("a=rtpmap:") and "opus/48000" in line.lower() for line in lines
    ):
        raise OfferRefused(400, "the audio track offers no Opus")


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise OfferRefused(400, f"{name} must be a JSON object")
    return value


def _role(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise OfferRefused(400, "role must be text")
    try:
        check_role(value)
    except ValueError as error:
        raise OfferRefused(400, str(error)) from error
    return value.strip()


def _voice(value: object) -> str:
    """The id of a voice; whether there is such a one, the engine says."""
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise OfferRefused(400, "voice must be text")
    try:
        return voice_id_of(value)
    except ValueError as error:
        raise OfferRefused(400, str(error)) from error


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARS


def _candidate(fields: Mapping[str, Any]) -> Candidate:
    text, mid, index = (fields.get(key) for key in ("candidate", "sdp_mid", "sdp_mline_index"))
    if not isinstance(text, str) or len(text) > MAX_CANDIDATE_CHARS:
        raise OfferRefused(400, "a candidate has no readable text")
    if not isinstance(mid, str) or not isinstance(index, int) or isinstance(index, bool):
        raise OfferRefused(400, "a candidate needs sdp_mid (text) and sdp_mline_index (number)")
    return Candidate(text, mid[:MAX_ID_CHARS], index)


def _policy(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise OfferRefused(400, "policy must be text")
    try:
        check_policy(value)
    except ValueError as error:
        raise OfferRefused(400, str(error)) from error
    return value
