"""The closed domain that the embedded agent was trained on: what callers say, what it answers.

An answer is a function of the caller's words and nothing else; what is not in the domain gets one
polite refusal. The wording is the training wording: another word here is a word the embedded model
has never heard. Pure text: no audio, no timing.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from voiceagent.scenes.out_of_domain import sample_out_of_domain
from voiceagent.scenes.seeds import pick

REFUSAL = "sorry i can not help with that yet"
BACKCHANNELS = ("uh huh", "yeah", "okay", "mm")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NAMES = tuple(
    "anna ben carla david emma frank grace henry julia kevin laura maria nina oscar paul rosa sam "
    "tina victor".split()
)
_NUMBERS = tuple(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen".split()
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

ADDITIONS = (
    "what is {} plus {}",
    "add {} and {}",
    "how much is {} plus {}",
    "{} plus {}",
    "what is {} plus {} please",
)
OPENING_QUESTIONS = (
    "when do you open on {}",
    "are you open on {}",
    "what are your hours on {}",
    "what about {}",
)
INTRODUCTIONS = ("my name is {}", "i am {}", "this is {}")

# intent -> what the caller may say, and the one answer
_FIXED = {
    "greet": (
        ("hello", "hi", "hi there", "good morning", "hello there", "hey"),
        "hello how can i help you",
    ),
    "thanks": (
        ("thank you", "thanks", "thank you very much", "thanks a lot"),
        "you are welcome",
    ),
    "bye": (("goodbye", "bye", "bye bye", "see you later"), "goodbye have a nice day"),
    "how": (("how are you", "how are you today"), "i am fine thank you"),
    "yes": (("can you hear me", "are you there"), "yes i can hear you"),
    "help": (
        ("what can you do", "help", "can you help me"),
        "i can add numbers and tell you our opening hours",
    ),
}
# 24-hour clock; a day that is missing is closed
_OPENING_HOURS = dict.fromkeys(DAYS[:5], (9, 17)) | {"saturday": (10, 14)}

IN_DOMAIN_INTENTS = ("greet", "add", "open", "name", "thanks", "bye", "how", "yes", "help")
INTENTS = (*IN_DOMAIN_INTENTS, "ood")
# how often each is drawn: sums and opening hours have the most to learn
_DRAWS = ("greet", *["add"] * 4, *["open"] * 2, "name", "thanks", "bye", "how", "yes", "help")


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing a caller says and what the agent answers: lower-case words, no punctuation."""

    intent: str
    user_text: str
    agent_text: str


def number_words(number: int) -> str:
    """Return a whole number from 0 to 99 in words, such as ``"forty two"``.

    Raises:
        ValueError: the number lies outside.
    """
    if not 0 <= number <= 99:
        raise ValueError(f"number: expected 0 to 99, got {number}")
    if number < 20:
        return _NUMBERS[number]
    tens = _TENS[number // 10 - 2]
    return tens if number % 10 == 0 else f"{tens} {_NUMBERS[number % 10]}"


def sample_turn(rng: np.random.Generator, intent: str | None = None) -> Turn:
    """Draw a turn.

    Args:
        rng: where the draws come from.
        intent: one of `INTENTS`; None draws one, sums most often, "ood" in 2 of 15.

    Raises:
        ValueError: there is no such intent.
    """
    intent = pick(rng, (*_DRAWS, "ood", "ood")) if intent is None else intent
    if intent == "add":
        a, b = int(rng.integers(10)), int(rng.integers(10))
        return _addition(pick(rng, ADDITIONS), a, b)
    if intent == "open":
        return _opening(pick(rng, OPENING_QUESTIONS), pick(rng, DAYS))
    if intent == "name":
        return _introduction(pick(rng, INTRODUCTIONS), pick(rng, NAMES))
    if intent == "ood":
        return Turn(intent, sample_out_of_domain(rng), REFUSAL)
    if intent not in _FIXED:
        raise ValueError(f"intent: expected one of {', '.join(INTENTS)}, got {intent!r}")
    texts, answer = _FIXED[intent]
    return Turn(intent, pick(rng, texts), answer)


def sample_in_domain_turn(rng: np.random.Generator) -> Turn:
    """Draw a turn that the agent can answer, intents as often as in `sample_turn`."""
    return sample_turn(rng, pick(rng, _DRAWS))


@functools.cache
def in_domain_turns() -> tuple[Turn, ...]:
    """Return every turn of the domain, each user text once."""
    return tuple({turn.user_text: turn for turn in _every_turn()}.values())


def turn_for(user_text: str) -> Turn:
    """Return the turn of something a caller says; what is not in the domain is refused."""
    return _by_user_text().get(user_text) or Turn("ood", user_text, REFUSAL)


@functools.cache
def vocabulary() -> tuple[str, ...]:
    """Return every word of the domain in order: callers', agent's and backchannels."""
    texts = [text for turn in in_domain_turns() for text in (turn.user_text, turn.agent_text)]
    return tuple(
        sorted({word for text in (*texts, REFUSAL, *BACKCHANNELS) for word in text.split()})
    )


@functools.cache
def agent_sentences() -> tuple[str, ...]:
    """Return every sentence the agent can say, in order."""
    return tuple(sorted({turn.agent_text for turn in in_domain_turns()} | {REFUSAL}))


@functools.cache
def _by_user_text() -> dict[str, Turn]:
    return {turn.user_text: turn for turn in in_domain_turns()}


def _every_turn() -> Iterator[Turn]:
    for intent, (texts, answer) in _FIXED.items():
        yield from (Turn(intent, text, answer) for text in texts)
    yield from (_addition(t, a, b) for t in ADDITIONS for a in range(10) for b in range(10))
    yield from (_opening(t, day) for t in OPENING_QUESTIONS for day in DAYS)
    yield from (_introduction(t, name) for t in INTRODUCTIONS for name in NAMES)


def _addition(template: str, a: int, b: int) -> Turn:
    left, right = number_words(a), number_words(b)
    return Turn(
        "add", template.format(left, right), f"{left} plus {right} is {number_words(a + b)}"
    )


def _opening(template: str, day: str) -> Turn:
    if day not in _OPENING_HOURS:
        return Turn("open", template.format(day), f"sorry we are closed on {day}")
    opens, closes = _OPENING_HOURS[day]
    hours = f"from {number_words(opens)} to {number_words(closes - 12)}"
    return Turn("open", template.format(day), f"on {day} we are open {hours}")


def _introduction(template: str, name: str) -> Turn:
    return Turn("name", template.format(name), f"nice to meet you {name}")
