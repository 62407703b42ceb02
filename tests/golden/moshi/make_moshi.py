"""Makes the golden files of the decoder with the reference itself, `moshi` 0.2.13 (`make peers`).

    NO_TORCH_COMPILE=1 .venv/bin/python tests/golden/moshi/make_moshi.py

A tiny Moshi and a tiny PersonaPlex of random weights, three slots that begin, rest and start anew
apart from each other, each with a forced prefix of text and agent codes. Greedy, float32, 72 calls
with a context of 40: the ring wraps. The weights are drawn anew from a seed, so a file holds only
what goes in and what came out. `tests/model/test_moshi_parity.py` compares.

moshi 0.2.13 itself does not run PersonaPlex, whose depth transformer also predicts the user: here
its predictions of the user's codes are overwritten by what the user says, as PersonaPlex's own fork
does, so the tail of its depth loop changes nothing.
"""

import tempfile
from pathlib import Path

import torch
from moshi.models import lm, loaders
from safetensors.torch import save_file

from voiceagent.testing.random_moshi import TINY_MOSHI, TINY_PERSONAPLEX, write_random_moshi

FOLDER = Path(__file__).parent
CONFIGS = {"moshi": TINY_MOSHI, "personaplex": TINY_PERSONAPLEX}
SLOTS, CALLS, CODEBOOKS = 3, 72, 4
PREFIX_STEPS = 7
#: Before which call which slot starts anew. Slot 0 never does: its ring wraps.
RESETS = {25: [1], 40: [2]}
UNFORCED = -2
LOGITS_EVERY = 4
WEIGHTS_SEED = 1


def conversation(config, seed):
    """What goes in, per slot and call: user codes, who steps, forced text and agent codes."""
    generator = torch.Generator().manual_seed(seed)
    card, texts = config["card"], config["text_card"]
    user = torch.randint(card, (SLOTS, CALLS, CODEBOOKS), generator=generator)
    active = torch.randint(8, (SLOTS, CALLS), generator=generator) > 0
    active[0] = True
    text = torch.full((SLOTS, CALLS), UNFORCED)
    codes = torch.full((SLOTS, CALLS, CODEBOOKS), UNFORCED)
    for slot in range(SLOTS):
        steps = 0
        for call in range(CALLS):
            steps = 0 if slot in RESETS.get(call, []) else steps
            if active[slot, call] and steps < PREFIX_STEPS:
                text[slot, call] = torch.randint(texts, (), generator=generator)
                codes[slot, call] = torch.randint(card, (CODEBOOKS,), generator=generator)
            steps += int(active[slot, call])
    return {"user": user, "active": active, "forced_text": text, "forced_codes": codes}


def load_reference(folder, config):
    """The reference's model with the folder's weights."""
    known = {key: value for key, value in config.items() if key != "model_type"}
    return loaders.get_moshi_lm(
        folder / loaders.MOSHI_NAME, lm_kwargs=known, device="cpu", dtype=torch.float32
    )


class _Run:
    """The reference's hooks: force what is to be forced, and note what was computed."""

    def __init__(self, model, case):
        self.case = case
        self.predicts_user = model.dep_q == model.n_q
        self.delays = model.delays[1 + CODEBOOKS :][-CODEBOOKS:]
        self.call, self.heard = 0, [[] for _ in range(SLOTS)]
        self.logits, self.text = [], []

    def on_logits(self, logits):
        self.logits.append(logits.flatten(1).clone())

    def on_text(self, text):
        forced = self.case["forced_text"][:, self.call]
        text.copy_(torch.where(forced == UNFORCED, text, forced))
        self.text.append(text.clone())

    def on_audio(self, codes):
        forced = self.case["forced_codes"][:, self.call]
        agent = codes[:, :CODEBOOKS]
        agent.copy_(torch.where(forced == UNFORCED, agent, forced))
        if self.predicts_user:
            for slot in range(SLOTS):
                codes[slot, CODEBOOKS:] = torch.tensor(self._user_at_next(slot))

    def _user_at_next(self, slot):
        """The user's codes as the next step of a slot is to read them, each after its delay."""
        case, heard = self.case, list(self.heard[slot])
        for call in range(self.call, CALLS):
            if case["active"][slot, call]:
                heard.append(case["user"][slot, call].tolist())
            if len(heard) > len(self.heard[slot]) + 1:
                break
        at = len(self.heard[slot]) + 1  # the position that this step's choices are written to
        frames = [heard[min(max(at - delay, 0), len(heard) - 1)] for delay in self.delays]
        return [frame[k] for k, frame in enumerate(frames)]


@torch.no_grad()
def run_reference(model, case):
    """What comes out: text [B, T], aligned frames [B, T, K], logits [B, T, V]."""
    run = _Run(model, case)
    generator = lm.LMGen(
        model,
        use_sampling=False,
        support_out_of_sync=True,
        on_text_hook=run.on_text,
        on_text_logits_hook=run.on_logits,
        on_audio_hook=run.on_audio,
    )
    frames = []
    with generator.streaming(SLOTS):
        for call in range(CALLS):
            run.call = call
            reset = torch.tensor([slot in RESETS.get(call, []) for slot in range(SLOTS)])
            if reset.any():
                generator.reset_streaming(reset)
                for slot in RESETS[call]:
                    run.heard[slot] = []
            active = case["active"][:, call]
            generator.set_exec_mask(active)
            needed = model.n_q - model.dep_q
            frames.append(
                generator.step(case["user"][:, call, :needed, None])[:, 1 : 1 + CODEBOOKS, 0]
            )
            for slot in active.nonzero().flatten().tolist():
                run.heard[slot].append(case["user"][slot, call].tolist())
    return {
        "text": torch.stack(run.text, 1),
        "frames": torch.stack(frames, 1),
        "logits": torch.stack(run.logits, 1),
    }


def main():
    for name, config in CONFIGS.items():
        with tempfile.TemporaryDirectory() as folder:
            write_random_moshi(Path(folder), config, seed=WEIGHTS_SEED)
            model = load_reference(Path(folder), config)
        case = conversation(config, seed=3)
        found = run_reference(model, case)
        found["logits"] = found["logits"][:, ::LOGITS_EVERY].contiguous()
        tensors = {
            key: value.to(torch.int16) if value.dtype == torch.int64 else value
            for key, value in {**case, **found}.items()
        }
        save_file(tensors, FOLDER / f"{name}.safetensors")


if __name__ == "__main__":
    main()
