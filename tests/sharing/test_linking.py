"""Making share links, and what a friend is shown."""

import pytest
from sqlalchemy import update

from cards.freezing import CardNotFound
from cards.models import Card
from core.db import db, transaction
from core.hot import one_action
from sharing import errors, joining, linking
from sharing.models import ShareLink, ShareVisitor
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
        return linking.create_link(card.chain_id, card.id, channel, now=NOON)


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
    assert {(link.member_id, link.store_id, link.parent_id, link.visits) for link in links} == {
        (card.member_id, code.store_id, None, 0)
    }


def test_a_link_knows_the_link_by_which_the_sharer_came(code):
    first = share(make_card(code))

    second = share(take_from_friend(first))

    assert second.parent_id == first.id


def test_a_link_opened_before_a_store_code_is_the_parent_too(code):
    first = share(make_card(code))
    save(ShareVisitor(share_link_id=first.id, visitor="phone", last_visit_at=NOON))
    wallet_id = make_wallet()
    with one_action() as hot:
        joined = joining.join_by_code(hot, code.token, wallet_id=wallet_id, visitor="phone", language="zh", now=NOON)

    second = share(db.session.get_one(Card, joined.card_id))

    assert second.parent_id == first.id


def test_a_card_of_another_chain_is_not_found(code):
    card = make_card(code)
    other = make_chain("other")

    with pytest.raises(CardNotFound), transaction():
        linking.create_link(other.id, card.id, "friend", now=NOON)


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
