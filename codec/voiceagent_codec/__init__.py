"""Sound to codes and codes to sound, one 80 ms frame at a time, over many slots.

The interface is `Codec`; `nano` is the embedded codec. Knows no model, no network and no files but
checkpoints.
"""

from voiceagent_codec.base import Codec, CodecSpec, CodeSpace
from voiceagent_codec.errors import (
    CodecError,
    CodeError,
    FrameError,
    NotInvertible,
    SlotError,
    WeightsError,
)
from voiceagent_codec.streaming import SlotState

__all__ = [
    "CodeError",
    "CodeSpace",
    "Codec",
    "CodecError",
    "CodecSpec",
    "FrameError",
    "NotInvertible",
    "SlotError",
    "SlotState",
    "WeightsError",
]
