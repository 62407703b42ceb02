"""What the server knows and the model does not, in the words that the embedded model has learnt.

The model asks by a token of its text stream; `requests` fills the words in. Pure: the moment is an
argument. `scenes.domain` takes its wording from here, so that both say the same.
"""

from __future__ import annotations

import datetime

#: Tokens with which an answer begins that the model cannot know: anything at all, time, day.
ASK, TIME, DAY = "<ask>", "<time>", "<day>"
REQUESTS = (ASK, TIME, DAY)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_NUMBERS = tuple(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen".split()
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def fact(request: str, now: datetime.datetime) -> str | None:
    """Return the whole answer to a request, or None where the server has none.

    Args:
        request: one of `REQUESTS`.
        now: local time of whoever is answered.
    """
    if request == TIME:
        return time_words(now.hour, now.minute)
    return day_words(DAYS[now.weekday()]) if request == DAY else None


def every_answer(request: str) -> tuple[str, ...]:
    """Return all that `fact` can say to a request."""
    if request == TIME:
        return tuple(time_words(hour, minute) for hour in range(12) for minute in range(60))
    return tuple(map(day_words, DAYS)) if request == DAY else ()


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


def time_words(hour: int, minute: int) -> str:
    """Return what the agent says about the time of day, as in ``"it is ten oh five"``."""
    hour_word = number_words(hour % 12 or 12)
    if minute == 0:
        return f"it is {hour_word} o'clock"
    return f"it is {hour_word} {'oh ' if minute < 10 else ''}{number_words(minute)}"


def day_words(day: str) -> str:
    """Return what the agent says about today, as in ``"today is monday"``."""
    return f"today is {day}"
