"""Mimi against the reference: streaming moshi 0.2.13, as golden files and (`make peers`) alive.

A code may differ only where the reference itself all but tied between two centroids, at this level
or an earlier one of the frame. Sound must be the same to 90 dB in every stretch of every stream,
long after the attention window has wrapped.
"""

import dataclasses
import runpy

import pytest
import torch
from safetensors.torch import load_file, save_file
from voiceagent_codec.mimi import load_mimi_codec

CALLS_PER_STRETCH = 55
TIE = 1e-3
#: Before which call which slots start anew, as in `make_mimi.py`.
RESETS = {30: [1], 101: [2], 102: [1, 2]}


def run(codec, case):
    """What the codec makes of the case's calls: codes [B, T, K] and sound [B, T, N]."""
    state = codec.init_state(len(case["pcm"]))
    codes, spoken = [], []
    for call in range(case["pcm"].shape[1]):
        state.reset(RESETS.get(call, []))
        codes.append(codec.encode_step(case["pcm"][:, call, None], state, case["hears"][:, call]))
        said = case["codes"][:, call].long()
        spoken.append(codec.decode_step(said, state, case["speaks"][:, call])[:, 0])
    return torch.stack(codes, 1), torch.stack(spoken, 1)


def unexcused(codes, case):
    """Active codes that differ without a near tie at their own or an earlier level."""
    tied = (case["margins"] < TIE).cummax(-1).values
    differs = (codes != case["codes"]) & case["hears"][..., None]
    return int((differs & ~tied).sum())


def worst_snr_db(spoken, case):
    """The signal-to-noise ratio of the worst stretch of the worst stream."""
    active = case["speaks"][..., None]
    signal = (case["spoken"] * active).square().sum(-1)
    noise = ((spoken - case["spoken"]) * active).square().sum(-1)
    stretches = (len(signal), -1, CALLS_PER_STRETCH)
    ratio = signal.view(stretches).sum(-1) / noise.view(stretches).sum(-1)
    return float(10 * torch.log10(ratio).min())


def check(codec, case):
    codes, spoken = run(codec, case)
    assert unexcused(codes, case) == 0
    assert worst_snr_db(spoken, case) > 90


@pytest.fixture
def case(mimi_golden):
    return load_file(mimi_golden / "case.safetensors")


def test_mimi_hears_and_says_what_moshi_did(tiny_mimi, case):
    check(tiny_mimi, case)


def test_the_case_exercises_the_codes_and_the_window(tiny_config, case):
    heard = case["codes"][case["hears"]]
    assert all(len(codes.unique()) > 25 for codes in heard.t())
    assert case["hears"][0].sum() > 160
    assert 2 * 160 > 7 * tiny_config.context


@pytest.mark.parametrize("context", [39, 41])
def test_another_window_than_moshis_would_show(context, tiny_config, mimi_golden, case):
    config = dataclasses.replace(tiny_config, context=context)
    codes, spoken = run(load_mimi_codec(mimi_golden / "weights.safetensors", config), case)
    assert unexcused(codes, case) > 0
    assert worst_snr_db(spoken, case) < 60


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("context", [40, 41])
def test_mimi_does_what_moshi_does_now(context, tiny_config, mimi_golden, tmp_path, monkeypatch):
    """Another seed, moshi's own names for the tensors, and a ring of an odd length as well."""
    monkeypatch.setenv("NO_TORCH_COMPILE", "1")
    pytest.importorskip("moshi.models.compression", reason="needs moshi: run 'make peers'")
    make = runpy.run_path(str(mimi_golden / "make_mimi.py"))
    model = make["build"](context=context, seed=11)
    save_file(model.state_dict(), tmp_path / "moshi.safetensors")
    config = dataclasses.replace(tiny_config, context=context)
    assert make["RESETS"] == RESETS
    check(load_mimi_codec(tmp_path / "moshi.safetensors", config), make["run"](model, seed=12))
