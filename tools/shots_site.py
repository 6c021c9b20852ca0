"""What the pictures are taken of: the demo chain, a chain that has just opened, and one that has nothing yet."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from flask import Flask
from sqlalchemy import Select, func, select

from app import gifts
from app.auth import devices
from app.factory import create_app
from cards import freezing
from cards.models import Card, Member, Wallet
from cards.programs import create_program
from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from core.hot import this_transaction
from core.tokens import hashed
from coupons.gift_models import CouponGift
from coupons.models import Coupon, CouponState, Offer, OfferState
from push.audiences.consents import grant
from push.audiences.unsubscribing import Links
from push.channels.models import SuppressionReason
from push.channels.suppressing import suppress
from push.models import Delivery, DeliveryState, PushChannel
from sharing import linking
from sharing.models import Occasion, ShareChannel, ShareLink
from stores import codes, editing, pins, staffing
from stores.chains import NewChain, create_chain
from stores.models import Chain, Role, Staff, StoreCode

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "snowpeak-demo"
START_SECONDS = 60
OPENED = ("hq@maple.example", "maple", "枫糖铺子", "Maple Pantry")
BARE = ("hq@quiet.example", "quiet", "静山茶舍", "Quiet Hill Tea")
CLOSED = (
    (PushChannel.EMAIL, "lin.xiaoyu@mail-that-is-gone.example", SuppressionReason.BOUNCED),
    (
        PushChannel.EMAIL,
        "a.member.with.a.very.long.address.indeed@customers.some-provider.example",
        SuppressionReason.COMPLAINED,
    ),
    (PushChannel.GATEWAY, "+8613800000000", SuppressionReason.REFUSED),
    (PushChannel.WECHAT_SUBSCRIPTION, "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", SuppressionReason.REFUSED),
)
MOST_PHONES = 100_000  # of the demo


@dataclass(frozen=True)
class Site:
    """A served demo, and the addresses in it that no link leads to."""

    url: str
    app: Flask
    code: str  # paths of store codes: the demo's, one of a chain without offers, one that is revoked
    code_without_offers: str
    revoked: str
    offer: str  # a claim page
    gift: str  # a coupon that a friend holds out
    shared: str  # a friend's link
    shared_coupon: str  # one that brings a coupon
    way_out: str  # the link under an e-mail
    member_cookie: str  # a phone that has had messages
    member_card: str  # the page of its card
    frozen_cookie: str  # a phone whose card is frozen


@contextmanager
def served(folder: Path) -> Iterator[Site]:
    """Build everything in a folder, and serve it on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = {
        "DATABASE_URL": f"sqlite:///{folder / 'demo.db'}",
        "KAQUAN_VAR": str(folder),
        "KAQUAN_NO_DOTENV": "1",
        "FLASK_SKIP_DOTENV": "1",
        "PUBLIC_URL": url,
        "PORT": str(port),
        "SHOW_PHONE_CODES": "true",
    }
    os.environ.update(settings)
    flask = [sys.executable, "-m", "flask", "--app", "wsgi"]
    subprocess.run([*flask, "demo", "--data-only"], cwd=ROOT, check=True)
    app = create_app()
    with app.app_context():
        site = _prepared(url, app)
        db.engine.dispose()
    server = subprocess.Popen([*flask, "serve", "--port", str(port)], cwd=ROOT)
    try:
        _wait(f"{url}/readyz")
        yield site
    finally:
        server.terminate()
        server.wait(timeout=20)


def _prepared(url: str, app: Flask) -> Site:
    now = utc_now()
    with transaction():
        opened = _chain(*OPENED, now=now)
        _chain(*BARE, now=now)
        columns = {"code": "M001", "name": "枫林路店", "city": "上海"}
        store = editing.create_store(opened.id, columns, by=SYSTEM, now=now)
        second = codes.add_code(opened.id, store.id, label="收银台", by=SYSTEM, now=now)
        codes.revoke_code(opened.id, second.id, by=SYSTEM, now=now)
        member, frozen = _members_with_messages()
        freezing.freeze(frozen.chain_id, _card_of(frozen).id, by=SYSTEM, now=now)
        _set_pins(member.chain_id, now=now)
        grant(member.id, PushChannel.EMAIL, "demo", now)
        _close_addresses(member.chain_id, now=now)
        demo_code = _first(select(StoreCode).filter_by(chain_id=member.chain_id))
        first_code = _first(select(StoreCode).filter_by(chain_id=opened.id, revoked_at=None))
        link = _first(select(ShareLink).filter_by(chain_id=member.chain_id))
        offer = _first(select(Offer).filter_by(state=OfferState.RUNNING, is_public=True))
        return Site(
            url,
            app,
            code=f"/q/{demo_code.token}",
            code_without_offers=f"/q/{first_code.token}",
            revoked=f"/q/{second.token}",
            offer=f"/o/{offer.token}",
            gift=f"/g/{_gift(now).token}",
            shared=f"/s/{link.token}",
            shared_coupon=f"/s/{_shared_coupon(member, offer, now)}",
            way_out=Links("", app.config["SECRET_KEY"]).unsubscribe(member.id, PushChannel.EMAIL),
            member_cookie=_cookie_of(member),
            member_card=f"/wallet/cards/{_card_of(member).id}",
            frozen_cookie=_cookie_of(frozen),
        )


def _chain(login: str, slug: str, name: str, name_en: str, *, now: datetime) -> Chain:
    chain = create_chain(NewChain(slug, name, name_en), by=SYSTEM, now=now)
    create_program(chain.id, name="会员卡", name_en="Membership card", by=SYSTEM, now=now)
    staffing.create_staff(
        chain.id, login=login, name="沈枫", role=Role.HQ_ADMIN, password=PASSWORD, store_ids=[], by=SYSTEM, now=now
    )
    return chain


def _members_with_messages() -> tuple[Member, Member]:
    """Two members who have something in their inboxes; the first has coupons to use."""
    arrived = select(Delivery.member_id).where(
        Delivery.channel == PushChannel.INBOX, Delivery.state.in_([DeliveryState.SENT, DeliveryState.DELIVERED])
    )
    usable = select(func.count()).where(
        Coupon.member_id == Member.id, Coupon.state == CouponState.CLAIMED, Coupon.valid_until > utc_now()
    )
    found = (
        select(Member)
        .where(Member.id.in_(arrived), Member.name != "")
        .order_by(usable.scalar_subquery().desc(), Member.id)
        .limit(2)
    )
    first, second = db.session.scalars(found)
    return first, second


def _gift(now: datetime) -> CouponGift:
    coupon = _first(select(Coupon).filter_by(state=CouponState.CLAIMED).order_by(Coupon.id.desc()))
    return gifts.give(coupon.chain_id, coupon.card_id, coupon.id, "周末一起去", now=now)


def _shared_coupon(member: Member, offer: Offer, now: datetime) -> str:
    """The token of a link by which a member lets a friend have a coupon too."""
    hot, card = this_transaction(), _card_of(member)
    return linking.create_link(
        hot, card.chain_id, card.id, ShareChannel.FRIEND, now=now, occasion=Occasion.COUPON, offer_id=offer.id
    ).token


def _first(query: Select[Any]) -> Any:
    return db.session.scalars(query.limit(1)).one()


def _set_pins(chain_id: int, *, now: datetime) -> None:
    """Every manager has a PIN, so that clerks are asked for one."""
    for person in db.session.scalars(select(Staff).filter_by(chain_id=chain_id, role=Role.STORE_MANAGER)):
        pins.set_pin(chain_id, person.id, "482913", by=SYSTEM, now=now)


def _close_addresses(chain_id: int, *, now: datetime) -> None:
    """Some of each kind that messages do not reach any more."""
    members = db.session.scalars(select(Member).where(Member.chain_id == chain_id).order_by(Member.id).limit(4)).all()
    for member, (channel, address, reason) in zip(members, CLOSED, strict=True):
        suppress(chain_id, member.id, channel, address, reason=reason, now=now)


def _card_of(member: Member) -> Card:
    return db.session.scalars(select(Card).where(Card.member_id == member.id)).one()


def _cookie_of(member: Member) -> str:
    """What the phone of a demo's member keeps."""
    wallet = db.session.get_one(Wallet, member.wallet_id)
    secrets = (f"demo-phone-{member.chain_id}-{number}" for number in range(MOST_PHONES))
    secret = next(secret for secret in secrets if hashed(secret) == wallet.key_hash)
    return str(devices._signer().dumps(secret))


def _wait(url: str) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            urlopen(url, timeout=5).close()
        except (URLError, OSError):
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return
