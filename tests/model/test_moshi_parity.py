"""The decoder against the reference: moshi 0.2.13, as golden files and (`make peers`) alive."""

import runpy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from voiceagent_kernels.reference.rope import apply_rope, rope_rotation

from voiceagent.model import decoder as decoder_module
from voiceagent.model.checkpoint import open_model
from voiceagent.testing.random_moshi import TINY_MOSHI, TINY_PERSONAPLEX, write_random_moshi

GOLDEN = Path(__file__).parent.parent / "golden" / "moshi"
CONFIGS = {"moshi": TINY_MOSHI, "personaplex": TINY_PERSONAPLEX}
RESETS = {25: [1], 40: [2]}  # as in `make_moshi.py`
TOLERANCE = 1e-4


def run(decoder, case, monkeypatch):
    """What the decoder makes of a case's calls, in the shapes of the golden files."""
    logits, text = [], decoder_module.Sampler.text
    monkeypatch.setattr(
        decoder_module.Sampler, "text", lambda self, x: logits.append(x) or text(self, x)
    )
    state, outputs = decoder.init_state(len(case["user"])), []
    for call in range(case["user"].shape[1]):
        state.reset(RESETS.get(call, []))
        outputs.append(
            decoder.step(
                case["user"][:, call],
                state,
                case["active"][:, call],
                forced_text=case["forced_text"][:, call],
                forced_agent_codes=case["forced_codes"][:, call],
            )
        )
    valid = torch.stack([output.valid for output in outputs], 1) & case["active"]
    frames = torch.stack([output.agent_codes for output in outputs], 1)
    return {
        "text": torch.stack([output.text for output in outputs], 1),
        "frames": torch.where(valid[..., None], frames, -2),
        "logits": torch.stack(logits, 1),
    }


def compare(ours, theirs, active, every=1):
    assert torch.equal(ours["text"][active], theirs["text"][active])
    assert torch.equal(ours["frames"], theirs["frames"])
    difference = (ours["logits"][:, ::every] - theirs["logits"])[active[:, ::every]].abs().max()
    assert float(difference) < TOLERANCE
    assert len(ours["frames"].unique()) > 20, "a model that says one thing shows nothing"


@pytest.mark.parametrize("name", CONFIGS)
def test_decoder_says_what_moshi_said(name, request, monkeypatch):
    folder = request.getfixturevalue(f"{name}_folder")
    case = {
        key: value.long() if value.dtype == torch.int16 else value
        for key, value in load_file(GOLDEN / f"{name}.safetensors").items()
    }
    decoder = open_model(folder).load_decoder(dtype=torch.float32)
    ours = run(decoder, case, monkeypatch)
    compare(ours, case, case["active"], every=4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.parametrize("name", CONFIGS)
def test_decoder_says_what_moshi_says(name, seed, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_TORCH_COMPILE", "1")
    pytest.importorskip("moshi.models.lm", reason="needs moshi: run 'make peers'")
    maker = runpy.run_path(str(GOLDEN / "make_moshi.py"))
    write_random_moshi(tmp_path, CONFIGS[name], seed=seed, split=bool(seed % 2))
    case = maker["conversation"](CONFIGS[name], seed)
    theirs = maker["run_reference"](maker["load_reference"](tmp_path, CONFIGS[name]), case)
    ours = run(open_model(tmp_path).load_decoder(dtype=torch.float32), case, monkeypatch)
    compare(ours, theirs, case["active"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("position", [0, 39, 3000, 45_000, 2**17])
def test_rotation_is_moshis_to_the_rounding_of_its_float32_angle(position, monkeypatch, generator):
    """Moshi rounds the angle itself, so it is off by up to position * 2^-23; ours is not."""
    monkeypatch.setenv("NO_TORCH_COMPILE", "1")
    rope = pytest.importorskip("moshi.modules.rope", reason="needs moshi: run 'make peers'")
    x = torch.randn(1, 2, 1, 128, generator=generator)
    theirs, _ = rope.apply_rope(x, x, torch.tensor([position]))
    ours = apply_rope(x, rope_rotation(torch.tensor([[position]]), 128, 10_000.0))
    bound = (1e-6 + 2 * position * 2.0**-23) * float(x.abs().max())
    assert float((ours - theirs).abs().max()) < bound
