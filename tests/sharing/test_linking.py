"""Making share links, and what a friend is shown."""

import pytest
from sqlalchemy import select, update

from cards.freezing import CardNotFound
from cards.models import Card, Member, Program, Tier
from core.audit import SYSTEM, AuditEntry
from core.db import db, transaction
from core.hot import one_action, this_transaction
from coupons.errors import OfferNotFound
from sharing import errors, joining, linking, naming
from sharing.models import Referral, ShareLink, ShareVisitor
from sharing.traces import Trace
from tests.factories import (
    NOON,
    in_days,
    make_card,
    make_chain,
    make_coupon,
    make_offer,
    make_store,
    make_store_code,
    make_wallet,
    program_of,
    save,
)

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


def share(card, channel="friend", **more):
    with transaction():
        return linking.create_link(this_transaction(), card.chain_id, card.id, channel, now=NOON, **more)


def take_from_friend(link):
    wallet_id = make_wallet()
    with one_action() as hot:
        joined = joining.join_by_link(hot, link.token, wallet_id=wallet_id, visitor="phone", language="zh", now=NOON)
    return db.session.get_one(Card, joined.card_id)


def test_every_act_of_sharing_makes_its_own_link(code):
    card = make_card(code)

    links = [share(card, channel) for channel in ("friend", "friend", "moments")]

    assert len({link.token for link in links}) == 3
    assert [link.channel for link in links] == ["friend", "friend", "moments"]
    rows = db.session.scalars(select(ShareLink)).all()
    assert {(link.id, link.token, link.created_at) for link in rows} == {(x.id, x.token, NOON) for x in links}
    assert {(link.member_id, link.store_id, link.parent_id, link.visits, link.occasion) for link in rows} == {
        (card.member_id, code.store_id, None, 0, "wallet")
    }


def test_a_link_knows_the_link_by_which_the_sharer_came(code):
    first = share(make_card(code))

    second = share(take_from_friend(first))

    assert second.parent_id == first.id


def test_a_link_opened_before_a_store_code_is_the_parent_too(code):
    first = share(make_card(code))
    save(ShareVisitor(share_link_id=first.id, visitor="phone", last_visit_at=NOON, opened_at=NOON))
    wallet_id = make_wallet()
    with one_action() as hot:
        joined = joining.join_by_code(hot, code.token, wallet_id=wallet_id, visitor="phone", language="zh", now=NOON)

    second = share(db.session.get_one(Card, joined.card_id))

    assert second.parent_id == first.id


def test_a_card_of_another_chain_is_not_found(code):
    card = make_card(code)
    other = make_chain("other")

    with pytest.raises(CardNotFound), transaction():
        linking.create_link(this_transaction(), other.id, card.id, "friend", now=NOON)


def test_a_frozen_card_is_not_shared(code):
    card = make_card(code)
    freeze(card)

    with pytest.raises(errors.CardNotActive):
        share(card)


def test_an_unknown_channel_is_refused(code):
    with pytest.raises(errors.ChannelUnknown):
        share(make_card(code), "fax")


def test_the_friend_sees_who_shared_what_and_the_gift(chain, code):
    gift = make_offer(chain, program_id=program_of(chain).id)
    card = make_card(code)
    link = share(card)

    view = linking.find_link(link.token, now=NOON)

    assert (view.link.id, view.chain.id, view.program.id) == (link.id, chain.id, card.program_id)
    assert (view.store.id, view.sharer_name, view.welcome.id) == (code.store_id, "", gift.id)


def test_unknown_links_and_links_of_frozen_cards_show_nothing(code):
    card = make_card(code)
    link = share(card)
    freeze(card)

    assert linking.find_link(link.token, now=NOON) is None
    assert linking.find_link("x" * 13, now=NOON) is None
    assert db.session.get(ShareLink, link.id) is not None


def freeze(card):
    with transaction():
        db.session.execute(update(Card).where(Card.id == card.id).values(state="frozen"))


def test_a_link_remembers_where_the_thought_arose_what_was_shared_and_what_was_seen(chain, code):
    card, offer = make_card(code), make_offer(chain)

    with one_action() as hot:
        made = linking.create_link(
            hot,
            chain.id,
            card.id,
            "group",
            now=NOON,
            occasion="coupon",
            offer_id=offer.id,
            trace=Trace("d" * 32, "e" * 32),
        )

    link = db.session.get_one(ShareLink, made.id)
    assert (link.occasion, link.offer_id, link.device, link.network) == ("coupon", offer.id, "d" * 32, "e" * 32)


def test_another_chains_offer_cannot_be_shared(code):
    card, foreign = make_card(code), make_offer(make_chain("other"))

    with pytest.raises(OfferNotFound), one_action() as hot:
        linking.create_link(hot, card.chain_id, card.id, "group", now=NOON, offer_id=foreign.id)


def test_the_edge_remembers_what_was_seen_where_the_friend_joined(code):
    link, seen = share(make_card(code)), Trace("a" * 32, "b" * 32)
    save(ShareVisitor(share_link_id=link.id, visitor="another phone", last_visit_at=NOON, opened_at=NOON))
    wallets = make_wallet(), make_wallet()
    rest = {"language": "zh", "now": NOON, "trace": seen}

    with one_action() as hot:
        joining.join_by_link(hot, link.token, wallet_id=wallets[0], visitor="phone", **rest)
        joining.join_by_code(hot, code.token, wallet_id=wallets[1], visitor="another phone", **rest)

    assert [(edge.device, edge.network) for edge in db.session.scalars(select(Referral))] == [seen, seen]


def test_a_shared_offer_is_shown_to_the_friend(chain, code):
    card, offer = make_card(code), make_offer(chain)
    link = share(card, offer_id=offer.id)

    assert linking.find_link(link.token, now=NOON).offer.id == offer.id
    assert linking.find_link(share(card).token, now=NOON).offer is None


@pytest.mark.parametrize(
    "more", [{"state": "draft"}, {"state": "paused"}, {"state": "ended"}, {"is_public": False}], ids=str
)
def test_an_offer_that_is_not_to_be_claimed_is_not_shown(chain, code, more):
    link = share(make_card(code), offer_id=make_offer(chain, **more).id)

    assert linking.find_link(link.token, now=NOON).offer is None


@pytest.mark.parametrize("limit", [{"stock": 1}, {"budget_cents": 500}], ids=str)
def test_an_offer_that_has_run_out_is_not_shown(chain, code, limit):
    card, offer = make_card(code), make_offer(chain, **limit)
    link = share(card, offer_id=offer.id)
    before = linking.find_link(link.token, now=NOON).offer

    make_coupon(card, offer)

    assert (before.id, linking.find_link(link.token, now=NOON).offer) == (offer.id, None)


def test_an_offer_that_is_over_is_not_shown(chain, code):
    offer = make_offer(chain, valid_from=NOON, valid_until=in_days(1))
    link = share(make_card(code), offer_id=offer.id)

    assert linking.find_link(link.token, now=NOON).offer.id == offer.id
    assert linking.find_link(link.token, now=in_days(1)).offer is None


def test_an_offer_for_other_cards_or_higher_tiers_is_not_shown(chain, code):
    card = make_card(code)
    base, gold = db.session.scalars(select(Tier).filter_by(chain_id=chain.id).order_by(Tier.rank))
    other = save(Program(chain_id=chain.id, name="黑卡", name_en="Black", is_default=False, created_at=NOON))
    scopes = [{"tier_ids": [base.id]}, {"tier_ids": [gold.id]}, {"program_ids": [card.program_id]}]
    offers = [make_offer(chain, **scope) for scope in (*scopes, {"program_ids": [other.id]})]

    shown = [linking.find_link(share(card, offer_id=offer.id).token, now=NOON).offer for offer in offers]

    assert [offer is not None for offer in shown] == [True, False, True, False]


@pytest.mark.parametrize(
    ("shown_as", "nickname", "said"),
    [
        (None, "", "王小雪"),
        ("name", "ignored", "王小雪"),
        ("masked", "", "王**"),
        ("nickname", "  小 \t雪 ", "小 雪"),
        ("nobody", "", ""),
    ],
)
def test_the_friend_reads_the_name_that_the_member_chose(code, shown_as, nickname, said):
    card = make_card(code)
    link = share(card)
    with transaction():
        db.session.execute(update(Member).where(Member.id == card.member_id).values(name="王小雪"))
        if shown_as:
            naming.choose(card.chain_id, card.member_id, shown_as, nickname, by=SYSTEM, now=NOON)

    assert linking.find_link(link.token, now=NOON).sharer_name == said
    assert naming.shown_name(db.session.get_one(Member, card.member_id)) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [("加我 shop.cn 领钱", ""), ("小雪 13800000001", ""), ("小雪\u202e\u200b", "小雪"), ("{name} %s", "{name} %s")],
)
def test_a_name_that_leads_elsewhere_is_a_friends_and_one_that_hides_signs_is_shown_plain(code, name, said):
    card = make_card(code)
    with transaction():
        db.session.get_one(Member, card.member_id).name = name

    assert naming.shown_name(db.session.get_one(Member, card.member_id)) == said


def test_a_choice_of_name_can_be_taken_back_and_is_in_the_audit_without_the_nickname(code):
    card = make_card(code)
    for shown_as in ("nickname", "name", "name"):
        with transaction():
            naming.choose(card.chain_id, card.member_id, shown_as, "小雪", by=SYSTEM, now=NOON)

    assert naming.find_choice(card.member_id) == naming.DEFAULT
    changes = db.session.execute(
        select(AuditEntry.before, AuditEntry.after).filter_by(action="sharer named").order_by(AuditEntry.id)
    ).all()
    assert changes == [
        ({"shown_as": "name"}, {"shown_as": "nickname"}),
        ({"shown_as": "nickname"}, {"shown_as": "name"}),
    ]


@pytest.mark.parametrize(
    "nickname", ["", "   ", "\n\t", "雪" * 21, "加我 shop.cn", "www 特价", "@官方", "138 0000 0000", "微信 55123"]
)
def test_a_nickname_has_1_to_20_characters_and_leads_nowhere(code, nickname):
    card = make_card(code)

    with pytest.raises(errors.NicknameInvalid), transaction():
        naming.choose(card.chain_id, card.member_id, "nickname", nickname, by=SYSTEM, now=NOON)


def test_an_unknown_way_of_naming_is_refused(code):
    card = make_card(code)

    with pytest.raises(errors.NamingInvalid), transaction():
        naming.choose(card.chain_id, card.member_id, "king", by=SYSTEM, now=NOON)


def test_finding_a_link_costs_the_same_whatever_was_chosen(chain, code, count_queries):
    card = make_card(code)
    link = share(card)
    with transaction():
        naming.choose(card.chain_id, card.member_id, "nickname", "小雪", by=SYSTEM, now=NOON)

    count_queries.clear()
    linking.find_link(link.token, now=NOON)

    assert sum(sent.startswith("SELECT") for sent in count_queries) == 2  # the link, and whether there is a gift
