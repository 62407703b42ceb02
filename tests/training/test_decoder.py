import pytest
import torch

from voiceagent.training.calls import agent_silence
from voiceagent.training.decoder import DecoderTask, decoder_sizes
from voiceagent.training.vocabulary import PAD, tokens

STEPS = 40


@pytest.fixture(scope="module")
def setup():
    from voiceagent_codec.nano import NanoCodec, NanoCodecConfig

    torch.manual_seed(0)
    codec = NanoCodec(
        NanoCodecConfig(code_width=8, encoder_widths=(8, 8, 12, 12), decoder_widths=(12, 12, 8, 8)),
        with_agent_encoder=True,
    ).eval()
    codec.measure_silence()
    sizes = decoder_sizes(codec, tuple(int(code) for code in agent_silence(codec)))
    generator = torch.Generator().manual_seed(1)
    text = torch.full((8, STEPS), PAD)
    text[:, 10:14] = torch.tensor([1, 20, 21, 22])
    agent = torch.tensor(sizes.initial_agent_codes).expand(8, STEPS, 8).clone()
    agent[:, 11:16] = torch.randint(256, (8, 5, 8), generator=generator)
    streams = {
        "text": text.to(torch.int16),
        "user_text": text.roll(-6, 1).to(torch.int16),
        "user": torch.randint(256, (8, STEPS, 4), generator=generator).to(torch.uint8),
        "agent": agent.to(torch.uint8),
    }
    return DecoderTask(sizes, codec.semantic.quantizer.codebooks, streams, 2, 1)


@pytest.fixture
def batch(setup):
    return {name: stream[:2].long() for name, stream in setup.calls.items()}


def test_sizes_are_those_of_the_codec_and_the_vocabulary(setup):
    assert setup.config.text_cardinality == setup.config.initial_text == len(tokens())
    assert not setup.config.feed_agent_codes
    assert setup.config.context == 250


def test_depth_steps_are_where_the_agent_speaks_and_a_few_more(setup, batch, generator):
    at = setup._depth_steps(batch["agent"], generator)
    assert at[:, 11:16].all()
    assert at.sum() < 20


@pytest.mark.slow
def test_loss_falls(setup, generator):
    optimiser = torch.optim.AdamW(setup.module.parameters(), 1.5e-3)
    losses = []
    for _ in range(6):
        loss, _ = setup.loss(0.5, generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_near_user_codes_begin_with_near_embeddings(setup):
    rows = setup.config.user_rows
    table = setup.module.user_embedding.weight[:rows].detach()
    assert table.norm(dim=1).std() > 0
    assert setup.module.user_embedding.weight.abs().max() < 3


def test_evaluate_has_shares_of_right_words_and_codes(setup):
    figures = setup.evaluate()
    for name in ("agent_words", "starts", "user_words", "first_codes", "codes"):
        assert 0 <= figures[name] <= 1


def test_calls_that_are_made_meanwhile_are_learnt_from_too(setup, generator, monkeypatch):
    monkeypatch.setattr(setup, "calls", dict(setup.calls))
    new = {name: stream[:1] for name, stream in setup.calls.items()}
    before, answers = len(setup.calls["text"]), [new, None, None]
    monkeypatch.setattr(setup, "more", lambda: answers.pop(0))
    monkeypatch.setattr(setup, "steps", 99)
    setup._look_for_more()
    assert len(setup.calls["text"]) == before + 1
    setup._look_for_more()
    assert len(answers) == 2  # asked every hundredth step only


def test_a_decoder_to_go_on_from_is_begun_with_and_learns_slower(setup):
    streams = {name: torch.cat((setup.held_out[name], setup.calls[name])) for name in setup.calls}
    task = DecoderTask(setup.config, torch.zeros(4, 256, 8), streams, 2, 9, start=setup.module)
    for name, tensor in task.module.state_dict().items():
        assert torch.equal(tensor, setup.module.state_dict()[name])
    assert task.learning_rate < setup.learning_rate
