"""The stage that teaches an ear through the decoder: what it hears is right if the words are.

Whole calls in hard conditions go through the ear, its codebooks and the decoder, and what the
decoder says and writes down is compared with what it should. Codebooks and decoder stay; beside the
ear's weights factors of low rank are learnt. Codes have no gradient: what a step of the decoder is
fed is the embedding of the nearest centroids, and its gradient that of the mean of all embeddings,
each weighing the more the nearer its centroid is.

Source: the gradient past the choice is that of Bengio et al. 2013, arXiv 1308.3432 (straight
through), with the softmax over distances of Agustsson et al. 2017, arXiv 1704.00648 (soft to hard).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from voiceagent_codec.nano import EAR, KIND
from voiceagent_codec.speech_transformer import RING_CHUNKS, SpeechTransformer
from voiceagent_codec.weights import read_low_rank
from voiceagent_kernels.reference.rvq import half_square_norms

from voiceagent.audio.framing import FRAME_SAMPLES
from voiceagent.model.checkpoint import OwnFolder
from voiceagent.scenes.channel import Conditions, random_conditions
from voiceagent.scenes.seeds import child_rng, draw_seed
from voiceagent.training.augment import Augmenter, augment_mel
from voiceagent.training.bank import BankSpeaker
from voiceagent.training.calls import CALL_FRAMES, CallMaker, SpokenCall, Streams, joined_sound
from voiceagent.training.hearing import Listener
from voiceagent.training.low_rank import begin_low_rank
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
from voiceagent.training.vocabulary import EPAD, PAD

_RANK = 16
# of the calls so many have a loud noise, and of those so many a crowd
_LOUD_SHARE, _LOUD_DBFS, _CROWD_SHARE = 0.45, (-42.0, -22.0), 0.35
# and of all so many are telephoned besides, and of their people so many speak word by word: with as
# few as calls come with, .80 of a person's telephoned digits were heard after 50 minutes, of 1.00
_TELEPHONE_SHARE, _WORD_BY_WORD_SHARE = 0.25, 0.4
# besides those that a script leaves without a word
_WORDLESS_SHARE = 0.05
# of the batches, those in which sounds are pronounced otherwise besides
_PRONOUNCED_SHARE = 0.5
# for each call in a batch so many are kept, each heard in another noise whenever it is drawn; and
# every third of a batch is made anew
_KEPT_CALLS, _NEW_CALLS = 8, 1 / 3
_HELD_OUT_CALLS = 12
# width of the softmax over half the squared distances, in mean squares of the least of them
_SOFTNESS = 0.125


class ListeningTask:
    """See the module's docstring; a `loop.Task`."""

    name = "ear"
    learning_rate = 5e-4
    betas = (0.9, 0.98)
    weight_decay = 0.0
    gentle: str | None = None

    def __init__(
        self,
        start: OwnFolder,
        bank: BankSpeaker,
        crowd: Tensor,
        seed: int,
        device: str = "cpu",
        rows: int = 6,
        held_out: int = _HELD_OUT_CALLS,
    ) -> None:
        """Begin.

        Args:
            start: the model whose ear is taught.
            bank: the agent's voice, which may be heard as an echo.
            crowd: i16 [N], whose voices make up crowds.
            seed: of weights and speakers.
            device: of the networks and of the noises; calls are made on the CPU.
            rows: calls in a batch.
            held_out: calls that are never learnt from.
        """
        torch.manual_seed(seed)
        self.device = torch.device(device)
        codec = start.load_codec().to(device)
        self.semantic = codec.semantic.requires_grad_(False)
        self.decoder = start.load_decoder().to(device).requires_grad_(False)
        ear = codec.semantic.encoder
        assert isinstance(ear, SpeechTransformer), "convolutions hear"
        learnt = read_low_rank(start.codec_path, KIND)
        learnt = {name.removeprefix(f"{EAR}."): factors for name, factors in learnt.items()}
        begin_low_rank(ear, _RANK, learnt)
        self.ear = ear
        self.module = nn.ModuleDict({"ear": ear})
        self.rows = rows
        self.text_weights = text_weights(self.decoder.config).to(device)
        self.listener = Listener(codec, Augmenter(crowd, seed, device))
        self.maker = CallMaker(self.listener, bank, seed, word_by_word=_WORD_BY_WORD_SHARE)
        self.most_kept, self.new = _KEPT_CALLS * rows, max(1, round(_NEW_CALLS * rows))
        self.kept: list[SpokenCall] = []
        self.oldest, self.num_held_out = 0, held_out

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """See `loop.Task`."""
        seed = torch.randint(1 << 31, (), generator=generator, device=self.device)
        rng = np.random.default_rng(int(seed))
        calls = self._draw(rng)
        with torch.no_grad():
            mel = self._heard(calls, rng, generator)
            if rng.random() < _PRONOUNCED_SHARE:
                mel = augment_mel(mel, generator, self.ear.mel)
        batch = self._words(calls)
        batch["user_text"] = some_later(batch["user_text"], generator)
        text, user_text = self._losses(*self._read(mel, batch, generator), batch)
        parts = {"text": text.item(), "user_text": user_text.item()}
        return TEXT_WEIGHT * text + USER_TEXT_WEIGHT * user_text, parts

    def evaluate(self) -> dict[str, float]:
        """Losses of the words of held-out calls in hard conditions, and how many are right."""
        mel, batch = self.held_out
        said, heard = batch["text"], batch["user_text"]
        logits, user_logits = self._read(mel, batch, None)
        text, user_text = self._losses(logits, user_logits, batch)
        return {
            "held_text": text.item(),
            "held_user_text": user_text.item(),
            "agent_words": share_right(logits, said, said > EPAD),
            "user_words": share_right(user_logits, heard, heard > EPAD),
        }

    @functools.cached_property
    def held_out(self) -> tuple[Tensor, Calls]:
        """Log-mel and words of calls that are never learnt from; only one process asks for them."""
        rng = child_rng(0, "listening", "held out")
        generator = torch.Generator(self.device).manual_seed(0)
        calls = [self._call(rng) for _ in range(self.num_held_out)]
        return self._heard(calls, rng, generator), self._words(calls)

    def _draw(self, rng: np.random.Generator) -> list[SpokenCall]:
        """Some of the calls that are kept, after some of those have been made anew."""
        for _ in range(self.rows if len(self.kept) < self.most_kept else self.new):
            if len(self.kept) < self.most_kept:
                self.kept.append(self._call(rng))
            else:
                self.kept[self.oldest] = self._call(rng)
                self.oldest = (self.oldest + 1) % self.most_kept
        chosen = rng.choice(len(self.kept), self.rows, replace=False)
        return [self.kept[i] for i in chosen]

    def _call(self, rng: np.random.Generator) -> SpokenCall:
        if rng.random() >= _WORDLESS_SHARE:
            return self.maker.call(draw_seed(rng))
        nothing = np.full(CALL_FRAMES, PAD, np.int16)
        agent = np.tile(self.maker.silence, (CALL_FRAMES, 1))
        silence = np.zeros(CALL_FRAMES * FRAME_SAMPLES, np.float32)
        return SpokenCall(Streams(nothing, nothing, agent), silence, silence)

    def _heard(
        self, calls: Sequence[SpokenCall], rng: np.random.Generator, g: torch.Generator
    ) -> Tensor:
        """Log-mel of calls, each in conditions of its own: [B, 8 * T, bands]."""
        user, agent = (side.to(self.device) for side in joined_sound(calls))
        silent = (user.abs().amax(1) == 0).nonzero()[:, 0]
        if len(silent):  # where there is nobody, there is music, and whatever else comes and goes
            sounds = self.listener.augmenter.sounds(len(silent), user.shape[1], g)
            user = user.index_copy(0, silent, sounds)
        pcm = self.listener.heard(user, agent, [hard_conditions(rng) for _ in calls], g)
        mel = self.ear.mel
        frames: Tensor = mel(pcm, mel.init_state(len(pcm), self.device), None)
        return frames

    def _words(self, calls: Sequence[SpokenCall]) -> Calls:
        return {
            name: torch.from_numpy(np.stack([getattr(call.streams, name) for call in calls]))
            .long()
            .to(self.device)
            for name in ("text", "user_text")
        }

    def _read(self, mel: Tensor, batch: Calls, g: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Logits of both text streams, [B, T, V] each; with a generator as in training."""
        state = self.ear.init_state(len(mel), self.device)
        if g is not None:  # a call may begin anywhere
            state.phase.random_(RING_CHUNKS, generator=g)
        with torch.autocast(self.device.type, torch.bfloat16):
            hidden = self.ear.read(mel, state, None)
        decoder, config = self.decoder, self.decoder.config
        tables = decoder.user_embedding.weight.view(config.user.codebooks, config.user_rows, -1)
        codebooks = self.semantic.quantizer.codebooks
        codes, soft = soft_codes(self.semantic.project(hidden.float()), codebooks, tables)
        fed = fed_tokens(config, {**batch, "user": codes}, g)
        if g is not None:
            fed = spoil(fed, config, g)
        with torch.no_grad():
            x = decoder.embed(fed.transpose(1, 2))
        x = x + _late(soft - soft.detach(), config.user_delays[0])
        with torch.autocast(self.device.type, torch.bfloat16):
            hidden = decoder.hidden(x)
            assert decoder.user_text_head is not None
            return decoder.text_head(hidden), decoder.user_text_head(hidden)

    def _losses(self, text: Tensor, user_text: Tensor, batch: Calls) -> tuple[Tensor, Tensor]:
        return (
            text_loss(text, batch["text"], self.text_weights),
            text_loss(user_text, batch["user_text"], self.text_weights),
        )


def hard_conditions(rng: np.random.Generator) -> Conditions:
    """Draw the conditions of a call, more of them in noise and telephoned than as they come."""
    conditions = random_conditions(rng)
    if rng.random() < _TELEPHONE_SHARE:
        conditions = dataclasses.replace(conditions, is_telephone=True)
    if rng.random() >= _LOUD_SHARE:
        return conditions
    return dataclasses.replace(
        conditions,
        noise_dbfs=float(rng.uniform(*_LOUD_DBFS)),
        is_babble=bool(rng.random() < _CROWD_SHARE),
    )


def soft_codes(latents: Tensor, codebooks: Tensor, tables: Tensor) -> tuple[Tensor, Tensor]:
    """Quantise, with a gradient.

    Args:
        latents: f32 [..., D].
        codebooks: f32 [K, V, D], each quantising what the ones before left over.
        tables: f32 [K, V or more, W], the embedding of every code.

    Returns:
        The codes, i64 [..., K], and the mean embedding around them, f32 [..., W].
    """
    residual, soft, codes = latents, torch.zeros((), device=latents.device), []
    norms = half_square_norms(codebooks)
    for centroids, norm, table in zip(codebooks, norms, tables, strict=True):
        nearness = residual @ centroids.mT - norm
        code = nearness.argmax(-1)
        rest = residual - centroids[code]
        width = _SOFTNESS * rest.detach().square().sum(-1).mean()
        soft = soft + (nearness / width.clamp(min=1e-9)).softmax(-1) @ table[: len(centroids)]
        residual = rest
        codes.append(code)
    return torch.stack(codes, -1), soft


def _late(x: Tensor, delay: int) -> Tensor:
    """What steps are fed of the frames so long before, as in `fed_tokens`: [B, T, D]."""
    late = F.pad(x, (0, 0, delay, 0))[:, : x.shape[1]]
    return torch.cat((torch.zeros_like(late[:, : delay + 1]), late[:, delay + 1 :]), 1)
