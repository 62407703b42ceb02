"""An hour of one call: 45,000 steps of a small decoder, its context full for all but the first.

Does the memory stay, does the step keep its time, does a pinned prompt still matter? All tokens are
given, so that what the prompt says can only reach a later step through its keys. `bench_capacity`
calls `measure`; alone it prints its own table. Not measured here: the codec, and anything said.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from harness import finish, make_parser, print_card, print_table, start
from tqdm import tqdm

from voiceagent.model.decoder import Decoder
from voiceagent.model.moshi_config import moshi_config
from voiceagent.testing.random_moshi import TINY_MOSHI, random_decoder

STEPS = 45_000
PROMPT_STEPS = 12
#: Pinned, with another prompt token; and the same two without a pin.
SLOTS, PINNED_SLOTS = 4, (0, 1)


def measure(decoder: Decoder, steps: int = STEPS, seed: int = 0) -> dict[str, Any]:
    """Step four slots that hear the same, two of them with one other token in the prompt.

    Args:
        decoder: its context must be far below `steps`.
        steps: of each slot.
        seed: of what is heard and said.

    Returns:
        Times of early (context just full) and late steps, growth of memory since the context is
        full, and how far apart the logits of each pair are at the last step.
    """
    config = decoder.config
    generator = torch.Generator().manual_seed(seed)
    heard = torch.randint(
        config.user.cardinality, (steps, config.user.codebooks), generator=generator
    )
    said = torch.randint(
        config.agent.cardinality, (steps, config.agent.codebooks), generator=generator
    )
    text = torch.randint(config.text_cardinality, (steps,), generator=generator)
    state, active = decoder.init_state(SLOTS), torch.ones(SLOTS, dtype=torch.bool)
    settled, times_us, state_bytes, rss_kib = 2 * config.ring_steps, [], state.num_bytes(), 0
    for t in tqdm(range(steps), desc="steps", leave=False):
        if t == PROMPT_STEPS:
            state.pin(PINNED_SLOTS, PROMPT_STEPS)
        if t == settled:
            rss_kib = _rss_kib()
        texts = text[t].repeat(SLOTS)
        if t == 1:
            texts[1::2] = (texts[1::2] + 1) % config.text_cardinality
        begin_ns = time.perf_counter_ns()
        output = decoder.step(
            heard[t].expand(SLOTS, -1),
            state,
            active,
            forced_text=texts,
            forced_agent_codes=said[t].expand(SLOTS, -1),
        )
        times_us.append((time.perf_counter_ns() - begin_ns) / 1000)
    window = min(2000, (steps - settled) // 2)
    early, late = times_us[settled : settled + window], times_us[-window:]
    return {
        "steps": steps,
        "context": config.context,
        "early_p50_us": round(float(np.percentile(early, 50))),
        "early_p99_us": round(float(np.percentile(early, 99))),
        "late_p50_us": round(float(np.percentile(late, 50))),
        "late_p99_us": round(float(np.percentile(late, 99))),
        "state_bytes": state_bytes,
        "state_grown_bytes": state.num_bytes() - state_bytes,
        "rss_grown_kib": _rss_kib() - rss_kib,
        "logits_apart_pinned": float((output.logits[0] - output.logits[1]).abs().max()),
        "logits_apart_unpinned": float((output.logits[2] - output.logits[3]).abs().max()),
    }


def small_decoder() -> Decoder:
    """A Moshi of random weights with a context of 250 steps."""
    sizes = {**TINY_MOSHI, "context": 250, "num_layers": 2, "depformer_num_layers": 1}
    return random_decoder(moshi_config(sizes, "small").decoder)


def _rss_kib() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def main() -> None:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"(default: {STEPS}, an hour)")
    options = parser.parse_args()
    start(options)
    decoder = small_decoder()
    print_card(
        "an hour of one call",
        {
            "steps": f"{options.steps}, 80 ms each",
            "expected": "no growth of memory or time; > 1e-3 between pinned prompts, 0 without",
        },
    )
    found = measure(decoder, options.steps)
    print_table(["what", "found"], [[key, value] for key, value in found.items()])
    finish("capacity_hour", {"steps": options.steps}, found, options)


if __name__ == "__main__":
    main()
