"""The table of a model card: the newest of each figure of bench_nano, and what was wanted of it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voiceagent.training.card import with_section

TITLE = "Measured"
# a figure of words outlives a run that taught the voice alone
_OLDER = "A figure is of the commit that measured it last; see `benchmarks/README.md`. "
_CARD, _FIGURES = "README.md", "figures.json"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    Attributes:
        label: what was measured.
        place: where its value lies in the results: figure, condition, name.
        count: the name beside it of how many there were.
        least: what is wanted at least, or None.
        most: what is wanted at most, or None.
    """

    label: str
    place: tuple[str, ...]
    count: str = "n"
    least: float | None = None
    most: float | None = None

    def cells(self, results: dict[str, Any]) -> tuple[str, ...]:
        """Label, n, value with its interval, what was wanted, and whether it came."""
        row: Any = results
        for key in self.place[:-1]:
            row = row.get(key, {})
        name = self.place[-1]
        value, wanted = _number(row, name), self._wanted()
        if value is None:
            return (self.label, "", "not measured", wanted, "")
        interval = row.get(_interval_name(name))
        shown = f"{value:g}" + ("" if interval is None else " ({:g} to {:g})".format(*interval))
        return (self.label, f"{row.get(self.count, '')}", shown, wanted, self._verdict(value))

    def _wanted(self) -> str:
        if self.least is not None:
            return f"at least {self.least:g}"
        return "" if self.most is None else f"at most {self.most:g}"

    def _verdict(self, value: float) -> str:
        if self.least is None and self.most is None:
            return ""
        is_met = value >= self.least if self.least is not None else value <= (self.most or 0)
        return "yes" if is_met else "**no**"


LINES = (
    Line("turns right, held-out calls", ("calls", "in_domain_exact"), "in_domain", least=0.97),
    Line("transcript of those calls, WER", ("calls", "user_wer"), "user_words", most=0.05),
    Line("first word, p50 ms", ("calls", "first_word_ms.p50"), "num_first_word", most=300),
    Line("first word, p90 ms", ("calls", "first_word_ms.p90"), "num_first_word", most=400),
    Line("answer right: Kokoro", ("voices", "kokoro", "exact"), least=0.97),
    Line("answer right: Piper joe", ("voices", "piper:joe", "exact"), least=0.97),
    Line("human prompts: digits", ("voices", "human:allison", "digits"), "num_digits", least=0.95),
    Line("human prompts: pairs", ("voices", "human:allison", "pairs"), "num_pairs", least=0.9),
    Line("answer right: flite kal", ("voices", "flite:kal", "exact"), least=0.95),
    Line("answer right: kal x1.15", ("voices", "flite:kal x1.15", "exact"), least=0.95),
    Line("answer right: kal x.87", ("voices", "flite:kal x0.87", "exact"), least=0.95),
    *(
        Line(f"answer right: {name}", ("conditions", name, "exact"), least=least)
        for name, least in (
            ("white noise 20 dB", 0.98),
            ("white noise 10 dB", 0.95),
            ("white noise 5 dB", 0.9),
            ("babble 10 dB", 0.85),
            ("room", 0.95),
            ("G.711", 0.97),
        )
    ),
    Line("time from the server's clock", ("facts", "time", "exact")),
    Line("day from the server's clock", ("facts", "day", "exact")),
    Line("refused: new and near misses", ("outside", "new and near misses", "exact"), least=0.95),
    Line("refused: human prompts", ("outside", "human prompts", "exact"), least=0.9),
    Line("refused by mistake", ("voices", "all", "refused"), most=0.01),
    *(
        Line(f"agent's words in minutes of {name}", ("nothing", name, "words"), "minutes", most=0)
        for name in ("noise", "music", "silence")
    ),
    *(
        Line(f"right when forced {ms} ms late", ("holds", f"{ms} ms, forced", "exact"), least=0.97)
        for ms in (480, 960, 1920)
    ),
    Line("answer right, minute 1 of a call", ("age", "minute 1", "exact")),
    Line("answer right, minute 10 of a call", ("age", "minute 10", "exact")),
    *(
        Line(f"sentence finished: {label}", ("overlaps", name, "finished"), least=least)
        for label, name, least in (
            ("talk to others", "talk_to_others", 0.8),
            ("background speech", "background_speech", 0.8),
            ("own echo at -12 dB", "own_echo", 0.8),
            ("backchannel", "backchannel", 0.97),
        )
    ),
    Line(
        "interruption to silence, p50 ms", ("overlaps", "interruption", "silent_ms.p50"), most=320
    ),
    Line(
        "interruption to silence, p90 ms", ("overlaps", "interruption", "silent_ms.p90"), most=400
    ),
    Line("cut off in a pause of .3 to .8 s", ("pauses", "cut_off"), most=0.03),
    Line("agent's answers, Whisper word accuracy", ("sound", "word_accuracy"), least=0.985),
    Line("codec, STOI", ("codec", "stoi"), least=0.92),
    Line("codec, PESQ", ("codec", "pesq"), least=1.6),
    Line("step, p50 against the model before", ("step", "ratio"), "steps", most=1.0),
)


def newest(file: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The newest of each figure of the table, and the documents that hold one of these."""
    documents = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    shown = {line.place[0] for line in LINES}
    source = {
        name: document for document in documents for name in document["results"] if name in shown
    }
    results = {name: document["results"][name] for name, document in source.items()}
    return results, [document for document in documents if document in source.values()]


def table(results: dict[str, Any], documents: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    document, commits = documents[-1], dict.fromkeys(one["commit"] for one in documents)
    head = ("figure", "n", "measured (95 %)", "wanted", "met")
    rows = [head, ("---",) * len(head), *(line.cells(results) for line in LINES)]
    missed = sum(row[-1] == "**no**" for row in rows)
    intro = (
        f"Free running, held-out seeds, voices never trained on, by `benchmarks/bench_nano.py` at "
        f"{', '.join(commits)}, {document['date'][:10]}, seed {document['config']['seed']}; "
        f"the judge of sound is {document['config']['judge']}. {_OLDER}"
        f"{missed or 'None'} of the figures miss{'es' if missed == 1 else ''} what was wanted."
    )
    return "\n".join([intro, "", *(f"| {' | '.join(row)} |" for row in rows)])


def write_card(folder: Path, file: Path) -> None:
    """Put the table into a model's card, and all results beside its other figures."""
    card, figures = folder / _CARD, folder / _FIGURES
    for path in (file, card, figures):
        if not path.is_file():
            sys.exit(f"bench_nano: {path}: no such file")
    results, documents = newest(file)
    text = with_section(card.read_text(encoding="utf-8"), TITLE, table(results, documents))
    card.write_text(text, encoding="utf-8")
    everything = json.loads(figures.read_text(encoding="utf-8")) | {"measured": results}
    figures.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {len(results)} figures into {card}")


def _number(row: dict[str, Any], name: str) -> float | None:
    """A value; "silent_ms.p50" is one of several under a name."""
    for key in name.split("."):
        row = (row or {}).get(key)  # type: ignore[assignment]
    return row  # type: ignore[return-value]


def _interval_name(name: str) -> str:
    return f"{name.replace('_ms.', '_')}_95"
