"""A language model that is asked for verdicts, at any URL that speaks OpenAI's chat completions.

Asked with a seed, a bounded number of times; what it is and was asked with is written beside every
verdict. Its key is taken from the environment by the command line and goes nowhere but into the
header. Not here: what is asked (`prompts`) and of which recordings (`verdicts`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from voiceagent.bench.prompts import Prompt
from voiceagent.errors import BenchError, ConfigError

#: The variable that holds the key; other people's variables would send their keys anywhere.
KEY_VARIABLE = "VOICEAGENT_JUDGE_KEY"
MOST_TRIES = 4
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0
_TOO_MANY, _SERVER_ERROR = 429, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeConfig:
    """Who judges.

    Attributes:
        url: up to and without "/chat/completions", such as "http://localhost:8000/v1".
        model: as the server calls it.
        key: sent as a bearer token; empty for none.
        seed: added to the official one.
        timeout_s: of one answer.
    """

    url: str
    model: str
    key: str = ""
    seed: int = 0
    timeout_s: float = 120.0

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: the URL is none, or there is no model.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"--judge: {self.url!r} is no URL such as http://localhost:8000/v1 of a server "
                "that speaks OpenAI's chat completions"
            )
        if not self.model:
            raise ConfigError("--judge needs --judge-model, the model's name on that server")

    @property
    def facts(self) -> dict[str, Any]:
        """What is written beside a verdict; never the key."""
        return {"judge": self.model, "url": self.url, "seed": self.seed}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge made of a question.

    Attributes:
        value: as the prompt parses it; None where no reply held one.
        reply: the last, as it came.
        tries: how many it took.
    """

    value: Any
    reply: str
    tries: int


class Judge:
    """See the module's docstring. Next: `ask`, as often as you like, then `close`."""

    def __init__(self, config: JudgeConfig, sleep: Callable[[float], object] = time.sleep) -> None:
        """Open no connection yet.

        Raises:
            ConfigError: httpx is not installed.
        """
        try:
            import httpx
        except ImportError as error:
            raise ConfigError("a judge needs httpx: pip install 'voiceagent[bench]'") from error
        self.config, self._sleep, self._httpx = config, sleep, httpx
        headers = {"Authorization": f"Bearer {config.key}"} if config.key else {}
        self._client = httpx.Client(headers=headers, timeout=config.timeout_s)

    def ask(self, prompt: Prompt, user: str) -> Verdict:
        """Ask until a reply holds a verdict, each time with the next seed.

        Raises:
            BenchError: the server cannot be reached, refuses, or goes on failing.
        """
        reply = ""
        for attempt in range(MOST_TRIES):
            reply = self._reply(prompt.system, user, self.config.seed + prompt.seed + attempt)
            value = prompt.parse(reply)
            if value is not None:
                return Verdict(value, reply, attempt + 1)
        return Verdict(None, reply, MOST_TRIES)

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _reply(self, system: str, user: str, seed: int) -> str:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        body = {"model": self.config.model, "messages": messages, "seed": seed}
        for attempt in range(MOST_TRIES):
            reason, wait_s = "", min(_FIRST_WAIT_S * 2**attempt, _LONGEST_WAIT_S)
            try:
                answer = self._client.post(
                    f"{self.config.url.rstrip('/')}/chat/completions", json=body
                )
            except self._httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
            else:
                if answer.is_success:
                    return self._content(answer)
                reason = f"status {answer.status_code}: {answer.text[:200].strip()}"
                if answer.status_code != _TOO_MANY and answer.status_code < _SERVER_ERROR:
                    raise self._error(reason)
                wait_s = _asked_wait_s(answer.headers.get("Retry-After"), wait_s)
            if attempt + 1 < MOST_TRIES:
                self._sleep(wait_s)
        raise self._error(f"{MOST_TRIES} times in a row: {reason}")

    def _content(self, answer: Any) -> str:
        try:
            content = answer.json()["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError) as error:
            raise self._error(f"its answer is no chat completion: {answer.text[:200]!r}") from error
        return content if isinstance(content, str) else ""

    def _error(self, reason: str) -> BenchError:
        return BenchError(f"judge {self.config.model} at {self.config.url}: {reason}")


def _asked_wait_s(header: str | None, otherwise_s: float) -> float:
    """What the server asks for, in bounds; a date is not looked at."""
    is_seconds = header is not None and header.strip().isdecimal()
    return min(float(header), _LONGEST_WAIT_S) if is_seconds and header else otherwise_s
