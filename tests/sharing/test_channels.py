"""A chain's own channels, beside the usual five."""

import pytest
from sqlalchemy import func, select

from core.audit import AuditEntry, Author
from core.db import db, transaction
from core.hot import one_action
from core.text import Text
from sharing import channels, errors, joining, linking
from sharing.models import OwnChannel, Referral, ShareChannel, ShareLink
from tests.concurrency.racing import race
from tests.factories import NOON, make_card, make_chain, make_store, make_store_code, make_wallet

pytestmark = pytest.mark.usefixtures("app")
HQ = Author("staff:1")


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def card(chain):
    return make_card(make_store_code(make_store(chain)))


def add(chain, code="slip", name="随单卡", name_en="Courier slip", *, is_for_members=False):
    with transaction():
        return channels.add_channel(
            chain.id, code, name=name, name_en=name_en, is_for_members=is_for_members, by=HQ, now=NOON
        )


def change(own, **values):
    values = {"name": own.name, "name_en": own.name_en, "is_for_members": own.is_for_members} | values
    with transaction():
        return channels.change_channel(own.chain_id, own.id, **values, by=HQ, now=NOON)


def archive(own):
    with transaction():
        return channels.archive_channel(own.chain_id, own.id, by=HQ, now=NOON)


def restore(own):
    with transaction():
        return channels.restore_channel(own.chain_id, own.id, by=HQ, now=NOON)


def share(card, channel, occasion="wallet"):
    with one_action() as hot:
        return linking.create_link(hot, card.chain_id, card.id, channel, now=NOON, occasion=occasion)


def codes(found):
    return [channel.code for channel in found]


def test_a_chain_adds_channels_of_its_own(chain):
    add(chain)
    add(chain, "table", "桌卡", "Table card", is_for_members=True)

    usual = [str(channel) for channel in ShareChannel]
    assert codes(channels.list_own(chain.id)) == ["slip", "table"]
    assert codes(channels.channels_for_members(chain.id)) == [*usual, "table"]
    assert codes(channels.channels_for_staff(chain.id)) == [*usual, "slip", "table"]
    assert codes(channels.channels_for_staff(make_chain("other").id)) == usual


def test_every_channel_of_a_chain_has_its_words(chain):
    archive(add(chain))

    words = channels.words_of(chain.id)

    assert list(words) == [*ShareChannel, "slip"]
    assert (words["moments"], words["slip"]) == (Text("朋友圈", "Moments"), Text("随单卡", "Courier slip"))


def test_without_an_english_name_the_chinese_one_is_both(chain):
    assert add(chain, name_en=" ").name_en == "随单卡"


@pytest.mark.parametrize("code", ["", "x", "Slip", "1slip", "随单", "a b", "x" * 21])
def test_a_code_has_small_letters_and_digits(chain, code):
    with pytest.raises(errors.ChannelCodeInvalid):
        add(chain, code)


@pytest.mark.parametrize("names", [("", "x"), ("  ", "x"), ("桌" * 21, "x"), ("桌", "x" * 31)])
def test_a_name_is_not_empty_and_not_too_long(chain, names):
    with pytest.raises(errors.ChannelNameInvalid):
        add(chain, "table", *names)


def test_a_code_is_for_one_channel_for_good(chain):
    archive(add(chain))

    for code in ("slip", "friend", "copy"):
        with pytest.raises(errors.ChannelCodeTaken):
            add(chain, code)
    assert add(make_chain("other"), "slip").code == "slip"


def test_of_parallel_additions_one_is_made(app, chain):
    results = race(app, lambda _: add(chain).code, racers=8)

    assert (results.count("slip"), results.count("channel_code_taken")) == (1, 7)
    assert db.session.scalar(select(func.count(OwnChannel.id))) == 1


def test_a_channel_is_renamed_and_made_for_members(chain):
    own = add(chain)

    change(own, name="外卖卡", name_en="Delivery card", is_for_members=True)

    assert channels.words_of(chain.id)["slip"] == Text("外卖卡", "Delivery card")
    assert "slip" in codes(channels.channels_for_members(chain.id))


def test_another_chains_channel_is_not_found(chain):
    own = add(make_chain("other"))

    for do in (channels.archive_channel, channels.restore_channel):
        with pytest.raises(errors.ChannelNotFound), transaction():
            do(chain.id, own.id, by=HQ, now=NOON)


def test_every_change_is_in_the_audit_once(chain):
    own = add(chain)
    for _ in range(2):
        change(own, name="外卖卡")
        archive(own)
    for _ in range(2):
        restore(own)

    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [entry.action for entry in entries] == [
        "share channel added",
        "share channel changed",
        "share channel archived",
        "share channel restored",
    ]
    assert {(entry.object_kind, entry.object_id, entry.actor) for entry in entries} == {
        ("share_channel", own.id, "staff:1")
    }


def test_a_member_shares_by_an_own_channel_that_is_made_for_members(chain, card):
    own = add(chain, "table", is_for_members=True)

    link = db.session.get_one(ShareLink, share(card, "table").id)

    assert (link.channel, link.own_channel_id, link.occasion) == ("table", own.id, "wallet")


@pytest.mark.parametrize(
    ("occasion", "is_made"), [("wallet", False), ("receipt", False), ("staff", True), ("api", True)]
)
def test_the_others_are_for_staff_and_the_api(chain, card, occasion, is_made):
    add(chain)

    if is_made:
        assert share(card, "slip", occasion).channel == "slip"
        return
    with pytest.raises(errors.ChannelUnknown):
        share(card, "slip", occasion)


def test_an_archived_channel_makes_no_links_until_it_is_restored(chain, card):
    own = add(chain, is_for_members=True)
    archive(own)

    with pytest.raises(errors.ChannelUnknown):
        share(card, "slip", "staff")
    restore(own)

    assert share(card, "slip").channel == "slip"


def test_another_chains_channel_makes_no_links(chain, card):
    add(make_chain("other"), is_for_members=True)

    with pytest.raises(errors.ChannelUnknown):
        share(card, "slip", "api")


def test_a_referral_carries_the_channel(chain, card):
    add(chain)
    link, wallet_id = share(card, "slip", "staff"), make_wallet()

    with one_action() as hot:
        joining.join_by_link(hot, link.token, wallet_id=wallet_id, visitor="v", language="zh", now=NOON)

    assert db.session.scalar(select(Referral.channel)) == "slip"
