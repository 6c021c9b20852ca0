"""WeChat's template messages, for followers of the chain's account, and subscription messages, one for each "allow".

Both go to the same server with the same access token. The token is the "stable" one: whoever asks gets the token that
is valid, so that several workers need not share it; it is made anew by force only when WeChat refuses the one it gives.
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import timedelta
from time import monotonic
from typing import Any

import aiohttp

from push.channels import (
    Filled,
    Handed,
    MayHaveGoneError,
    Message,
    NotAllowedError,
    PermanentError,
    RetryError,
    UnansweredError,
)
from push.channels.gateway import is_reference
from push.models import PushChannel

WECHAT_URL = "https://api.weixin.qq.com"
TIMEOUT = 10.0  # seconds
PARALLEL = 16
TOKEN_PATH = "/cgi-bin/stable_token"
PATHS = {
    PushChannel.WECHAT_TEMPLATE: "/cgi-bin/message/template/send",
    PushChannel.WECHAT_SUBSCRIPTION: "/cgi-bin/message/subscribe/bizsend",
}
KEPT_SECONDS = 5.0  # WeChat hangs up first otherwise, and then nobody knows whether the message went
EARLIER = 300  # seconds before its end a new token is fetched; both are good meanwhile
FORCED_EVERY = 60  # seconds; WeChat forces nothing within 30, and twenty times a day at most

DROPS_WITHIN = timedelta(minutes=10)  # a second template message with the same client_msg_id

TOKEN_IS_BAD = {40001, 40014, 41001, 42001}
NOBODY_THERE = {40003, 43004}  # no such user, or one who does not follow the account
REFUSED = 43101  # the member allows no message of this template
LATER = {
    -1: None,  # busy
    45009: timedelta(hours=1),  # the day's calls are used up
    45011: timedelta(minutes=1),  # too many a minute
    45047: timedelta(hours=1),
}
# They speak of our account, not of this message: somebody has to set it right.
SET_UP = {40013, 40125, 40164, 48001, 48004, 50001, 50002, 61004, 61024}

# How long the text of a field may be, by what its name begins with. Longer, WeChat refuses the message.
LONGEST = {
    "thing": 20,
    "short_thing": 5,
    "character_string": 32,
    "phrase": 5,
    "letter": 32,
    "symbol": 5,
    "const": 20,
    "car_number": 8,
    "name": 20,
}
KIND = re.compile(r"([a-z_]+?)_?\d*$")
NOTHING = "-"  # an empty field is refused too


class WechatChannel:
    """One of the two ways into WeChat, with a session and a token of its own, on the loop of the thread that sends."""

    def __init__(
        self,
        kind: PushChannel,
        appid: str,
        secret: str,
        *,
        url: str = WECHAT_URL,
        timeout: float = TIMEOUT,
        parallel: int = PARALLEL,
    ) -> None:
        self.parallel = parallel
        self._kind = kind
        self._appid = appid
        self._secret = secret
        self._url = url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None
        self._token, self._token_until, self._forced_at = "", 0.0, -float(FORCED_EVERY)
        self._asking: asyncio.Lock | None = None

    async def send(self, message: Message) -> Handed:
        if message.template is None:
            raise PermanentError("wechat: no template")
        body = self._body(message, message.template)
        token = await self._valid_token()
        answer = await self._hand_over(body, token)
        if answer.get("errcode", 0) in TOKEN_IS_BAD:
            answer = await self._hand_over(body, await self._another_token(token))
        _check(answer)
        reference = str(answer.get("msgid", ""))
        return Handed(ref=reference if is_reference(reference) else None)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _body(self, message: Message, template: Filled) -> dict[str, Any]:
        body = {
            "touser": message.to,
            "template_id": template.code,
            "data": {name: {"value": fitted(name, text)} for name, text in template.fields.items()},
        }
        if self._kind == PushChannel.WECHAT_TEMPLATE:
            return body | {"url": message.url, "client_msg_id": message.key}  # a repeat within ten minutes is dropped
        return body | {"page": message.url}

    async def _hand_over(self, body: Mapping[str, Any], token: str) -> dict[str, Any]:
        try:
            return await self._post(PATHS[self._kind], body, token=token)
        except UnansweredError as problem:
            if self._kind == PushChannel.WECHAT_TEMPLATE:
                problem.drops_within = DROPS_WITHIN
                raise
            # A repeat would not be dropped: rather once too few than twice.
            raise MayHaveGoneError(str(problem)) from None

    async def _valid_token(self) -> str:
        if monotonic() < self._token_until:
            return self._token
        async with self._turn():
            if monotonic() >= self._token_until:
                await self._fetch_token(by_force=False)
            return self._token

    async def _another_token(self, refused: str) -> str:
        """A token besides the one that was refused: what WeChat gives by now, or one made by force, now and then."""
        async with self._turn():
            if self._token == refused:
                await self._fetch_token(by_force=False)
            if self._token == refused:
                if monotonic() - self._forced_at < FORCED_EVERY:
                    raise RetryError("wechat: token refused", timedelta(seconds=FORCED_EVERY))
                self._forced_at = monotonic()
                await self._fetch_token(by_force=True)
            return self._token

    async def _fetch_token(self, *, by_force: bool) -> None:
        asked = {
            "grant_type": "client_credential",
            "appid": self._appid,
            "secret": self._secret,
            "force_refresh": by_force,
        }
        try:
            answer = await self._post(TOKEN_PATH, asked)
        except UnansweredError as problem:  # nothing went out yet
            raise RetryError(str(problem)) from None
        token, lasts = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not isinstance(lasts, int):
            code = answer.get("errcode")
            raise RetryError(f"wechat token {code}", LATER.get(code) if isinstance(code, int) else None)
        self._token, self._token_until = token, monotonic() + max(lasts - EARLIER, 30)

    def _turn(self) -> asyncio.Lock:
        if self._asking is None:
            self._asking = asyncio.Lock()
        return self._asking

    async def _post(self, path: str, body: Mapping[str, Any], *, token: str = "") -> dict[str, Any]:
        session = self._session or self._open()
        try:
            question = {"access_token": token} if token else None
            async with session.post(self._url + path, json=body, params=question, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise RetryError(f"wechat http {answer.status}")
                said = await answer.json(content_type=None)
        except aiohttp.ClientConnectorError as problem:
            raise RetryError(f"wechat: {type(problem).__name__}") from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            raise UnansweredError(f"wechat: {type(problem).__name__}") from None
        if not isinstance(said, dict) or not isinstance(said.get("errcode", 0), int):
            raise UnansweredError("wechat: no sense in the answer")
        return said

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=self.parallel, ttl_dns_cache=60, keepalive_timeout=KEPT_SECONDS)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self._session


def _check(answer: Mapping[str, Any]) -> None:
    """Raise what WeChat's error code means."""
    code = answer.get("errcode", 0)
    if code == 0:
        return
    words = f"wechat {code}"
    if code in TOKEN_IS_BAD:
        raise RetryError(words, timedelta(seconds=FORCED_EVERY))
    if code in LATER:
        raise RetryError(words, LATER[code])
    if code in SET_UP:
        raise RetryError(words)
    if code == REFUSED:
        raise NotAllowedError(words)
    raise PermanentError(words, address_is_dead=code in NOBODY_THERE)


def fitted(name: str, text: str) -> str:
    """A text as WeChat takes it in the field of this name."""
    kind = found[1] if (found := KIND.match(name)) else ""
    said = " ".join(text.split()) or NOTHING
    if kind in ("number", "amount"):
        return said.replace(",", "")
    longest = LONGEST.get(kind)
    return said if longest is None or len(said) <= longest else said[: longest - 1] + "…"
