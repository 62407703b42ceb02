"""Sentences that callers say and the embedded agent does not know: it refuses them.

Templates are for training and everyday scenes; `HELD_OUT_SENTENCES` share no template with them and
are for evaluation only. Besides, what a caller says to somebody else and what is heard from afar.
"""

from __future__ import annotations

import functools

import numpy as np

from voiceagent.scenes.seeds import pick

_THINGS = tuple(
    "the weather,a pizza,the capital of france,a fast car,the train station,my dog,a good book,"
    "the next bus,your favorite color,the best movie,a cup of coffee,the moon,a hotel room,"
    "the price of gold,my bank account,a football game,the president,a new phone,the answer,a joke,"
    "a song,an umbrella,the airport,a doctor,my flight,the news,a restaurant,"
    "the population of china,the highest mountain,an elephant,a recipe for soup,the traffic,"
    "my package,the internet,a washing machine,the garden,a haircut,the meaning of life,a loan,"
    "the museum,some music,a taxi,the stock market,a chicken sandwich,the kitchen light,"
    "my password,the history of rome,an email,the alarm,some milk".split(",")
)
_PEOPLE = (
    "mister brown",
    "doctor white",
    "my uncle",
    "the boss",
    "elizabeth",
    "jonathan",
    "alexander",
)
_TEMPLATES = tuple(
    "tell me about {a},can you find {a},where is {a},how far is {a},what is {a},who made {a},"
    "i want to buy {a},please order {a} for me,do you like {a},how much does {a} cost,play {a},"
    "turn on {a},can you book {a},i would like to talk about {a} and {b},why is {a} so big,"
    "show me {a},when was {a} invented,what do you think of {a},i lost {a} yesterday,"
    "could you explain {a} to me,is {a} better than {b},how do i cook {a},what color is {a},"
    "send {a} to my mother,remind me about {a},i need help with {a},how old is {a},"
    "what happened to {a},have you seen {a},give me {a} now,set a reminder for {a} tomorrow,"
    "does {a} come with {b},my brother has {a},how do you spell {w},where does {w} live,who is {w},"
    "call {w} please,is it going to rain today,how tall are you,what is your name,"
    "where are you from,tell me a story,sing a song,what day is it today,what time is it,"
    "how many people live in london,i am hungry,translate this into spanish,"
    "the quick brown fox jumps over the lazy dog,it was a very long day".split(",")
)
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
_TEMPLATE_SHARE = 0.75  # the rest are words in random order


def sample_out_of_domain(rng: np.random.Generator) -> str:
    """Draw a sentence outside the domain: from a template, or three to seven words in random order.

    The held-out sentences are never drawn.
    """
    if rng.random() >= _TEMPLATE_SHARE:
        order = rng.permutation(len(_words()))[: int(rng.integers(3, 8))]
        return " ".join(_words()[i] for i in order)
    a, b, person = pick(rng, _THINGS), pick(rng, _THINGS), pick(rng, _PEOPLE)
    return pick(rng, _TEMPLATES).format(a=a, b=b, w=person)


@functools.cache
def _words() -> tuple[str, ...]:
    text = " ".join((*_THINGS, *_PEOPLE, *_TEMPLATES, *SIDE_TALK, *BACKGROUND_SPEECH))
    return tuple(sorted({word for word in text.split() if "{" not in word}))
