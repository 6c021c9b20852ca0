"""The mailbox to which mail servers report what they could not deliver, read by IMAP now and then."""

import imaplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from core.clock import utc_now
from core.db import transaction
from push.channels.bouncing import take_report

TIMEOUT = 20  # seconds
MOST_AT_ONCE = 200  # mails in one go
PROBLEMS = (imaplib.IMAP4.error, OSError)


def read_bounces(url: str, secret_key: str = "") -> int:
    """Read what is new in ``imaps://user:password@host/FOLDER``; how many mails were read.

    A mail is marked as seen once what it tells is written down: one that is read twice tells nothing new. Raises
    OSError and imaplib.IMAP4.error while the mailbox is away.
    """
    count = 0
    with _opened(url) as box:
        for number in _unseen(box)[:MOST_AT_ONCE]:
            raw = _fetched(box, number)
            with transaction():
                take_report(raw, now=utc_now(), secret_key=secret_key)
            box.uid("STORE", number, "+FLAGS", r"(\Seen)")
            count += 1
    return count


@contextmanager
def _opened(url: str) -> Iterator[imaplib.IMAP4]:
    address = urlsplit(url)
    host, folder = address.hostname or "localhost", unquote(address.path.strip("/")) or "INBOX"
    if address.scheme == "imaps":
        box: imaplib.IMAP4 = imaplib.IMAP4_SSL(
            host, address.port or 993, ssl_context=ssl.create_default_context(), timeout=TIMEOUT
        )
    else:
        box = imaplib.IMAP4(host, address.port or 143, timeout=TIMEOUT)
    try:
        box.login(unquote(address.username or ""), unquote(address.password or ""))
        if box.select(f'"{folder}"')[0] != "OK":
            raise imaplib.IMAP4.error("no such folder")
        yield box
    finally:
        try:
            box.logout()
        except PROBLEMS:
            box.shutdown()


def _unseen(box: imaplib.IMAP4) -> list[str]:
    answer, found = box.uid("SEARCH", "UNSEEN")
    if answer != "OK":
        raise imaplib.IMAP4.error("search refused")
    return (found[0] or b"").decode().split()


def _fetched(box: imaplib.IMAP4, number: str) -> bytes:
    _answer, parts = box.uid("FETCH", number, "(BODY.PEEK[])")
    return next((part[1] for part in parts if isinstance(part, tuple)), b"")
