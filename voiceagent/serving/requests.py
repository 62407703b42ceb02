"""What the model asks somebody else for, and how the answer gets into its text stream.

An answer that the model cannot know begins with a token such as `<time>`. From there on the true
words wait in a queue: at each step the model chooses between silence and a word, as ever, but the
word is the next of the queue. Not here: the arithmetic (`model.sampling.only_word`), and who
answers what the server does not know either (`<ask>` is only reported).

A queue is let go when the model begins another answer (EPAD), when anything else is said, and after
a while without a word: whoever was interrupted must not say the time into the next question. Where
it has been said whole, silence is kept for a moment, since another time might have had more words.
"""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Callable

from voiceagent.errors import ConfigError
from voiceagent.model.config import ROLLBACK_STEPS
from voiceagent.model.tokenizer import Tokenizer
from voiceagent.serving.facts import REQUESTS, every_answer, fact

#: Steps without a word after which the rest is not said any more; spoken words last up to 8.
PATIENCE_STEPS = 25
#: Steps of silence behind the last word: longer than any word that could have followed it.
CLOSING_STEPS = 12


class Requests:
    """The requests that a model knows, and the words of their answers. Next: a `Filling` each."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        pad_id: int,
        now: Callable[[], datetime.datetime],
    ) -> None:
        """Look a model's vocabulary through.

        Args:
            tokenizer: of the model; one without requests has nothing to be filled.
            pad_id: its token of silence.
            now: local time of those who are answered.

        Raises:
            ConfigError: it can ask for a fact whose words it cannot say.
        """
        self.pad_id = pad_id
        self._now = now
        tokens = {name: tokenizer.token(name) for name in REQUESTS}
        self._names = {token: name for name, token in tokens.items() if token is not None}
        answers = [text for name in self._names.values() for text in every_answer(name)]
        self._words: dict[str, int] = {}
        for word in sorted({word for text in answers for word in text.split()}):
            token = tokenizer.token(word)
            if token is None:
                raise ConfigError(f"vocabulary: it asks for facts, but lacks their word {word!r}")
            self._words[word] = token

    def name(self, token: int) -> str | None:
        """Which request a token is, if any."""
        return self._names.get(token)

    def answer(self, request: str) -> list[int]:
        """Tokens of what the server knows now; none where it knows nothing."""
        return [self._words[word] for word in (fact(request, self._now()) or "").split()]


class Filling:
    """The words that one session has still to say. Next: `word` before a step, `said` after it."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._queue: deque[int] = deque()
        self._steps_left = 0  # until the stream is free again
        # both, before each of the last steps
        self._before: deque[tuple[deque[int], int]] = deque(maxlen=ROLLBACK_STEPS)

    @property
    def word(self) -> int | None:
        """The one word that may be said next, PAD for none at all, None where all may."""
        if not self._steps_left:
            return None
        return self._queue[0] if self._queue else self._requests.pad_id

    def said(self, token: int) -> str | None:
        """Take note of what a step said; return the request that it was, if any."""
        self._before.append((self._queue.copy(), self._steps_left))
        request = self._requests.name(token)
        if request is not None:
            self._queue = deque(self._requests.answer(request))
            self._steps_left = PATIENCE_STEPS if self._queue else 0
        elif self._queue and token == self._queue[0]:
            self._queue.popleft()
            self._steps_left = PATIENCE_STEPS if self._queue else CLOSING_STEPS
        elif token == self._requests.pad_id:
            self._steps_left = max(0, self._steps_left - 1)
        else:
            self._steps_left = 0
        if not self._steps_left:
            self.let_go()
        return request

    def take_back(self, steps: int) -> None:
        """Owe what was owed before the last steps, which have never been."""
        for _ in range(min(steps, len(self._before))):
            self._queue, self._steps_left = self._before.pop()

    def let_go(self) -> None:
        """Owe nothing any more: what was said is void, or nobody shall hear the rest."""
        self._queue.clear()
        self._steps_left = 0
