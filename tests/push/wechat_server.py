"""WeChat as we know it: tokens that end, template messages to followers, subscription messages by "allow"; faults.

And what it tells of its own accord, encrypted or not, written from its description alone.
"""

import hashlib
import json
import os
import struct
import threading
import time
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.push.standing import standing

APPID, SECRET = "wx0123456789abcdef", "secret of the account"
LONGEST_THING = 20
TOKEN = "typed into the account's settings"
ENCODING_AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


class Wechat(ThreadingHTTPServer):
    """Keeps what it shows. ``answer`` may say something else than the rules would; None hangs up without a word."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.followers: set[str] = set()
        self.allowed: Counter[tuple[str, str]] = Counter()  # (openid, template) -> how many
        self.templates: dict[str, set[str]] = {}  # its fields
        self.token = "token-0"
        self.tokens: list[bool] = []  # asked for, by force or not
        self.shown: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.lasts = 7200
        self.answer: Callable[[str, dict[str, Any]], dict[str, Any] | int | None] = lambda _path, _body: {}
        self.lock = threading.Lock()
        self._numbers = count(1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def end_token(self) -> None:
        """As WeChat does when it is forced from elsewhere, or the time is over."""
        with self.lock:
            self.token = f"token-{next(self._numbers)}"

    def give_token(self, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            self.tokens.append(body["force_refresh"])
        if (body["appid"], body["secret"]) != (APPID, SECRET):
            return {"errcode": 40125, "errmsg": "invalid appsecret"}
        if body["force_refresh"]:
            self.end_token()
        return {"access_token": self.token, "expires_in": self.lasts}

    def show(self, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        """Decide as WeChat does, in its order."""
        with self.lock:
            if token != self.token:
                return {"errcode": 40001, "errmsg": "invalid credential"}
            if body["template_id"] not in self.templates:
                return {"errcode": 40037, "errmsg": "invalid template_id"}
            if body["data"].keys() != self.templates[body["template_id"]] or not all(map(fits, body["data"].items())):
                return {"errcode": 47003, "errmsg": "argument invalid"}
            if path.endswith("template/send"):
                refusal = self._to_follower(body)
            else:
                refusal = self._to_whom_allows(body)
            if refusal:
                return refusal
            number = next(self._numbers)
            self.shown.append(body)
        return {"errcode": 0, "errmsg": "ok", "msgid": number}

    def _to_follower(self, body: dict[str, Any]) -> dict[str, Any] | None:
        if body["touser"] not in self.followers:
            return {"errcode": 43004, "errmsg": "require subscribe"}
        same = [shown for shown in self.shown if shown.get("client_msg_id") == body["client_msg_id"]]
        return {"errcode": 0, "errmsg": "ok", "msgid": 0} if same else None

    def _to_whom_allows(self, body: dict[str, Any]) -> dict[str, Any] | None:
        place = (body["touser"], body["template_id"])
        if not self.allowed[place]:
            return {"errcode": 43101, "errmsg": "user refuse to accept the msg"}
        self.allowed[place] -= 1
        return None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the play."""


def fits(field: tuple[str, dict[str, str]]) -> bool:
    name, value = field[0], field[1]["value"]
    return bool(value) and not (name.startswith("thing") and len(value) > LONGEST_THING)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Wechat

    def do_POST(self) -> None:
        asked = urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.calls.append(asked.path)
        planned = self.server.answer(asked.path, body)
        if planned is None:
            self.close_connection = True
            return self.connection.close()
        if isinstance(planned, int):
            return self._reply(planned, {})
        if planned:
            return self._reply(200, planned)
        if asked.path == "/cgi-bin/stable_token":
            return self._reply(200, self.server.give_token(body))
        return self._reply(200, self.server.show(asked.path, body, parse_qs(asked.query)["access_token"][0]))

    def _reply(self, status: int, said: dict[str, Any]) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; encoding=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def wechat() -> Iterator[Wechat]:
    with standing(Wechat()) as server:
        yield server


def filled(plain: bytes, block: int = 32) -> bytes:
    """PKCS#7: as many bytes as are missing to whole blocks, at least one, each saying how many they are."""
    missing = block - len(plain) % block
    return plain + bytes([missing]) * missing


def chained(plain: bytes, encoding_aes_key: str = ENCODING_AES_KEY) -> str:
    """Whole blocks of 16 bytes, each mixed with what became of the one before, the first with the key's beginning."""
    key = b64decode(encoding_aes_key + "=")
    each = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # the chain is made here, by hand
    done = [key[:16]]
    for start in range(0, len(plain), 16):
        block = plain[start : start + 16]
        done.append(each.update(bytes(a ^ b for a, b in zip(block, done[-1], strict=True))))
    return b64encode(b"".join(done[1:])).decode()


def full_text(message: str, *, appid: str = APPID, length: int | None = None) -> bytes:
    """Random bytes, the message's length in the order of networks, the message, the account."""
    told = message.encode()
    return os.urandom(16) + struct.pack(">I", len(told) if length is None else length) + told + appid.encode()


def signature(*told: str, token: str = TOKEN) -> str:
    return hashlib.sha1("".join(sorted([token, *told])).encode(), usedforsecurity=False).hexdigest()


def asked(encrypted: str = "", *, token: str = TOKEN, age: int = 0, nonce: str = "1320562132") -> dict[str, str]:
    """What stands behind the address that WeChat calls."""
    stamp = str(int(time.time()) - age)
    said = {"signature": signature(stamp, nonce, token=token), "timestamp": stamp, "nonce": nonce}
    if not encrypted:
        return said
    return said | {"encrypt_type": "aes", "msg_signature": signature(stamp, nonce, encrypted, token=token)}


def envelope(encrypted: str, beside: str = "") -> str:
    """The body of a call in 安全模式; ``beside`` is what also stands there in 兼容模式."""
    return f"<xml><ToUserName><![CDATA[gh_1]]></ToUserName>{beside}<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
