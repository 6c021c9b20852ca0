"""The way out in every message: a signed link that knows the member, the channel and the purpose, and nothing else."""

import hmac
import json
from typing import NamedTuple

from itsdangerous import BadSignature, URLSafeSerializer
from itsdangerous.encoding import base64_encode

from push.models import Purpose
from push.wording.links import ShortLinks

SALT = "push-unsubscribe"
AS_JSON = json.JSONEncoder(separators=(",", ":")).encode


class Way(NamedTuple):
    member_id: int
    channel: str
    purpose: Purpose = Purpose.PROMOTION


class Links:
    """Makes the links that messages carry, on the address members reach."""

    def __init__(self, public_url: str, secret_key: str) -> None:
        self._public_url = public_url.rstrip("/")
        self._key = URLSafeSerializer(secret_key, salt=SALT).make_signer(SALT).derive_key()
        self.short = ShortLinks(public_url, secret_key)

    @property
    def wallet(self) -> str:
        return f"{self._public_url}/wallet/inbox"

    def unsubscribe(self, member_id: int, channel: str, purpose: str = Purpose.PROMOTION) -> str:
        """Promotion goes without saying, so that these links stay short."""
        named = [] if purpose == Purpose.PROMOTION else [str(purpose)]
        return f"{self._public_url}/u/{self._token([member_id, str(channel), *named])}"

    def _token(self, what: list[int | str]) -> str:
        """What ``URLSafeSerializer.dumps`` makes, in a tenth of its time: each message has one."""
        payload = base64_encode(AS_JSON(what))
        return (payload + b"." + base64_encode(hmac.digest(self._key, payload, "sha1"))).decode()


def read_token(token: str, secret_key: str) -> Way | None:
    """Whom, which channel and what kind of message a link means; None when it is not one of ours."""
    try:
        member_id, channel, *named = URLSafeSerializer(secret_key, salt=SALT).loads(token)
        purpose = Purpose(*named) if named else Purpose.PROMOTION
    except (BadSignature, ValueError, TypeError):
        return None
    return Way(int(member_id), str(channel), purpose)
