"""Taking a card: by a store's code, by a friend's link."""

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import func, select, update

from cards import issuing
from cards.models import Card, Member, Program, Tier
from core.db import db, transaction
from core.events import Event
from core.hot import Sql, one_action, this_transaction
from core.tokens import is_luhn_valid, new_code, new_number
from coupons.models import Coupon, CouponSource
from sharing import attribution, joining
from sharing.models import Referral, ShareLink, ShareVisitor, SharingPolicy
from stores import scanning
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


def opened(link, at, visitor="phone"):
    save(ShareVisitor(share_link_id=link.id, visitor=visitor, last_visit_at=at, opened_at=at))


@pytest.mark.parametrize(
    ("ago", "credited"),
    [
        pytest.param(timedelta(), True, id="this very moment"),
        pytest.param(timedelta(days=1), True, id="yesterday"),
        pytest.param(timedelta(days=7) - timedelta(seconds=1), True, id="a second less than seven days"),
        pytest.param(timedelta(days=7) - timedelta(microseconds=1), True, id="the last moment"),
        pytest.param(timedelta(days=7), False, id="seven days to the moment"),
        pytest.param(timedelta(days=7, seconds=1), False, id="a second more"),
        pytest.param(timedelta(days=8), False, id="eight days"),
    ],
)
def test_a_link_opened_before_a_store_code_is_credited_within_seven_days(code, ago, credited):
    link = share(make_card(code))
    opened(link, NOON - ago)

    assert (take(code.token).referral_id is not None) is credited


@pytest.mark.parametrize(
    ("ago", "before", "meanwhile", "credited"), [(3, 30, 2, False), (3, 1, 4, True), (10, 7, 30, True)]
)
def test_the_window_is_the_chains_at_the_moment_of_joining(code, ago, before, meanwhile, credited):
    save(SharingPolicy(chain_id=code.chain_id, window_days=before))
    opened(share(make_card(code)), NOON - timedelta(days=ago))
    with transaction():
        db.session.execute(update(SharingPolicy).values(window_days=meanwhile))

    assert (take(code.token).referral_id is not None) is credited


def test_a_day_of_the_window_has_24_hours_wherever_the_server_stands(code):
    """In New York the seven days before this moment have 169 hours."""
    now = datetime(2026, 11, 5, 12, tzinfo=UTC)  # clocks went back on the 1st
    opened(share(make_card(code)), now - timedelta(days=7, minutes=30))
    wallet_id = make_wallet()

    with one_action() as hot:
        if hot.is_postgresql:
            hot.run(Sql("SET TIME ZONE 'America/New_York'"))
        try:
            joined = joining.join_by_code(hot, code.token, wallet_id=wallet_id, visitor="phone", language="zh", now=now)
        finally:
            if hot.is_postgresql:
                hot.run(Sql("RESET TIME ZONE"))

    assert joined.referral_id is None


@pytest.mark.parametrize("store_code_wins", [False, True])
def test_a_store_code_after_a_link_wins_only_where_the_chain_says_so(code, store_code_wins):
    link = share(make_card(code))
    save(SharingPolicy(chain_id=code.chain_id, store_code_wins=store_code_wins))
    opened(link, NOON - timedelta(days=1))

    assert (take(code.token).referral_id is None) is store_code_wins


@pytest.mark.parametrize("store_code_wins", [False, True])
def test_a_card_taken_on_a_friends_page_is_the_friends_whatever_was_scanned_before(code, store_code_wins):
    link = share(make_card(code))
    save(SharingPolicy(chain_id=code.chain_id, store_code_wins=store_code_wins))
    with one_action() as hot:
        scanning.count_scan(hot, code.token, visitor="phone", now=NOON)

    assert take_from_friend(link.token).referral_id is not None


def test_another_chains_rules_and_links_do_not_matter(code):
    foreign = make_chain("other")
    save(SharingPolicy(chain_id=foreign.id, store_code_wins=True, window_days=1))
    there = share(make_card(make_store_code(make_store(foreign))))
    here = share(make_card(code))
    opened(here, NOON - timedelta(days=2))
    opened(there, NOON - timedelta(hours=1))

    take(code.token)

    assert db.session.scalar(select(Referral.share_link_id)) == here.id


def test_the_link_opened_last_is_credited_and_of_two_at_one_moment_the_newer(code):
    links = [share(make_card(code)) for _ in range(4)]
    for link, hours in zip(links, (3, 1, 1, 2), strict=True):
        opened(link, NOON - timedelta(hours=hours))

    take(code.token)

    assert db.session.scalar(select(Referral.share_link_id)) == links[2].id


def test_a_link_whose_sharer_left_gives_way_to_the_one_before(code):
    left, stays = make_card(code), make_card(code)
    opened(share(stays), NOON - timedelta(hours=2))
    opened(share(left), NOON - timedelta(hours=1))
    with transaction():
        db.session.execute(update(Card).where(Card.id == left.id).values(state="frozen"))

    take(code.token)

    assert db.session.scalar(select(Referral.referrer_id)) == stays.member_id


def test_the_first_friend_stays_the_one_who_brought_him(code):
    """Another card of the chain, by another friend's link, changes nothing."""
    wallet_id = make_wallet()
    first, second = share(make_card(code)), share(make_card(code))
    program = save(Program(chain_id=code.chain_id, name="黑卡", name_en="Black", is_default=False, created_at=NOON))
    save(Tier(chain_id=code.chain_id, program_id=program.id, rank=0, name="黑", name_en="Black"))
    with transaction():
        db.session.execute(update(ShareLink).where(ShareLink.id == second.id).values(program_id=program.id))
    later = NOON + timedelta(days=1)

    joined = [
        take_from_friend(each.token, wallet_id=wallet_id, now=at) for each, at in ((first, NOON), (second, later))
    ]

    assert [each.is_new for each in joined] == [True, True]
    assert db.session.scalars(select(Referral.share_link_id)).all() == [first.id]


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
