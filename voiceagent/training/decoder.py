"""The stage that teaches the decoder to converse: user codes in, text and agent codes out.

Teacher forcing over whole calls of half a minute, each position seeing the 250 steps before it as
in `Decoder.step`. Half of the calls begin without the tokens of a call's first step, as if they
were its middle, so that the model cannot know how old a call is. The agent never hears its own
codes. Depth is trained where the agent speaks and at a few silent steps. Beside the calls, every
batch has `exercises`, of which only the answers' words are learnt.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from voiceagent_codec.base import CodeSpace
from voiceagent_codec.nano import NanoCodec

from voiceagent.model.config import DecoderConfig, DepthConfig, TransformerConfig
from voiceagent.model.decoder import Decoder
from voiceagent.training.exercises import exercises
from voiceagent.training.teacher_forcing import (
    TEXT_WEIGHT,
    USER_TEXT_WEIGHT,
    Calls,
    fed_tokens,
    share_right,
    some_later,
    spoil,
    text_loss,
    text_weights,
)
from voiceagent.training.vocabulary import EPAD, PAD, tokens

CONTEXT_STEPS = 250
_CODE_WEIGHT = 0.6
# the first code carries what is said, the others how
_FIRST_CODE_WEIGHT = 3.0
# per row at most so many steps of depth, on average
_SILENT_SHARE, _MOST_DEPTH_STEPS = 0.05, 67
_EMBEDDING_SCALE = 0.12
# of the calls in a batch, so many exercises beside them; and what they weigh
_EXERCISE_SHARE, _EXERCISE_WEIGHT = 0.5, 0.5
# so many rows of them are kept, and some are made anew at every step
_EXERCISE_ROWS, _NEW_EXERCISE_ROWS = 256, 3
# of a decoder that went through all that before
_TUNING_RATE = 5e-4
# steps between two looks for new calls
_LOOK_STEPS = 100


def decoder_sizes(codec: NanoCodec, agent_silence: tuple[int, ...]) -> DecoderConfig:
    """Sizes of the embedded decoder for a codec and its silences."""
    spec = codec.spec
    return DecoderConfig(
        text_cardinality=len(tokens()),
        pad_id=PAD,
        epad_id=EPAD,
        initial_text=len(tokens()),
        user_text=True,
        agent=CodeSpace(spec.agent.codebooks, spec.agent.cardinality),
        user=CodeSpace(spec.user.codebooks, spec.user.cardinality),
        agent_delays=(0,) * spec.agent.codebooks,
        user_delays=(1,) * spec.user.codebooks,
        initial_agent_codes=agent_silence,
        initial_user_codes=tuple(codec.user_silence.tolist()),
        feed_agent_codes=False,
        context=CONTEXT_STEPS,
        head_bias=True,
        temporal=TransformerConfig(width=256, layers=6, heads=4, hidden=672, norm_eps=1e-6),
        depth=DepthConfig(
            transformer=TransformerConfig(
                width=128, layers=2, heads=4, hidden=320, norm_eps=1e-6, rope_base=None
            ),
            weights_per_step=False,
            input_bias=True,
            output_norm=True,
        ),
    )


class DecoderTask:
    """See the module's docstring; a `loop.Task`."""

    name = "decoder"
    learning_rate = 1.5e-3
    betas = (0.9, 0.95)
    weight_decay = 0.05
    gentle: str | None = None

    def __init__(
        self,
        config: DecoderConfig,
        user_codebooks: Tensor,
        calls: Calls,
        rows: int,
        seed: int,
        device: str = "cpu",
        held_out: int = 24,
        more: Callable[[], Calls | None] = lambda: None,
        start: Decoder | None = None,
    ) -> None:
        """Begin.

        Args:
            config: sizes, of `decoder_sizes`.
            user_codebooks: f32 [K, V, D]: near codes begin with near embeddings.
            calls: streams of `calls`, all shards in a row; the first ones are held out.
            rows: calls in a batch.
            seed: of the weights.
            device: of the network.
            held_out: how many calls are never trained on, a quarter at most.
            more: asked now and then for calls that have been made meanwhile.
            start: a decoder to go on from; None begins with nothing.
        """
        torch.manual_seed(seed)
        self.device = torch.device(device)
        self.config = config
        self.module = Decoder(config).requires_grad_(True)
        if start is None:
            _begin_embeddings(self.module, user_codebooks)
        else:
            self.module.load_state_dict(start.state_dict())
            self.learning_rate = _TUNING_RATE
        self.module.to(device)
        held_out = min(held_out, len(calls["text"]) // 4)
        calls = self._moved(calls)
        self.calls = {name: stream[held_out:] for name, stream in calls.items()}
        self.held_out = {name: stream[:held_out] for name, stream in calls.items()}
        self.rows, self.more = rows, more
        self.steps = 0
        self.rng = np.random.default_rng(seed)
        frames = calls["text"].shape[1]
        self.exercises = [
            stream.to(device) for stream in exercises(_EXERCISE_ROWS, frames, self.rng)
        ]
        self.text_weights = text_weights(config).to(device)
        self.silence = torch.tensor(config.initial_agent_codes, device=device)

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """See `loop.Task`."""
        self._look_for_more()
        chosen = torch.randint(
            len(self.calls["text"]), (self.rows,), generator=generator, device=self.device
        )
        batch = {name: stream[chosen].long() for name, stream in self.calls.items()}
        batch["user_text"] = some_later(batch["user_text"], generator)
        batch = self._with_exercises(batch, generator)
        fed = spoil(fed_tokens(self.config, batch, generator), self.config, generator)
        at = self._depth_steps(batch["agent"], generator)
        at[self.rows :] = False
        with torch.autocast(self.device.type, torch.bfloat16):
            text, user_text, codes, exercise = self._losses(fed, batch, at)
        code_weights = torch.ones_like(codes)
        code_weights[0] = _FIRST_CODE_WEIGHT
        code = (codes * code_weights).sum() / code_weights.sum()
        loss = TEXT_WEIGHT * text + USER_TEXT_WEIGHT * user_text + _CODE_WEIGHT * code
        loss = loss + _EXERCISE_WEIGHT * exercise
        parts = {"text": text, "user_text": user_text, "code": codes.mean(), "exercise": exercise}
        return loss, {name: part.item() for name, part in parts.items()}

    def evaluate(self) -> dict[str, float]:
        """Losses of held-out calls, and of their words and codes the share that is right."""
        batch = {name: stream.long() for name, stream in self.held_out.items()}
        fed = fed_tokens(self.config, batch, None)
        at = (batch["agent"] != self.silence).any(-1)
        with torch.autocast(self.device.type, torch.bfloat16):
            text, user_text, codes = self.module(
                fed, batch["text"], batch["agent"].transpose(1, 2), at
            )
        said, heard = batch["text"], batch["user_text"]
        right_code = (codes.argmax(-1) == batch["agent"][at]).float().mean(0)
        return {
            "held_text": text_loss(text, said, self.text_weights).item(),
            "held_user_text": text_loss(user_text, heard, self.text_weights).item(),
            "agent_words": share_right(text, said, said > EPAD),
            "starts": share_right(text, said, said == EPAD),
            "user_words": share_right(user_text, heard, heard > EPAD),
            "first_codes": right_code[0].item(),
            "codes": right_code.mean().item(),
        }

    def _moved(self, calls: Calls) -> Calls:
        return {name: stream.to(self.device) for name, stream in calls.items()}

    def _look_for_more(self) -> None:
        self.steps += 1
        calls = self.more() if self.steps % _LOOK_STEPS == 0 else None
        if calls is not None:
            more = self._moved(calls)
            self.calls = {
                name: torch.cat((stream, more[name])) for name, stream in self.calls.items()
            }

    def _with_exercises(self, batch: Calls, generator: torch.Generator) -> Calls:
        """The calls, and behind them rows without sound."""
        rows, (_, frames, _) = max(1, round(self.rows * _EXERCISE_SHARE)), batch["agent"].shape
        new = exercises(_NEW_EXERCISE_ROWS, frames, self.rng)
        places = self.rng.choice(_EXERCISE_ROWS, _NEW_EXERCISE_ROWS, replace=False)
        for kept, stream in zip(self.exercises, new, strict=True):
            kept[torch.from_numpy(places)] = stream.to(self.device)
        chosen = torch.randint(_EXERCISE_ROWS, (rows,), generator=generator, device=self.device)
        silence = {"user": self.config.initial_user_codes, "agent": self.config.initial_agent_codes}
        read = {
            name: torch.tensor(codes, device=self.device).expand(rows, frames, -1)
            for name, codes in silence.items()
        }
        text, user_text = (kept[chosen] for kept in self.exercises)
        read |= {"text": text, "user_text": user_text}
        return {name: torch.cat((stream, read[name])) for name, stream in batch.items()}

    def _losses(
        self, fed: Tensor, batch: Calls, at: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        text, user_text, codes = self.module(fed, batch["text"], batch["agent"].transpose(1, 2), at)
        heard, read = slice(None, self.rows), slice(self.rows, None)
        wanted = batch["agent"][at]
        code = F.cross_entropy(codes.float().flatten(0, 1), wanted.flatten(), reduction="none")
        return (
            text_loss(text[heard], batch["text"][heard], self.text_weights),
            text_loss(user_text[heard], batch["user_text"][heard], self.text_weights),
            code.view(wanted.shape).mean(0),
            _which_word(text[read], batch["text"][read]),
        )

    def _depth_steps(self, agent: Tensor, generator: torch.Generator) -> Tensor:
        """Steps at which the agent speaks, and some others, at most so many: bool [B, T]."""
        draws = torch.rand((2, *agent.shape[:2]), generator=generator, device=self.device)
        at = (agent != self.silence).any(-1) | (draws[0] < _SILENT_SHARE)
        most = _MOST_DEPTH_STEPS * len(agent)
        return at & (draws[1] * at.sum().clamp(min=1) < most)


def _begin_embeddings(decoder: Decoder, user_codebooks: Tensor) -> None:
    """Small tables; those of user codes a random projection of the codebooks."""
    with torch.no_grad():
        for table in (decoder.text_embedding, decoder.user_text_embedding, decoder.agent_embedding):
            if table is not None:
                table.weight.normal_(std=0.05)
        centroids = user_codebooks / user_codebooks[0].std()
        width = decoder.config.temporal.width
        projection = torch.randn(centroids.shape[-1], width) * centroids.shape[-1] ** -0.5
        rows = decoder.user_embedding.weight.view(len(centroids), decoder.config.user_rows, width)
        rows[:, : centroids.shape[1]] = centroids @ projection * _EMBEDDING_SCALE


def _which_word(logits: Tensor, said: Tensor) -> Tensor:
    """Cross entropy of the words alone, where there are any."""
    is_word = said > EPAD
    words = logits[is_word][:, EPAD + 1 :].float()
    return F.cross_entropy(words, said[is_word] - EPAD - 1)
