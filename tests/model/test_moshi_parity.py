"""The decoder against the reference itself: `moshi` 0.2.13, which `make peers` installs."""

import pytest
import torch
from voiceagent_codec.base import CodeSpace

from voiceagent.model import decoder as decoder_module
from voiceagent.model.config import DecoderConfig, DepthConfig, TransformerConfig
from voiceagent.model.decoder import Decoder

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

CODEBOOKS, CARDINALITY, TEXTS, CONTEXT, LAYERS, DEPTH_LAYERS = 4, 31, 47, 20, 3, 2
STEPS = 70  # the context is 20: the ring wraps three times
CONFIG = DecoderConfig(
    text_cardinality=TEXTS,
    initial_text=TEXTS,
    agent=CodeSpace(CODEBOOKS, CARDINALITY),
    user=CodeSpace(CODEBOOKS, CARDINALITY),
    agent_delays=(0, 1, 1, 1),
    user_delays=(0, 1, 1, 1),
    initial_agent_codes=(CARDINALITY,) * CODEBOOKS,
    initial_user_codes=(CARDINALITY,) * CODEBOOKS,
    context=CONTEXT,
    temporal=TransformerConfig(width=64, layers=LAYERS, heads=4, hidden=176),
    depth=DepthConfig(
        transformer=TransformerConfig(
            width=32, layers=DEPTH_LAYERS, heads=2, hidden=64, rope_base=None
        )
    ),
)


@pytest.fixture
def lm(monkeypatch):
    monkeypatch.setenv("NO_TORCH_COMPILE", "1")
    return pytest.importorskip("moshi.models.lm", reason="needs moshi: run 'make peers'")


@pytest.fixture
def reference(lm):
    """A toy Moshi with weights large enough that every input matters."""
    model = lm.LMModel(
        delays=[0, 0, 1, 1, 1, 0, 1, 1, 1],
        n_q=8,
        dep_q=4,
        card=CARDINALITY,
        text_card=TEXTS,
        dim=64,
        num_heads=4,
        num_layers=LAYERS,
        causal=True,
        hidden_scale=4.125,
        norm="rms_norm_f32",
        gating="silu",
        context=CONTEXT,
        max_period=10_000,
        positional_embedding="rope",
        layer_scale=None,
        depformer_dim=32,
        depformer_num_heads=2,
        depformer_num_layers=DEPTH_LAYERS,
        depformer_dim_feedforward=96,
        depformer_multi_linear=True,
        depformer_weights_per_step=True,
        depformer_pos_emb="none",
        depformer_gating="silu",
        existing_text_padding_id=3,
    ).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "alpha" in name:
                parameter.copy_(1 + 0.2 * noise)
            else:
                parameter.copy_(noise * (0.3 if "emb" in name else 1.2 / noise.shape[-1] ** 0.5))
    return model


def converted(reference) -> Decoder:
    """The same weights under this project's names."""
    theirs = reference.state_dict()

    def layer(source: str, target: str, steps: str, gate: str) -> dict[str, torch.Tensor]:
        def stack(name: str) -> torch.Tensor:
            return torch.stack([theirs[source + name % k] for k in steps])

        return {
            f"{target}.attention_in.weight": stack("self_attn.in_projs.%s.weight"),
            f"{target}.attention_out.weight": stack("self_attn.out_projs.%s.weight"),
            f"{target}.hidden_in.weight": stack(f"gating.{gate}linear_in.weight"),
            f"{target}.hidden_out.weight": stack(f"gating.{gate}linear_out.weight"),
            f"{target}.norm1.weight": theirs[source + "norm1.alpha"].flatten(),
            f"{target}.norm2.weight": theirs[source + "norm2.alpha"].flatten(),
        }

    def books(name: str, codebooks: range) -> list[torch.Tensor]:
        return [theirs[name.format(k)] for k in codebooks]

    all_books = range(CODEBOOKS)
    ours = {
        "text_embedding.weight": theirs["text_emb.weight"],
        "agent_embedding.weight": torch.cat(books("emb.{}.weight", all_books)),
        "user_embedding.weight": torch.cat(books("emb.{}.weight", range(4, 8))),
        "norm.weight": theirs["out_norm.alpha"].flatten(),
        "text_head.weight": theirs["text_linear.weight"],
        "depth.input_weight": torch.stack(books("depformer_in.{}.weight", all_books)),
        "depth.text_embedding": theirs["depformer_text_emb.weight"],
        "depth.code_embedding": torch.stack(books("depformer_emb.{}.weight", range(3))),
        "depth.heads": torch.stack(books("linears.{}.weight", all_books)),
    }
    for i in range(LAYERS):
        ours |= layer(f"transformer.layers.{i}.", f"layers.{i}", "0", "%.0s")
    for i in range(DEPTH_LAYERS):
        ours |= layer(f"depformer.layers.{i}.", f"depth.layers.{i}", "0123", "%s.")
    decoder = Decoder(CONFIG).eval()
    decoder.load_state_dict(ours)
    return decoder


def test_decoder_with_moshis_weights_says_what_moshi_says(lm, reference, monkeypatch):
    decoder, batch = converted(reference), 3
    user = torch.randint(
        CARDINALITY, (batch, STEPS, CODEBOOKS), generator=torch.Generator().manual_seed(2)
    )
    their_logits: list[torch.Tensor] = []
    our_logits: list[torch.Tensor] = []
    text = decoder_module.Sampler.text
    monkeypatch.setattr(
        decoder_module.Sampler, "text", lambda s, x: our_logits.append(x) or text(s, x)
    )
    generator = lm.LMGen(
        reference,
        use_sampling=False,
        on_text_logits_hook=lambda x: their_logits.append(x.flatten(1).clone()),
    )
    state, active = decoder.init_state(batch), torch.ones(batch, dtype=torch.bool)
    theirs, ours, our_text = [], [], []
    with torch.no_grad(), generator.streaming(batch):
        for t in range(STEPS):
            frame = generator.step(user[:, t, :, None])
            output = decoder.step(user[:, t], state, active)
            our_text.append(output.text)
            assert bool(output.valid.all()) == (frame is not None)
            if frame is not None:
                theirs.append(frame[:, :, 0])
                ours.append(output.agent_codes)
    reference_frames = torch.stack(theirs)
    assert torch.equal(reference_frames[:, :, 1:], torch.stack(ours))
    # theirs is held back to lie beside its frame, ours comes as soon as it is known
    assert torch.equal(reference_frames[:, :, 0], torch.stack(our_text)[:-1])
    difference = max(
        float((a - b).abs().max()) for a, b in zip(their_logits, our_logits, strict=True)
    )
    assert difference < 1e-4
    assert len(reference_frames.unique()) > 30
