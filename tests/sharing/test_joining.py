"""Taking a card: by a store's code, by a friend's link."""

from datetime import date, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import func, select, update

from cards import issuing
from cards.models import Card, Member
from core.db import db, transaction
from core.events import Event
from core.hot import one_action, this_transaction
from core.tokens import is_luhn_valid, new_code, new_number
from coupons.models import Coupon, CouponSource
from sharing import attribution, joining
from sharing.models import Referral, ShareLink, ShareVisitor, SharingPolicy
from stores.models import Chain, StoreCode
from tests.factories import (
    NOON,
    make_card,
    make_chain,
    make_offer,
    make_store,
    make_store_code,
    make_wallet,
    program_of,
    save,
)

pytestmark = pytest.mark.usefixtures("app")


def take(token, *, wallet_id=None, visitor="phone", now=NOON):
    wallet_id = wallet_id or make_wallet()
    with one_action() as hot:
        return joining.join_by_code(hot, token, wallet_id=wallet_id, visitor=visitor, language="zh", now=now)


def take_from_friend(token, *, wallet_id=None, now=NOON):
    wallet_id = wallet_id or make_wallet()
    with one_action() as hot:
        return joining.join_by_link(hot, token, wallet_id=wallet_id, visitor="phone", language="en", now=now)


def share(card, channel="friend"):
    return save(
        ShareLink(
            chain_id=card.chain_id,
            program_id=card.program_id,
            card_id=card.id,
            member_id=card.member_id,
            store_id=card.store_id,
            token=new_code(),
            channel=channel,
            created_at=NOON,
        )
    )


@pytest.fixture
def code():
    return make_store_code(make_store(make_chain()))


def test_a_card_remembers_where_it_came_from(code):
    joined = take(code.token)

    card = db.session.get_one(Card, joined.card_id)
    assert joined.is_new
    assert (card.store_id, card.store_code_id, card.channel) == (code.store_id, code.id, "scan")
    assert (card.state, card.issued_at, card.issued_on) == ("active", NOON, date(2026, 5, 20))
    assert is_luhn_valid(card.number)


def test_a_second_scan_gives_the_same_card(code):
    wallet_id = make_wallet()

    first = take(code.token, wallet_id=wallet_id)
    again = take(code.token, wallet_id=wallet_id)

    assert (again.card_id, again.number, again.is_new) == (first.card_id, first.number, False)
    assert db.session.scalar(select(func.count(Card.id))) == 1
    assert db.session.scalar(select(func.count(Event.id)).where(Event.kind == "card.issued")) == 1


@pytest.mark.parametrize("problem", ["unknown", "revoked"])
def test_unknown_and_revoked_codes_get_one_answer(code, problem):
    if problem == "revoked":
        with transaction():
            db.session.execute(update(StoreCode).values(revoked_at=NOON))

    with pytest.raises(joining.CodeUnknown):
        take("x" * 13 if problem == "unknown" else code.token)

    assert db.session.scalar(select(func.count(Member.id))) == 0


def test_a_new_card_brings_the_welcome_coupon_once(code):
    chain_id = code.chain_id
    chain = db.session.get_one(type(make_chain("other")), chain_id)
    offer = make_offer(chain, program_id=program_of(chain).id, stock=3)
    wallet_id = make_wallet()

    first = take(code.token, wallet_id=wallet_id)
    take(code.token, wallet_id=wallet_id)

    coupons = db.session.scalars(select(Coupon)).all()
    assert [(c.id, c.offer_id, c.source, c.state) for c in coupons] == [
        (first.coupon_id, offer.id, CouponSource.WELCOME, "claimed")
    ]


def test_a_card_is_issued_though_the_welcome_coupons_are_gone(code):
    chain = db.session.get_one(type(make_chain("other")), code.chain_id)
    make_offer(chain, program_id=program_of(chain).id, stock=1)

    gifts = [take(code.token).coupon_id for _ in range(3)]

    assert [gift is not None for gift in gifts] == [True, False, False]


def test_a_friends_link_makes_an_edge(code):
    sharer = make_card(code)
    link = share(sharer, "group")

    joined = take_from_friend(link.token)

    edge = db.session.scalars(select(Referral)).one()
    card = db.session.get_one(Card, joined.card_id)
    assert (edge.member_id, edge.referrer_id, edge.root_id) == (joined.member_id, sharer.member_id, sharer.member_id)
    assert (edge.depth, edge.channel, edge.share_link_id, edge.store_id) == (1, "group", link.id, code.store_id)
    assert edge.path == f"{sharer.member_id:010x}{joined.member_id:010x}"
    assert (card.channel, card.share_link_id) == ("share", link.id)


def test_depth_and_path_grow_with_each_generation(code):
    card = make_card(code)
    root = card.member_id
    for _ in range(3):
        card = db.session.get_one(Card, take_from_friend(share(card).token).card_id)

    deepest = db.session.scalars(select(Referral).order_by(Referral.depth.desc())).first()
    assert (deepest.depth, deepest.root_id, len(deepest.path)) == (3, root, 40)


def test_a_card_number_drawn_twice_costs_nobody_his_edge_or_gift(code, monkeypatch):
    sharer = make_card(code)
    link = share(sharer)
    make_offer(db.session.get_one(Chain, code.chain_id), stock=10, program_id=sharer.program_id)
    numbers = iter([sharer.number, new_number()])
    monkeypatch.setattr(issuing, "fresh_number", lambda: next(numbers))

    joined = take_from_friend(link.token)

    assert joined.referral_id is not None
    assert joined.coupon_id is not None


def test_the_line_of_ancestors_ends_where_no_index_can_hold_it(code):
    first, sharer = make_card(code), make_card(code)
    link = share(sharer)
    for depth, follows in ((attribution.DEEPEST - 1, True), (attribution.DEEPEST, False)):
        edge = save(
            Referral(
                chain_id=sharer.chain_id,
                member_id=sharer.member_id,
                referrer_id=first.member_id,
                root_id=first.member_id,
                card_id=sharer.id,
                share_link_id=link.id,
                channel="friend",
                depth=depth,
                path="".join(sha256(bytes([step])).hexdigest()[:10] for step in range(depth + 1)),
                created_at=NOON,
            )
        )

        joined = take_from_friend(link.token)

        assert (joined.is_new, joined.referral_id is not None) == (True, follows)
        with transaction():
            db.session.delete(db.session.get_one(Referral, edge.id))


def test_whoever_holds_the_card_is_nobodys_new_member(code):
    link = share(make_card(code))
    wallet_id = make_wallet()
    held = take(code.token, wallet_id=wallet_id)

    again = take_from_friend(link.token, wallet_id=wallet_id)

    assert (again.card_id, again.is_new, again.referral_id) == (held.card_id, False, None)
    assert db.session.scalar(select(func.count(Referral.id))) == 0


@pytest.mark.parametrize(
    ("days", "store_code_wins", "credited"),
    [
        pytest.param(1, False, True, id="within the window"),
        pytest.param(8, False, False, id="after the window"),
        pytest.param(1, True, False, id="where the store code wins"),
    ],
)
def test_a_store_code_after_a_link(code, days, store_code_wins, credited):
    link = share(make_card(code))
    save(SharingPolicy(chain_id=code.chain_id, store_code_wins=store_code_wins))
    save(ShareVisitor(share_link_id=link.id, visitor="phone", last_visit_at=NOON - timedelta(days=days)))

    joined = take(code.token)

    assert (joined.referral_id is not None) is credited


def test_inside_a_transaction_a_failure_takes_the_card_back(code):
    with pytest.raises(ZeroDivisionError), transaction():
        joining.join_by_code(
            this_transaction(), code.token, wallet_id=make_wallet_inside(), visitor="v", language="zh", now=NOON
        )
        1 / 0  # noqa: B018

    assert db.session.scalar(select(func.count(Card.id))) == 0


def make_wallet_inside():
    from cards import wallets

    return wallets.open_wallet(this_transaction(), "w" * 64, language="zh", now=NOON)
