"""What is done to one slot's step from outside the model: gate, forced text, bias on the text.

Made between hearing a frame and speaking (`step.BatchStep`), by whoever knows what the model does
not: turn-taking, for one. The default does nothing, and a step in which nobody is steered costs
nothing more.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from voiceagent.audio.framing import Samples


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Steering:
    """See the module's docstring.

    Attributes:
        is_gated: the model is given silence instead of the user's sound.
        forced_text: the text token that it must say, whatever the bias; None lets it choose.
        logit_bias: float32 [text_cardinality], nats added to the text logits before they are drawn
            from; -inf forbids a token. None adds nothing.
        next_word: the one word that it may say, whatever the bias; PAD for none at all. When is for
            the model to choose. None leaves it all words.
    """

    is_gated: bool = False
    forced_text: int | None = None
    logit_bias: Samples | None = None
    next_word: int | None = None

    def check(self, text_cardinality: int) -> None:
        """Raise ValueError, naming the field, unless a model of so many text tokens can do it."""
        for name, token in (("forced_text", self.forced_text), ("next_word", self.next_word)):
            if token is not None and not 0 <= token < text_cardinality:
                raise ValueError(f"{name} must be 0 to {text_cardinality - 1}, not {token}")
        bias = self.logit_bias
        if bias is None:
            return
        if bias.shape != (text_cardinality,) or bias.dtype != np.float32:
            found = f"{bias.dtype} {list(bias.shape)}"
            raise ValueError(f"logit_bias must be float32 [{text_cardinality}], not {found}")
        if not np.isfinite(bias).any() or np.isnan(bias).any() or np.isposinf(bias).any():
            raise ValueError("logit_bias must be finite or -inf, and leave at least one token")


@dataclasses.dataclass(frozen=True, slots=True)
class Repeat:
    """A step that is taken again.

    Attributes:
        user_codes: what the model hears this time.
        is_silent: the agent said nothing this time; else what it said before.
    """

    user_codes: tuple[int, ...]
    is_silent: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What happens to one slot between hearing and speaking, in this order.

    Attributes:
        forget_steps: the last steps have never been.
        repeats: the last steps are taken again, oldest first.
        steering: of the step to come; None where it is not steered.
        is_flush: the agent's sound that is on its way to the user is void.
        is_fresh: the model remembers nothing of the call but its prompt; done instead of the rest.
        is_floor_lost: an announcement that is being made is not gone on with.
    """

    forget_steps: int = 0
    repeats: tuple[Repeat, ...] = ()
    steering: Steering | None = None
    is_flush: bool = False
    is_fresh: bool = False
    is_floor_lost: bool = False
