"""The model that a run goes on from, where it does not begin with nothing."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from voiceagent.errors import ConfigError
from voiceagent.model.checkpoint import NANO_FOLDER, OwnFolder, open_model
from voiceagent.training.calls import agent_silence
from voiceagent.training.decoder import decoder_sizes
from voiceagent.training.sizes import CODEC_SIZES, with_transformer
from voiceagent.training.vocabulary import tokens

_WHAT = "name 'nano' or a folder such as nano-training/model"


def open_start(model: str, teach: str = "hearing") -> OwnFolder:
    """Open a model that can be trained further; all of it is read once, for a run to rely on.

    Args:
        model: 'nano' or a folder that `voiceagent train nano` wrote.
        teach: what the run will teach it; one that hears by convolutions must learn that anew.

    Raises:
        ConfigError: it is no such folder, or has another vocabulary or other sizes.
        WeightsError: its weights are missing, damaged or of another config.
    """
    path = NANO_FOLDER if model == "nano" else Path(model)
    if not (path / "config.json").is_file():
        raise ConfigError(f"--from {model}: holds no config.json; {_WHAT}")
    folder = open_model(model)
    if not isinstance(folder, OwnFolder):
        raise ConfigError(f"--from {model}: is no model of `voiceagent train nano`; {_WHAT}")
    if list(folder.vocabulary) != list(tokens()):
        differ = sorted(set(folder.vocabulary) ^ set(tokens()))[:5]
        raise ConfigError(
            f"--from {model}: its vocabulary is another one than this version's "
            f"({', '.join(differ) or 'in another order'}); train without --from"
        )
    codec = folder.load_codec(with_agent_encoder=True)
    if codec.config.hearing_layers == 0:
        if teach != "hearing":
            raise ConfigError(
                f"--from {model}: hears by convolutions, as models before 2026-11-23 did; give it "
                "another ear first, with --teach hearing"
            )
    _compare(model, "codec", with_transformer(codec.config), CODEC_SIZES)
    wanted = decoder_sizes(codec, tuple(int(code) for code in agent_silence(codec)))
    _compare(model, "decoder", folder.decoder, wanted)
    folder.load_decoder()
    return folder


def seed_after(folder: OwnFolder) -> int:
    """Return a seed that this model was most likely not made with: it knows that one's data."""
    both = "".join(sha for _, sha in sorted(folder.sha256.items()))
    return int(hashlib.sha256(both.encode()).hexdigest()[:6], 16)


def _compare(model: str, part: str, found: Any, wanted: Any) -> None:
    for field in dataclasses.fields(wanted):
        has, needs = getattr(found, field.name), getattr(wanted, field.name)
        if has != needs and not field.name.startswith("initial_"):  # that is measured
            raise ConfigError(
                f"--from {model}: its {part}'s {field.name} is {has}, this version's {needs}; "
                "train without --from"
            )
