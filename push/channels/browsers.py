"""The browsers that wallets let us wake (RFC 8030): taken in, looked up for a batch, noted when they are gone.

The endpoint is an address that the browser's maker gave out; whoever knows it is that browser. We call it, so only
addresses of known push services are taken.
"""

import base64
import binascii
import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete, select, update

from cards.models import Member
from core.db import db, insert
from core.errors import Invalid
from core.text import Text
from push.channels import Browser
from push.channels.models import WebPushSubscription
from push.channels.vapid import THIS_MACHINE
from push.delivering.facts import Facts
from push.delivering.needs import Needed

LONGEST_ENDPOINT = 1000
MOST_BROWSERS = 8  # of a wallet; a browser that subscribes anew leaves its old address behind
GONE_KEPT = timedelta(days=30)
POINT_BYTES, AUTH_BYTES = 65, 16  # RFC 8291
HOST = re.compile(r"[a-z0-9.-]+")  # another sign would mean another host to another reader of the address


class BrowserInvalid(Invalid):
    """Not a browser's push subscription, or of a push service that is not known."""

    code = "browser_invalid"
    sentence = Text("这个浏览器的通知没有开成。", "Notifications of this browser could not be turned on.")


def check_browser(endpoint: str, p256dh: str, auth: str, *, services: Collection[str]) -> Browser:
    """The subscription as it is kept. Raises BrowserInvalid.

    ``services`` are the hosts of push services; a host below one of them is one too.
    """
    if len(endpoint) > LONGEST_ENDPOINT or not _is_of(endpoint, services):
        raise BrowserInvalid()
    point, secret = _decoded(p256dh), _decoded(auth)
    if len(secret) != AUTH_BYTES or len(point) != POINT_BYTES:
        raise BrowserInvalid()
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        raise BrowserInvalid() from None
    return Browser(endpoint, _encoded(point), _encoded(secret))


def subscribe(wallet_id: int, browser: Browser, *, now: datetime) -> None:
    """The wallet may be told of news in this browser. Needs an open transaction; repeats are harmless.

    A browser that was another wallet's is this one's from now on.
    """
    kept = {"wallet_id": wallet_id, "p256dh": browser.p256dh, "auth": browser.auth, "created_at": now, "gone_at": None}
    db.session.execute(
        insert(WebPushSubscription)
        .values(endpoint=browser.endpoint, **kept)
        .on_conflict_do_update(index_elements=["endpoint"], set_=kept)
    )
    oldest = (
        select(WebPushSubscription.id)
        .where(WebPushSubscription.wallet_id == wallet_id, WebPushSubscription.gone_at.is_(None))
        .order_by(WebPushSubscription.created_at.desc(), WebPushSubscription.id.desc())
        .offset(MOST_BROWSERS)
    )
    db.session.execute(delete(WebPushSubscription).where(WebPushSubscription.id.in_(oldest)))


def unsubscribe(wallet_id: int, endpoint: str) -> None:
    """No more notifications in this browser. Needs an open transaction; repeats are harmless."""
    mine = (WebPushSubscription.wallet_id == wallet_id, WebPushSubscription.endpoint == endpoint)
    db.session.execute(delete(WebPushSubscription).where(*mine))


def renew(old_endpoint: str, old_auth: str, browser: Browser, *, now: datetime) -> bool:
    """The browser was given another address by its push service. Needs an open transaction.

    Whoever knows the old address and its secret is that browser. False when nobody has them.
    """
    wallet_id = db.session.scalar(
        select(WebPushSubscription.wallet_id).where(
            WebPushSubscription.endpoint == old_endpoint,
            WebPushSubscription.auth == old_auth.rstrip("="),
            WebPushSubscription.gone_at.is_(None),
        )
    )
    if wallet_id is None:
        return False
    subscribe(wallet_id, browser, now=now)
    if browser.endpoint != old_endpoint:
        unsubscribe(wallet_id, old_endpoint)
    return True


def browsers_of(member_ids: Collection[int]) -> dict[int, tuple[Browser, ...]]:
    """The browsers of each member, for a batch of messages; who has none is not in it."""
    rows = db.session.execute(
        select(Member.id, WebPushSubscription.endpoint, WebPushSubscription.p256dh, WebPushSubscription.auth)
        .join(WebPushSubscription, WebPushSubscription.wallet_id == Member.wallet_id)
        .where(Member.id.in_(member_ids), WebPushSubscription.gone_at.is_(None))
        .order_by(WebPushSubscription.id)
    )
    found: dict[int, tuple[Browser, ...]] = defaultdict(tuple)
    for member_id, *kept in rows:
        found[member_id] += (Browser(*kept),)
    return dict(found)


def for_web_push(rows: Sequence[Facts], _now: datetime) -> Mapping[int, Needed]:
    """The browsers of each delivery of a batch; one whose member has none left is not in it."""
    found = browsers_of({row.member_id for row in rows})
    return {row.id: Needed(browsers=found[row.member_id]) for row in rows if row.member_id in found}


def endpoints_of(wallet_id: int) -> Sequence[str]:
    """Where the wallet's browsers are reached now."""
    return db.session.scalars(
        select(WebPushSubscription.endpoint)
        .where(WebPushSubscription.wallet_id == wallet_id, WebPushSubscription.gone_at.is_(None))
        .order_by(WebPushSubscription.id)
    ).all()


def fingerprint(endpoint: str) -> str:
    """By this a page's script knows its own browser among those of the wallet; the address itself is not shown."""
    return hashlib.sha256(endpoint.encode()).hexdigest()[:16]


def note_gone(endpoints: Collection[str], *, now: datetime) -> None:
    """The push service said that these are no more. Needs an open transaction."""
    if endpoints:
        db.session.execute(
            update(WebPushSubscription)
            .where(WebPushSubscription.endpoint.in_(endpoints), WebPushSubscription.gone_at.is_(None))
            .values(gone_at=now)
            .execution_options(synchronize_session=False)
        )


def forget_gone(*, now: datetime) -> None:
    """Delete what has been gone for a month. Needs an open transaction."""
    db.session.execute(delete(WebPushSubscription).where(WebPushSubscription.gone_at < now - GONE_KEPT))


def _is_of(endpoint: str, services: Collection[str]) -> bool:
    """Whether the address is one of a push service, by https and its own port; on this machine any port will do."""
    try:
        address = urlsplit(endpoint)
        host, port = address.hostname or "", address.port
    except ValueError:
        return False
    if address.username is not None or not endpoint.isascii() or not endpoint.isprintable() or " " in endpoint:
        return False
    if host in THIS_MACHINE:
        return host in services and address.scheme in ("http", "https")
    if not HOST.fullmatch(host):
        return False
    is_known = any(host == service or host.endswith(f".{service}") for service in services)
    return is_known and address.scheme == "https" and port in (None, 443)


def _decoded(text: str) -> bytes:
    """Base64url, with or without its padding; nothing from what is none."""
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
