"""The wallet's inbox, and what members agreed to."""

from datetime import timedelta

import pytest

from core.db import db, transaction
from core.text import Text
from push import inbox
from push.audiences import consents
from push.audiences.unsubscribing import Links, Way, read_token
from push.errors import ChannelUnknown
from push.models import Consent
from sharing.errors import MemberNotFound
from tests.factories import NOON, make_chain, make_offer, make_store, make_store_code, make_wallet
from tests.push.pushing import make_campaign, make_member, send_all, start

pytestmark = pytest.mark.usefixtures("app")
MINUTE = timedelta(minutes=1)


def make_code(chain):
    return make_store_code(make_store(chain))


def send_three(chain):
    for n in range(3):
        start(make_campaign(chain, title=f"第{n}封", title_en=f"No. {n}"), now=NOON + n * MINUTE)
        send_all(now=NOON + n * MINUTE)


def test_a_message_lies_there_in_both_languages_with_its_coupon():
    chain = make_chain()
    offer = make_offer(chain)
    card = make_member(make_code(chain))
    start(make_campaign(chain, offer_id=offer.id))
    send_all()

    (message,) = inbox.inbox_of(card.wallet_id)

    assert (message.chain, message.title) == (Text("雪山冰品", "Snow Peak"), Text("周五冰淇淋", "Ice cream Friday"))
    assert (message.offer, message.card_id) == (Text("满30减5", "5 off 30"), card.id)
    assert (message.sent_at, message.read_at) == (NOON, None)
    assert message.coupon_id is not None


def test_what_has_not_gone_is_not_there():
    chain = make_chain()
    card = make_member(make_code(chain))
    start(make_campaign(chain))

    assert (inbox.inbox_of(card.wallet_id), inbox.count_unread(card.wallet_id)) == ([], 0)


def test_e_mails_are_not_in_it():
    chain = make_chain()
    card = make_member(make_code(chain), email="a@example.com")
    start(make_campaign(chain, "email"))
    send_all()

    assert inbox.inbox_of(card.wallet_id) == []


def test_the_newest_comes_first_and_pages_by_key():
    chain = make_chain()
    card = make_member(make_code(chain))
    send_three(chain)

    first = inbox.inbox_of(card.wallet_id, limit=2)
    second = inbox.inbox_of(card.wallet_id, after=first[-1].id, limit=2)

    assert [m.title.zh for m in [*first, *second]] == ["第2封", "第1封", "第0封"]


def test_reading_some_leaves_the_others_unread():
    chain = make_chain()
    card = make_member(make_code(chain))
    send_three(chain)
    newest = inbox.inbox_of(card.wallet_id)[0]

    with transaction():
        assert inbox.mark_read(card.wallet_id, [newest.id], now=NOON) == 1
        assert inbox.mark_read(card.wallet_id, [newest.id], now=NOON) == 0
    assert inbox.count_unread(card.wallet_id) == 2
    with transaction():
        assert inbox.mark_read(card.wallet_id, now=NOON) == 2

    assert inbox.count_unread(card.wallet_id) == 0


def test_another_wallet_reads_and_marks_nothing_of_it():
    chain = make_chain()
    card = make_member(make_code(chain))
    send_three(chain)
    stranger = make_wallet()
    ids = [message.id for message in inbox.inbox_of(card.wallet_id)]

    with transaction():
        assert inbox.mark_read(stranger, ids, now=NOON) == 0

    assert inbox.inbox_of(stranger) == []
    assert inbox.count_unread(card.wallet_id) == 3


def test_the_inbox_is_asked_for_with_its_links_and_consents(count_queries):
    chain = make_chain()
    card = make_member(make_code(chain))
    send_three(chain)
    wallet_id = card.wallet_id  # what was committed meanwhile is read anew
    count_queries.clear()

    inbox.inbox_of(wallet_id)

    assert len([statement for statement in count_queries if statement.startswith("SELECT")]) == 3


def test_without_a_word_only_the_inbox_may_be_used():
    card = make_member(make_code(make_chain()))

    assert granted(card.member_id) == {"inbox"}


def test_the_newest_word_counts_and_the_old_ones_stay():
    card = make_member(make_code(make_chain()))
    with transaction():
        consents.grant(card.member_id, "email", "settings", NOON)
        consents.withdraw(card.member_id, "email", "link", NOON + MINUTE)
        consents.withdraw(card.member_id, "inbox", "settings", NOON + MINUTE)

    assert granted(card.member_id) == set()
    rows = db.session.scalars(db.select(Consent).filter_by(channel="email").order_by(Consent.id)).all()
    assert [(row.is_granted, row.source) for row in rows] == [(True, "settings"), (False, "link")]


def test_saying_the_same_twice_is_said_once():
    card = make_member(make_code(make_chain()))
    for _ in range(2):
        with transaction():
            consents.grant(card.member_id, "email", "settings", NOON)

    assert db.session.scalar(db.select(db.func.count(Consent.id))) == 1


def test_what_is_no_channel_or_no_member_is_refused():
    card = make_member(make_code(make_chain()))

    with pytest.raises(ChannelUnknown), transaction():
        consents.grant(card.member_id, "pigeon", "test", NOON)
    with pytest.raises(MemberNotFound), transaction():
        consents.grant(987654, "email", "test", NOON)


def test_the_way_out_knows_whom_and_what_and_cannot_be_made_up():
    link = Links("https://cards.example/", "key").unsubscribe(7, "email")
    token = link.removeprefix("https://cards.example/u/")

    assert read_token(token, "key") == Way(7, "email")
    assert read_token(token, "another key") is None
    assert read_token(token[:-1] + ("A" if token[-1] != "A" else "B"), "key") is None
    assert read_token("", "key") is None


def granted(member_id):
    """The channels that may be used for a member now."""
    return {channel for channel, is_granted in consents.current_consents(member_id).items() if is_granted}
