"""What mail servers send back: reports that a mail could not be delivered (RFC 3464), and complaints (RFC 5965).

A report names the mail by its envelope id, or by the Message-ID that it quotes: both are our message key with its seal.
It changes nothing unless the seal is ours, for keys can be guessed, and it also knows the member's address.
"""

import hmac
import re
from collections.abc import Iterator
from datetime import datetime
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import Message

from push.channels.email import ENHANCED, NOBODY_THERE, SEAL, seal_of
from push.channels.receipts import Receipt, ReceiptStatus, take_receipts
from push.models import PushChannel

KEY = re.compile(rf"(kq-[0-9a-f]{{1,12}}-[0-9]{{1,18}})(?:-([0-9a-f]{{{SEAL}}}))?")
ENCODED = re.compile(r"\+([0-9A-F]{2})")
ADDRESS = re.compile(r"[^\s<>;]+@[^\s<>;]+")
LARGEST = 10 * 1024 * 1024  # bytes; a report is small
SOURCE = "mail complaint"


def take_report(raw: bytes, *, now: datetime, secret_key: str = "") -> int:
    """Note what a mail to the bounce address tells; how many deliveries it was about. Needs an open transaction.

    A mail that is no report, or is about nothing of ours, changes nothing. ``secret_key`` is the one that sealed the
    keys of our mails.
    """
    return take_receipts(PushChannel.EMAIL, read_report(raw, secret_key), source=SOURCE, now=now)


def read_report(raw: bytes, secret_key: str = "") -> list[Receipt]:
    """What a mail says about mails of ours. Delays are no news: the mail may still arrive."""
    if len(raw) > LARGEST:
        return []
    try:
        mail = message_from_bytes(raw, policy=policy.default)
        kind = mail.get_content_type(), str(mail.get_param("report-type") or "").lower()
        if kind == ("multipart/report", "delivery-status"):
            return list(_bounces(mail, secret_key))
        if kind == ("multipart/report", "feedback-report"):
            return list(_complaints(mail, secret_key))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, MessageError):
        return []  # whatever strangers write into a mail: the next one must have its turn
    return []


def _bounces(mail: Message, secret_key: str) -> Iterator[Receipt]:
    status = _part(mail, "message/delivery-status")
    if status is None:
        return
    groups = [group for group in status.get_payload() if isinstance(group, Message)]
    envelope = next((_said(group, "Original-Envelope-Id") for group in groups if "Original-Envelope-Id" in group), "")
    key = _key(_decoded(envelope), secret_key) or _quoted_key(mail, secret_key)
    if not key:
        return
    for group in groups:
        if _said(group, "Action").lower() != "failed":
            continue
        code = found[0] if (found := ENHANCED.search(_said(group, "Status"))) else "?"
        kind = ReceiptStatus.BOUNCED if code in NOBODY_THERE else ReceiptStatus.FAILED
        for address in _addresses(group):
            yield Receipt(kind, message_key=key, address=address, error=f"bounced {code}")


def _complaints(mail: Message, secret_key: str) -> Iterator[Receipt]:
    report, key = _part(mail, "message/feedback-report"), _quoted_key(mail, secret_key)
    if report is None or not key:
        return
    said = next((each for each in report.get_payload() if isinstance(each, Message)), report)
    if _said(said, "Feedback-Type").lower() not in ("", "abuse"):
        return
    quoted = _quoted(mail)
    told = _said(said, "Original-Rcpt-To") or ("" if quoted is None else _said(quoted, "To"))
    if found := ADDRESS.search(told):
        yield Receipt(ReceiptStatus.COMPLAINED, message_key=key, address=found[0])


def _addresses(group: Message) -> set[str]:
    """Whom a report is about: where we sent the mail, and where it ended."""
    told = (_decoded(_said(group, "Original-Recipient")), _said(group, "Final-Recipient"))
    return {found[0] for each in told if (found := ADDRESS.search(each))}


def _quoted_key(mail: Message, secret_key: str) -> str:
    quoted = _quoted(mail)
    if quoted is None:
        return ""
    beside = f"{_said(quoted, 'X-Message-Key')}-{_said(quoted, 'X-Message-Seal')}"
    return _key(beside, secret_key) or _key(_said(quoted, "Message-ID"), secret_key)


def _quoted(mail: Message) -> Message | None:
    """The mail that a report is about, or its headers."""
    whole = _part(mail, "message/rfc822")
    if whole is not None:
        return next((each for each in whole.get_payload() if isinstance(each, Message)), None)
    headers = _part(mail, "text/rfc822-headers")
    if headers is None:
        return None
    written = headers.get_payload(decode=True)
    return message_from_bytes(written, policy=policy.default) if isinstance(written, bytes) else None


def _part(mail: Message, kind: str) -> Message | None:
    return next((part for part in mail.walk() if part.get_content_type() == kind), None)


def _said(part: Message, header: str) -> str:
    return str(part.get(header, "")).strip()


def _key(text: str, secret_key: str) -> str:
    """The message key in a text, if it is sealed by us."""
    found = KEY.search(text)
    if found is None:
        return ""
    return found[1] if hmac.compare_digest(seal_of(found[1], secret_key), found[2] or "") else ""


def _decoded(text: str) -> str:
    """Without the "+2B" that an envelope writes for a plus (RFC 3461)."""
    return ENCODED.sub(lambda found: chr(int(found[1], 16)), text)
