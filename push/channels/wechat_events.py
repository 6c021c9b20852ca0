"""What WeChat tells of its own accord: who follows, who taps "allow" or refuses, what became of a message."""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError, XMLParser

from push.channels.receipts import Receipt, ReceiptStatus, take_receipts
from push.channels.wechat_users import answered, follow
from push.models import PushChannel

SOURCE = "wechat event"
FOLLOWING = {"subscribe": True, "unsubscribe": False}
TEMPLATE_SENT = "TEMPLATESENDJOBFINISH"
ALLOWED, CHANGED, SENT = "subscribe_msg_popup_event", "subscribe_msg_change_event", "subscribe_msg_sent_event"


@dataclass(frozen=True)
class WechatEvent:
    """One of them, with its fields by their names; ``items`` are those of its list."""

    kind: str
    openid: str
    created: str
    said: dict[str, str] = field(default_factory=dict)
    items: tuple[dict[str, str], ...] = ()

    @property
    def key(self) -> str:
        """The same when WeChat tells it again, because we did not answer in time."""
        told = repr((self.kind, self.openid, self.created, sorted(self.said.items()), self.items))
        return hashlib.sha256(told.encode()).hexdigest()


class Envelope(NamedTuple):
    """How a call says what it says; in 兼容模式 both ways at once."""

    encrypted: str  # empty: nothing is
    is_plain: bool


def is_signed(token: str, signature: str, *told: str) -> bool:
    """Whether a call is WeChat's: it knows the token that was typed into its settings.

    ``told`` is what the signature covers: time and nonce, and what is encrypted with the signature that is for that.
    """
    signed = "".join(sorted((token, *told))).encode()
    return hmac.compare_digest(hashlib.sha1(signed, usedforsecurity=False).hexdigest().encode(), signature.encode())


def read_envelope(raw: bytes) -> Envelope:
    """How a call says what it says, before it is known whose it is."""
    whole = _parsed(raw)
    if whole is None:
        return Envelope("", is_plain=False)
    return Envelope(whole.findtext("Encrypt", "").strip(), is_plain=whole.find("MsgType") is not None)


def read_event(raw: bytes) -> WechatEvent | None:
    """The event in a call; None for messages that people write, and for what is no event."""
    whole = _parsed(raw)
    if whole is None:
        return None
    said = {part.tag: (part.text or "").strip() for part in whole if len(part) == 0}
    if said.get("MsgType") != "event" or not said.get("FromUserName"):
        return None
    items = tuple({part.tag: (part.text or "").strip() for part in item} for item in whole.iter("List"))
    kind, openid, created = said.pop("Event", ""), said.pop("FromUserName"), said.pop("CreateTime", "")
    return WechatEvent(kind, openid, created, said, items)


def take_event(event: WechatEvent, *, now: datetime) -> None:
    """Act on it. Needs an open transaction; what is of no interest changes nothing."""
    if event.kind in FOLLOWING:
        follow(event.openid, is_following=FOLLOWING[event.kind], now=now)
    elif event.kind in (ALLOWED, CHANGED):
        for item in event.items:
            is_allowed = item.get("SubscribeStatusString") == "accept"
            if is_allowed or event.kind == CHANGED:  # "cancel" in the pop-up takes nothing back
                answered(event.openid, item.get("TemplateId", "")[:80], is_allowed=is_allowed, now=now)
    elif event.kind == TEMPLATE_SENT:
        status = event.said.get("Status", "")
        receipt = _receipt(event.said.get("MsgID", ""), status, is_there=status == "success")
        take_receipts(PushChannel.WECHAT_TEMPLATE, [receipt], source=SOURCE, now=now)
    elif event.kind == SENT:
        take_receipts(PushChannel.WECHAT_SUBSCRIPTION, list(_sent(event)), source=SOURCE, now=now)


def _sent(event: WechatEvent) -> Iterator[Receipt]:
    for item in event.items:
        yield _receipt(item.get("MsgID", ""), item.get("ErrorStatus", ""), is_there=item.get("ErrorCode") == "0")


def _receipt(reference: str, words: str, *, is_there: bool) -> Receipt:
    if is_there:
        return Receipt(ReceiptStatus.DELIVERED, ref=reference)
    return Receipt(ReceiptStatus.FAILED, ref=reference, error=f"wechat: {words[:80]}")


def _parsed(raw: bytes) -> Element | None:
    if b"<!" in raw.replace(b"<![CDATA[", b""):  # no document type, hence no entities
        return None
    parser = XMLParser()
    try:
        parser.feed(raw)
        whole: Element = parser.close()
    except (ParseError, ValueError, LookupError):
        return None
    return whole
