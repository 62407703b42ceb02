"""The closed domain of the embedded agent: what callers say, and what it answers.

An answer is a function of the caller's words, with two exceptions that only `dialogue` draws: a
repetition needs the answer before it, and day and time come from outside. What is not in the domain
gets one polite refusal. The wording is the training wording: another word here is a word the
embedded model has never heard. Pure text: no audio, no timing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from voiceagent.scenes.out_of_domain import sample_out_of_domain
from voiceagent.scenes.seeds import pick
from voiceagent.scenes.small_talk import FIXED
from voiceagent.serving.facts import (
    ASK,
    DAY,
    DAYS,
    TIME,
    day_words,
    every_answer,
    number_words,
    time_words,
)

REFUSAL = "sorry i can not help with that yet"
NOTHING_SAID = "i have not said anything yet"
BACKCHANNELS = ("uh huh", "yeah", "okay", "mm")
AGENT_BACKCHANNEL = "mm hm"
NAMES = tuple(
    "anna ben carla daniel david emma frank grace henry jack julia karen kevin laura lisa maria "
    "martin nina oliver oscar paul peter robert rosa sam sarah simon sophie susan thomas tina "
    "victor".split()
)
#: Sums and differences stay between zero and this.
HIGHEST = 20
# of the sums drawn, those of small numbers, which callers try first
_SMALL_SHARE, _SMALL = 0.6, 10

ADDITIONS = (
    "what is {} plus {}",
    "add {} and {}",
    "how much is {} plus {}",
    "{} plus {}",
    "what is {} plus {} please",
    "can you add {} and {}",
)
SUBTRACTIONS = (
    "what is {} minus {}",
    "how much is {} minus {}",
    "{} minus {}",
    "what is {} minus {} please",
)
OPENING_QUESTIONS = (
    "when do you open on {}",
    "are you open on {}",
    "what are your hours on {}",
    "what about {}",
    "when do you close on {}",
    "and on {}",
)
INTRODUCTIONS = ("my name is {}", "i am {}", "this is {}")
SPELLINGS = ("can you spell {}", "how do you spell {}", "spell {} please")
REPEATS = ("repeat that", "can you repeat that", "say that again please", "what did you say")
TIME_QUESTIONS = ("what time is it", "do you know the time", "can you tell me the time")
DAY_QUESTIONS = ("what day is it", "what day is it today", "which day is today")

# 24-hour clock; a day that is missing is closed
_OPENING_HOURS = dict.fromkeys(DAYS[:5], (9, 17)) | {"saturday": (10, 14)}

#: What the agent asks somebody else for before it goes on, by intent.
REQUESTS = {"ood": ASK, "time": TIME, "day": DAY}

IN_DOMAIN_INTENTS = ("add", "subtract", "open", "name", "spell", "repeat", *FIXED)
#: Answered with what somebody else knows.
FACT_INTENTS = ("time", "day")
INTENTS = (*IN_DOMAIN_INTENTS, *FACT_INTENTS, "ood")
# how often each is drawn: sums and opening hours have the most to learn
_DRAWS = (*["add"] * 10, *["subtract"] * 6, *["open"] * 6, *["name"] * 3, *["spell"] * 2, *FIXED)
# what depends on more than the words
_DRAWS_OUTSIDE = (*["ood"] * 10, *FACT_INTENTS, *["repeat"] * 2)


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing a caller says and what the agent answers: lower-case words, no punctuation.

    A capital on its own is the name of a letter.
    """

    intent: str
    user_text: str
    agent_text: str

    @property
    def request(self) -> str | None:
        """The token with which the agent's answer begins; see `REQUESTS`."""
        return REQUESTS.get(self.intent)


def sample_turn(rng: np.random.Generator, intent: str | None = None) -> Turn:
    """Draw a turn.

    Args:
        rng: where the draws come from.
        intent: one of `INTENTS`; None draws one, sums most often, "ood" in every sixth.

    Raises:
        ValueError: there is no such intent.
    """
    intent = pick(rng, (*_DRAWS, *_DRAWS_OUTSIDE)) if intent is None else intent
    if intent in FIXED:
        texts, answer = FIXED[intent]
        return Turn(intent, pick(rng, texts), answer)
    if intent not in _SAMPLERS:
        raise ValueError(f"intent: expected one of {', '.join(INTENTS)}, got {intent!r}")
    return _SAMPLERS[intent](rng)


def sample_in_domain_turn(rng: np.random.Generator) -> Turn:
    """Draw a turn that the agent can answer by itself, intents as often as in `sample_turn`."""
    return sample_turn(rng, pick(rng, _DRAWS))


@functools.cache
def in_domain_turns() -> tuple[Turn, ...]:
    """Return every turn of the domain, each user text once; a repetition has nothing to repeat."""
    return tuple({turn.user_text: turn for turn in _every_turn()}.values())


def turn_for(user_text: str) -> Turn:
    """Return the turn of something a caller says; what is not in the domain is refused.

    Of the answer to a question for day or time only what stands before the fact.
    """
    return _by_user_text().get(user_text) or Turn("ood", user_text, REFUSAL)


@functools.cache
def vocabulary() -> tuple[str, ...]:
    """Return every word of the domain in order: callers', agent's and backchannels."""
    asked = (turn.user_text for turn in (*in_domain_turns(), *_fact_turns()))
    texts = (*asked, *agent_sentences(), *BACKCHANNELS, AGENT_BACKCHANNEL)
    return tuple(sorted({word for text in texts for word in text.split()}))


@functools.cache
def agent_sentences() -> tuple[str, ...]:
    """Return every sentence the agent can say, in order, with every day and every time."""
    answers = {turn.agent_text for turn in in_domain_turns()}
    return tuple(sorted(answers.union(every_answer(TIME), every_answer(DAY), {REFUSAL})))


def _sum_turn(rng: np.random.Generator) -> Turn:
    highest = _SMALL if rng.random() < _SMALL_SHARE else HIGHEST
    total = int(rng.integers(HIGHEST + 1))
    a, b = int(rng.integers(highest + 1)), int(rng.integers(highest + 1))
    if a + b > HIGHEST:
        a = int(rng.integers(total + 1))
        b = total - a
    return _addition(pick(rng, ADDITIONS), a, b)


def _difference_turn(rng: np.random.Generator) -> Turn:
    highest = _SMALL if rng.random() < _SMALL_SHARE else HIGHEST
    b, a = sorted(int(n) for n in rng.integers(highest + 1, size=2))
    return _subtraction(pick(rng, SUBTRACTIONS), a, b)


def _time_turn(rng: np.random.Generator) -> Turn:
    answer = time_words(int(rng.integers(24)), int(rng.integers(60)))
    return Turn("time", pick(rng, TIME_QUESTIONS), answer)


_SAMPLERS: dict[str, Callable[[np.random.Generator], Turn]] = {
    "add": _sum_turn,
    "subtract": _difference_turn,
    "open": lambda rng: _opening(pick(rng, OPENING_QUESTIONS), pick(rng, DAYS)),
    "name": lambda rng: _introduction(pick(rng, INTRODUCTIONS), pick(rng, NAMES)),
    "spell": lambda rng: _spelling(pick(rng, SPELLINGS), pick(rng, NAMES)),
    "repeat": lambda rng: Turn("repeat", pick(rng, REPEATS), NOTHING_SAID),
    "time": _time_turn,
    "day": lambda rng: Turn("day", pick(rng, DAY_QUESTIONS), day_words(pick(rng, DAYS))),
    "ood": lambda rng: Turn("ood", sample_out_of_domain(rng), REFUSAL),
}


@functools.cache
def _by_user_text() -> dict[str, Turn]:
    return {turn.user_text: turn for turn in (*_fact_turns(), *in_domain_turns())}


def _fact_turns() -> tuple[Turn, ...]:
    times = tuple(Turn("time", text, "it is") for text in TIME_QUESTIONS)
    return times + tuple(Turn("day", text, "today is") for text in DAY_QUESTIONS)


def _every_turn() -> Iterator[Turn]:
    for intent, (texts, answer) in FIXED.items():
        yield from (Turn(intent, text, answer) for text in texts)
    yield from (Turn("repeat", text, NOTHING_SAID) for text in REPEATS)
    for a in range(HIGHEST + 1):
        yield from (_addition(t, a, b) for t in ADDITIONS for b in range(HIGHEST + 1 - a))
        yield from (_subtraction(t, a, b) for t in SUBTRACTIONS for b in range(a + 1))
    yield from (_opening(t, day) for t in OPENING_QUESTIONS for day in DAYS)
    yield from (_introduction(t, name) for t in INTRODUCTIONS for name in NAMES)
    yield from (_spelling(t, name) for t in SPELLINGS for name in NAMES)


def _addition(template: str, a: int, b: int) -> Turn:
    left, right = number_words(a), number_words(b)
    answer = f"{left} plus {right} is {number_words(a + b)}"
    return Turn("add", template.format(left, right), answer)


def _subtraction(template: str, a: int, b: int) -> Turn:
    left, right = number_words(a), number_words(b)
    answer = f"{left} minus {right} is {number_words(a - b)}"
    return Turn("subtract", template.format(left, right), answer)


def _opening(template: str, day: str) -> Turn:
    if day not in _OPENING_HOURS:
        return Turn("open", template.format(day), f"sorry we are closed on {day}")
    opens, closes = _OPENING_HOURS[day]
    hours = f"from {number_words(opens)} to {number_words(closes - 12)}"
    return Turn("open", template.format(day), f"on {day} we are open {hours}")


def _introduction(template: str, name: str) -> Turn:
    return Turn("name", template.format(name), f"nice to meet you {name}")


def _spelling(template: str, name: str) -> Turn:
    letters = " ".join(name.upper())
    return Turn("spell", template.format(name), f"{name} is spelled {letters}")
