"""Runs the reference server, `moshi.server` of moshi 0.2.13, with tiny random weights on the CPU.

    .venv/bin/python tests/golden/moshi_protocol/serve_moshi.py FOLDER PORT

FOLDER is filled with the weights. Nothing of the server is changed but its wait for a GPU that is
not there.
"""

import json
import os
import runpy
import sys
from pathlib import Path

os.environ["NO_TORCH_COMPILE"] = "1"

import torch
from moshi.models import loaders

from voiceagent.testing.random_moshi import TINY_MIMI, TINY_MOSHI, write_random_moshi

SEED = 1


def reference_mimi():
    """The tiny codec's sizes, with every key that the reference wants."""
    width = TINY_MIMI["seanet"]["dimension"]
    derived = {
        "quantizer": {"n_q": TINY_MOSHI["dep_q"], "input_dimension": width},
        "transformer": {"d_model": width, "input_dimension": width, "output_dimensions": [width]},
    }
    derived["quantizer"]["output_dimension"] = width
    parts = {
        name: loaders._mimi_config[name] | TINY_MIMI[name] | derived.get(name, {})
        for name in ("seanet", "quantizer", "transformer")
    }
    return loaders._mimi_config | parts


def write_folder(folder):
    """Weights and configs; returns the server's arguments that name them."""
    write_random_moshi(folder, TINY_MOSHI, seed=SEED)
    (folder / "mimi.json").write_text(json.dumps(reference_mimi()))
    # a plain name would be looked for on a hub
    config = TINY_MOSHI | {"mimi_config_name": f"file://{folder / 'mimi.json'}"}
    (folder / "config.json").write_text(json.dumps(config))
    return (
        *("--config-path", str(folder / "config.json")),
        *("--moshi-weight", str(folder / loaders.MOSHI_NAME)),
        *("--mimi-weight", str(folder / loaders.MIMI_NAME)),
        *("--tokenizer", str(folder / loaders.TEXT_TOKENIZER_NAME)),
    )


def main(folder, port):
    files = write_folder(Path(folder))
    torch.set_num_threads(1)
    torch.cuda.synchronize = lambda: None
    address = ("--host", "127.0.0.1", "--port", port)
    sys.argv = ["moshi.server", *address, "--device", "cpu", "--static", "none", *files]
    runpy.run_module("moshi.server", run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
