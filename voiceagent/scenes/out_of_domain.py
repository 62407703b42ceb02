"""Sentences that callers say and the embedded agent does not know: it refuses them.

Three kinds are drawn: templates of everyday requests, near misses made of the domain's own words,
and words of a large lexicon in random order. `HELD_OUT_SENTENCES` share no template with them and
are for evaluation only. Besides, what a caller says to somebody else, what is heard from afar, and
what comes before a question.
"""

from __future__ import annotations

import functools

import numpy as np

from voiceagent.scenes.out_of_domain_words import (
    NEAR_MISSES,
    NEAR_WORDS,
    PEOPLE,
    PLACES,
    TEMPLATES,
    THINGS,
)
from voiceagent.scenes.seeds import pick

HELD_OUT_SENTENCES = tuple(
    "who won the game last night,please switch off the radio,i need a plumber right away,"
    "how deep is the ocean,can i pay by credit card,book me a table at eight,"
    "what should i wear tomorrow,my computer does not start,read me the headlines,"
    "is there a pharmacy nearby,how do you say cheese in french,when does the movie begin,"
    "the cat is sleeping on the sofa,i forgot where i parked,could you lend me ten dollars,"
    "what is the square root of nine,do you have this shirt in blue,"
    "take me to the nearest hospital,why did the chicken cross the road,"
    "send flowers to my wife".split(",")
)
SIDE_TALK = tuple(
    "no not now i am on the phone,put it on the table please,could you close the door,"
    "just leave it over there,dinner is in the oven,be quiet for a moment children,"
    "yes i will be right with you,take the dog outside please,your keys are in the kitchen,"
    "ask your sister about it".split(",")
)
BACKGROUND_SPEECH = tuple(
    "and now a look at the weather for the weekend,he told me that he would call back later,"
    "the next train leaves from the other platform,we had dinner with the neighbours last night,"
    "the minister said there would be no new taxes,they painted the whole house in one afternoon,"
    "she moved to the city a few years ago,the second half begins in front of a full stadium".split(
        ","
    )
)
#: Said before a question, without wanting an answer yet.
PREAMBLES = tuple(
    "so i was wondering,let me think,i have a question for you,okay so here is the thing,"
    "i am thinking about coming by next week,there is something i would like to ask,"
    "my daughter and i are doing her homework,we were just talking about it,"
    "i am not sure how to put this,well it is like this,before i forget,"
    "i am planning my week at the moment,a friend told me about you".split(",")
)
# the rest are words in random order
_TEMPLATE_SHARE, _NEAR_SHARE = 0.45, 0.35


def sample_out_of_domain(rng: np.random.Generator) -> str:
    """Draw a sentence outside the domain.

    From a template, a near miss, or three to seven words of a lexicon in random order. The
    held-out sentences are never drawn.
    """
    kind = rng.random()
    if kind < _TEMPLATE_SHARE:
        return _filled(pick(rng, TEMPLATES), rng)
    if kind < _TEMPLATE_SHARE + _NEAR_SHARE:
        return _filled(pick(rng, NEAR_MISSES), rng)
    return " ".join(pick(rng, lexicon()) for _ in range(int(rng.integers(3, 8))))


@functools.cache
def lexicon() -> tuple[str, ...]:
    """Return the words of all lists here, for speech that covers many sounds.

    A vocabulary of everyday English; no word twice.
    """
    lists = (*THINGS, *PEOPLE, *PLACES, *TEMPLATES, *SIDE_TALK, *BACKGROUND_SPEECH, *PREAMBLES)
    words = {word for word in " ".join(lists).split() if "{" not in word}
    return tuple(sorted(words))


def _filled(template: str, rng: np.random.Generator) -> str:
    lists = {"a": THINGS, "b": THINGS, "w": PEOPLE, "p": PLACES, **NEAR_WORDS}
    return template.format(**{slot: pick(rng, items) for slot, items in lists.items()})
