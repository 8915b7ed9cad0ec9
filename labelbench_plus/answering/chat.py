"""Requests to an OpenAI-compatible chat endpoint: within time and size, with patience, and without showing the key."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 1 << 20
"""Of a reply. Verdicts are short."""
MOST_SHOWN = 300
LONGEST_PAUSE = 60.0
AGAIN = {408, 409, 425, 429}
"""Statuses after which a request may be made again, beside those from 500 on: nothing was computed."""
KEPT_BACK = "[key]"


class EndpointError(Exception):
    """The endpoint gives no answers. The message says what it said, and what would be right; it never holds the key."""


class Unanswered(EndpointError, ConnectionError):
    """The same, as it is busy, broken or out of reach: it may be better another time."""


class NoReply(Exception):
    """A request was made, and no whole reply came: it may be billed.

    Parameters
    ----------
    sent: whether the endpoint can have got the request.
    """

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


class Refused(Exception):
    """The endpoint says that it computed nothing, and that one may come again.

    Parameters
    ----------
    pause: seconds that it asks for.
    """

    def __init__(self, why: str, pause: float) -> None:
        super().__init__(why)
        self.pause = pause


@dataclass(frozen=True)
class Spoken:
    """What came of a request.

    Attributes
    ----------
    text: what the model said; None where the reply is none that one can read.
    raw: the beginning of the reply, where it cannot be read.
    tokens: (in, out) as the endpoint counted; None where it does not say.
    """

    text: str | None
    raw: str = ""
    tokens: tuple[int, int] | None = None


class Endpoint:
    """A chat endpoint.

    Parameters
    ----------
    url: up to and with `/v1`, or whatever stands before `/chat/completions`.
    key: sent with each request; none if empty.
    seconds: that a request may take in all, however slowly its reply drips.
    """

    def __init__(self, url: str, key: str, seconds: float) -> None:
        import httpx

        self._url, self._key, self._seconds = f"{url.rstrip('/')}/chat/completions", key, seconds
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(headers=headers, timeout=seconds)  # which follows no redirect: the key stays here

    def say(self, body: Mapping[str, Any]) -> Spoken:
        """Make one request.

        Raises
        ------
        NoReply, Refused
            It may be made again.
        EndpointError
            It is of no use to.
        """
        import httpx

        start, data = time.monotonic(), b""
        try:
            with self._client.stream("POST", self._url, json=body) as response:
                for chunk in response.iter_bytes():
                    data += chunk
                    if time.monotonic() - start > self._seconds:
                        raise NoReply(f"no whole reply within {self._seconds:g} s", sent=True)
                    if len(data) > MOST_BYTES:
                        return Spoken(None, self._shown(data))
                status, pause = response.status_code, response.headers.get("retry-after", "")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NoReply(f"no connection: {error}", sent=False) from error
        except httpx.HTTPError as error:
            raise NoReply(f"no whole reply: {type(error).__name__}", sent=True) from error
        if status == 200:
            return self._read(data)
        said = f"status {status}: {self._shown(data)}"
        if status in AGAIN or status >= 500:
            raise Refused(said, float(pause) if pause.isdigit() else 0.0)
        advice = {401: "; is the key right?", 403: "; may the key do this?", 404: "; are url and model right?"}
        raise EndpointError(f"{self._url}: {said}{advice.get(status, '')}")

    def _read(self, data: bytes) -> Spoken:
        try:
            said = json.loads(data)
            usage = said.get("usage") or {}
            tokens = _tokens(usage.get("prompt_tokens"), usage.get("completion_tokens"))
            text = said["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return Spoken(None, self._shown(data))
        if not isinstance(text, str):
            return Spoken(None, self._shown(data), tokens)
        return Spoken(self._without_key(text), "", tokens)

    def _shown(self, data: bytes) -> str:
        text = self._without_key(data.decode(errors="replace"))  # before it is cut: half a key is one too
        return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, KEPT_BACK) if self._key else text


def _tokens(sent: Any, received: Any) -> tuple[int, int] | None:
    if type(sent) is not int or type(received) is not int or min(sent, received) < 0:
        return None
    return sent, received
