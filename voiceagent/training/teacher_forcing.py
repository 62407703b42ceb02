"""Calls as the decoder is fed them when the truth is known, and how its words are judged.

What it said and heard before is not its own but what it should have been; so that it learns to live
with its mistakes, some of it is spoilt.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceagent.model.config import DecoderConfig
from voiceagent.training.vocabulary import PAD

#: What the losses of both text streams weigh.
TEXT_WEIGHT, USER_TEXT_WEIGHT = 2.0, 1.5
_PAD_WEIGHT = 0.25
# a share of the user's codes, another in every call, is replaced by any code
_MOST_WRONG_CODES, _FORGOTTEN_WORDS = 0.16, 0.06
# of the user's words, those that are wanted a step late
_LATER_WORDS = 0.15

#: ``text`` and ``user_text`` i64 [N, T], ``user`` i64 [N, T, K].
Calls = dict[str, Tensor]


def fed_tokens(config: DecoderConfig, batch: Calls, generator: torch.Generator | None) -> Tensor:
    """Return what every stream is fed at each step, as `Decoder.step` does it.

    Args:
        config: of the decoder.
        batch: calls.
        generator: draws the calls that begin as if they were the middle of one; None: none does.

    Returns:
        i64 [B, S, T].
    """
    device, (rows, steps) = batch["text"].device, batch["text"].shape
    first_tokens = torch.tensor(config.initial_tokens, device=device)
    fed = first_tokens[None, :, None].expand(rows, -1, steps).clone()
    for stream, name in enumerate(("text", "user_text")):
        fed[:, stream, 1:] = batch[name][:, :-1]
        if generator is not None:
            is_middle = torch.rand(rows, generator=generator, device=device) < 0.5
            fed[is_middle, stream, 0] = PAD
    first = config.text_streams + config.agent.codebooks
    delay = config.user_delays[0]
    # a stream is fed its initial token up to and including the step of its delay
    fed[:, first:, delay + 1 :] = batch["user"].transpose(1, 2)[:, :, 1 : steps - delay]
    return fed


def some_later(user_text: Tensor, g: torch.Generator) -> Tensor:
    """Some of the user's words a step later, where there is room: i64 [B, T].

    A model that knows the one right step for a word says nothing where it is not sure in time.
    """
    is_free = F.pad(user_text[:, 1:] == PAD, (0, 1))
    draws = torch.rand(user_text.shape, generator=g, device=g.device)
    moves = (user_text != PAD) & is_free & (draws < _LATER_WORDS)
    stays = user_text.masked_fill(moves, PAD)
    arrives = F.pad(user_text * moves, (1, 0))[:, :-1]
    return stays + arrives


def spoil(fed: Tensor, config: DecoderConfig, g: torch.Generator) -> Tensor:
    """Some user codes are wrong, and some of the user's words were not understood."""
    rows, _, steps = fed.shape
    first = config.text_streams + config.agent.codebooks
    share = torch.rand(rows, 1, 1, generator=g, device=g.device) * _MOST_WRONG_CODES
    codes = fed[:, first:]
    wrong = torch.rand(codes.shape, generator=g, device=g.device) < share
    other = torch.randint(config.user.cardinality, codes.shape, generator=g, device=g.device)
    fed[:, first:] = torch.where(wrong, other, codes)
    forgotten = torch.rand(rows, steps, generator=g, device=g.device) < _FORGOTTEN_WORDS
    fed[:, 1] = torch.where(forgotten, PAD, fed[:, 1])
    return fed


def text_weights(config: DecoderConfig) -> Tensor:
    """Return what each token weighs in `text_loss`, f32 [V]: silence is frequent."""
    weights = torch.ones(config.text_cardinality)
    weights[PAD] = _PAD_WEIGHT
    return weights


def text_loss(logits: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Cross entropy of a text stream: logits [B, T, V], wanted i64 [B, T], weights f32 [V]."""
    return F.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(), weights)


def share_right(logits: Tensor, wanted: Tensor, at: Tensor) -> float:
    """Share of tokens that are right where `at` is true; 0 where it is nowhere."""
    return (logits.argmax(-1) == wanted)[at].float().mean().item() if bool(at.any()) else 0.0
