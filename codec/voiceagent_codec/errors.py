"""Errors of the codec package; `voiceagent.model` raises them too.

::

    CodecError
    ├ FrameError        a block of samples of the wrong length, shape or dtype
    ├ CodeError         codes of the wrong shape or dtype, or outside the codebook
    ├ SlotError         a slot index out of range, or a state made for another batch size
    ├ NotInvertible     user codes were asked to become sound, and this codec cannot
    └ WeightsError      a checkpoint that does not fit: names the key and both shapes
"""


class CodecError(Exception):
    """Root of the errors of this package."""


class FrameError(CodecError):
    """Samples that are not whole frames of the codec's rate, or not float32."""


class CodeError(CodecError):
    """Codes that are not int64, not [B, K], or outside their codebook."""


class SlotError(CodecError):
    """A slot index out of range, or a state of another batch size."""


class NotInvertible(CodecError):
    """The codec's user codes carry meaning, not sound; they cannot be decoded."""


class WeightsError(CodecError):
    """A checkpoint that cannot be read or does not fit the model.

    Attributes:
        path: the file.
        key: the tensor, or None when the file as a whole is at fault.
    """

    def __init__(self, path: str, reason: str, key: str | None = None) -> None:
        where = f"{path}: tensor '{key}'" if key else path
        super().__init__(f"{where}: {reason}")
        self.path = path
        self.key = key
