"""Making share links, and what a friend is shown."""

import pytest
from sqlalchemy import select, update

from cards.freezing import CardNotFound
from cards.models import Card
from core.db import db, transaction
from core.hot import one_action, this_transaction
from coupons.errors import OfferNotFound
from sharing import errors, joining, linking
from sharing.models import Referral, ShareLink, ShareVisitor
from sharing.traces import Trace
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


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


def share(card, channel="friend"):
    with transaction():
        return linking.create_link(this_transaction(), card.chain_id, card.id, channel, now=NOON)


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
