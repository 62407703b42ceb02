"""What is written beside a trained model: its card, its figures and its curves."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from voiceagent_codec.files import whole_file

from voiceagent import __version__
from voiceagent.scenes.domain import agent_sentences, in_domain_turns, vocabulary
from voiceagent.training.curves import draw
from voiceagent.training.export import folder_bytes
from voiceagent.training.workspace import Workspace

_STAGES = ("semantic", "ear", "voice", "decoder")
_DATA = {
    "speech": "sentences with phones",
    "voice_data": "the agent's voice",
    "dialogues": "calls",
}
_SPEECH = """\
Synthetic speech only, made while training: espeak-ng, flite (without its voice kal), and the voice
hibari, stretched into other people; the agent speaks as hibari itself. {hours}. No recording of a
person, but for those that OpenAI trained Whisper on: the ear began with the encoder of its tiny.en.
"""
_WIDTH = 98
_LIMITS = "## What it cannot do\n"

_CARD = """\
# Model card: nano

A closed-domain demonstration of a full-duplex voice agent: it hears and speaks at the same time, in
steps of 80 ms, on one CPU thread. It is no assistant: it answers {questions} questions, and
refuses everything else.

## How it was made

{origin}

## Data

{data}

## Sizes

{megabytes:.1f} MB of weights (int8 matrices): semantic encoder and voice {codec_mb:.1f} MB, decoder
{decoder_mb:.1f} MB; {words} words, {sentences} sentences of its own.

## Figures of this run

{figures}

## What it cannot do

Anything outside the domain; other languages; names that are not in its list; sums above twenty. Day
and time come from the server, not from the weights. Nothing here was measured with people.

## Licence of Whisper

MIT License. Copyright (c) 2022 OpenAI

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM,
DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT
OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def write(workspace: Workspace, folder: Path, figures: dict[str, Any]) -> None:
    """Write card and figures into the model's folder, and the curves beside it.

    Args:
        workspace: of the run.
        folder: of the model.
        figures: of `evaluate`.
    """
    run = workspace.read_json("run")
    curves = {name: workspace.read_json(f"curves/{name}", []) for name in _STAGES}
    hours = {name: _hours(workspace, name) for name in _DATA}
    last = {name: curve[-1] for name, curve in curves.items() if curve}
    everything = {"run": run, "hours": hours, "training": last, "held_out_calls": figures}
    text = _CARD.format(
        origin=_origin(run),
        questions=len(in_domain_turns()),
        data=_data(hours, run, last),
        megabytes=folder_bytes(folder) / 1e6,
        codec_mb=(folder / "codec.safetensors").stat().st_size / 1e6,
        decoder_mb=(folder / "decoder.safetensors").stat().st_size / 1e6,
        words=len(vocabulary()),
        sentences=len(agent_sentences()),
        figures=_listed(figures),
    )
    for name, content in (
        ("README.md", text),
        ("figures.json", json.dumps(everything, indent=1) + "\n"),
        ("curves.svg", draw(curves)),
    ):
        with whole_file(folder / name) as partial:
            partial.write_text(content, encoding="utf-8")


def with_section(text: str, title: str, body: str) -> str:
    """Put a section into a card: in place of the one of this title, or before what it cannot do.

    Args:
        text: of the card.
        title: without its sharps.
        body: Markdown.
    """
    section = f"## {title}\n\n{body.strip()}\n\n"
    head, found, rest = text.partition(f"## {title}\n")
    if found:
        _, next_sharps, rest = rest.partition("\n## ")
        return head + section + (f"## {rest}" if next_sharps else "")
    head, limits, rest = text.partition(_LIMITS)
    return f"{head.rstrip()}\n\n{section}{limits}{rest}"


def _origin(run: dict[str, Any]) -> str:
    """How the model was made, as a paragraph."""
    began = "from nothing, by `voiceagent train nano`"
    if "from" in run:
        taught = "its ear and its conversation more, and keeps its voice"
        if run["teach"] == "ear":
            taught = "its ear more, by what its decoder makes of calls, and keeps all else"
        if run["teach"] == "conversation":
            taught = "its conversation more, and keeps ear and voice"
        if run["teach"] == "voice":
            taught = "its voice more, and keeps all else"
        began = (
            f"by `voiceagent train nano --from MODEL --teach {run['teach']}`, which teaches a "
            f"model {taught}; that model's sha256 begin {run['from']}"
        )
    return textwrap.fill(
        f"Voiceagent {__version__}, {run['budget_s'] / 60:.0f} minutes with {run['workers']} "
        f"processes, seed {run['seed']}: {began}.",
        _WIDTH,
    )


def _data(hours: dict[str, float], run: dict[str, Any], last: dict[str, Any]) -> str:
    """What the run learnt from; an ear alone learns from calls that are not kept."""
    made = ", ".join(
        f"{hours[name]:.1f} h of {what}" for name, what in _DATA.items() if hours[name]
    )
    if "ear" in last:
        steps = last["ear"]["steps"]
        made = f"{steps} batches of calls, made meanwhile, in crowds out of {hours['speech']:.1f} h"
    if "from" in run:
        made += ", beside what the model before was taught with"
    return textwrap.fill(_SPEECH.format(hours=made), _WIDTH)


def _listed(figures: dict[str, Any]) -> str:
    return "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in figures.items())


def _hours(workspace: Workspace, folder: str) -> float:
    """Length of what a stage made: sound by its samples, calls by their frames."""
    total_s = 0.0
    for name in workspace.shards(folder):
        arrays = workspace.read_arrays(name)
        total_s += arrays["text"].size * 0.08 if "text" in arrays else len(arrays["pcm"]) / 24_000
    return round(total_s / 3600, 3)
