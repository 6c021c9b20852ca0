"""Who is held out, who gets which variant, and over which channel: drawn once, alike everywhere."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from cards.models import Member
from core.db import db, insert, transaction
from push import runs
from push.audiences import consents
from push.audiences.chance import LOTS, Chance, of_campaign, of_chain
from push.channels.models import Suppression
from push.errors import CampaignInvalid
from push.models import Campaign, ChannelMode, Delivery, Purpose, PushPolicy
from push.wording.variants import check_variants, variant_of
from tests.factories import NOON, make_chain, make_store, make_store_code, save
from tests.push.pushing import deliveries, make_campaign, make_member, newest_run, schedule, send_all, start

pytestmark = pytest.mark.usefixtures("app")
HALVES = [{"label": "A", "share_bp": 5000}, {"label": "B", "share_bp": 5000}]


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


def changed(campaign, **values):
    with transaction():
        row = db.session.get_one(Campaign, campaign.id)
        for name, value in values.items():
            setattr(row, name, value)
    return row


def test_the_lots_are_the_same_in_the_database(code):
    members = [make_member(code).member_id for _ in range(20)]
    for seed in ("campaign:1", "global:1", "variant:99"):
        chance = Chance(seed)
        rows = db.session.execute(select(Member.id, chance.sql(Member.id)).where(Member.id.in_(members)))
        assert {row[0]: row[1] for row in rows} == {each: chance.lot(each) for each in members}


def test_the_largest_member_has_a_lot(app):
    chance = Chance("campaign:1")
    largest = 2**62
    assert db.session.scalar(select(chance.sql(db.literal(largest, db.BigInteger())))) == chance.lot(largest)


def test_lots_are_even_and_those_of_two_seeds_have_nothing_to_do_with_each_other():
    one, other = of_campaign(1), of_campaign(2)
    tenths = Counter(one.lot(member) // 1000 for member in range(1, 50_001))
    both = sum(one.lot(member) < 1000 and other.lot(member) < 1000 for member in range(1, 50_001))

    assert all(4700 < count < 5300 for count in tenths.values())
    assert 400 < both < 600  # a tenth of a tenth


def test_who_is_held_out_gets_nothing_and_always_is(chain, code):
    cards = [make_member(code) for _ in range(30)]
    campaign = changed(make_campaign(chain, "inbox"), holdout_bp=5000)
    start(campaign)
    send_all()

    held = {row.member_id for row in deliveries(campaign) if row.reason == "holdout"}
    told = {row.member_id for row in deliveries(campaign) if row.state == "delivered"}
    lots = of_campaign(campaign.id)
    assert held == {card.member_id for card in cards if lots.lot(card.member_id) < 5000}
    assert held
    assert told == {card.member_id for card in cards} - held


def test_only_who_could_have_been_told_is_held_out(chain, code):
    make_member(code)  # no address
    told = make_member(code, email="a@example.com")
    campaign = changed(make_campaign(chain, "email"), holdout_bp=5000)
    run = start(campaign)

    reasons = {row.member_id: row.reason for row in deliveries(campaign)}
    expected = "holdout" if of_campaign(campaign.id).lot(told.member_id) < 5000 else None
    assert reasons.pop(told.member_id) == expected
    assert list(reasons.values()) == ["no_address"]
    assert run.audience_count == 2


def test_the_chains_own_holdout_is_for_promotion_alone(chain, code):
    cards = [make_member(code) for _ in range(40)]
    with transaction():
        db.session.execute(insert(PushPolicy).values(chain_id=chain.id, global_holdout_bp=2000))
    promotion, service = make_campaign(chain, "inbox"), changed(make_campaign(chain, "inbox"), purpose=Purpose.SERVICE)
    start(promotion)
    start(service)

    out = {card.member_id for card in cards if of_chain(chain.id).lot(card.member_id) < 2000}
    assert out
    assert {row.member_id for row in deliveries(promotion) if row.reason == "holdout"} == out
    assert not any(row.reason for row in deliveries(service))


def test_every_member_gets_his_variant(chain, code):
    cards = [make_member(code) for _ in range(30)]
    campaign = changed(make_campaign(chain, "inbox"), variants=HALVES)
    start(campaign)

    found = {row.member_id: row.variant for row in deliveries(campaign)}
    assert found == {card.member_id: variant_of(HALVES, campaign.id, card.member_id) for card in cards}
    assert set(found.values()) == {"A", "B"}


@pytest.mark.parametrize(("shares", "labels"), [([], ""), ([10_000], ""), ([7000, 3000], "AB"), ([2500] * 4, "ABCD")])
def test_variants_share_the_whole_audience(shares, labels):
    checked = check_variants([{"share_bp": share} for share in shares])

    assert "".join(each["label"] for each in checked) == labels
    assert sum(each["share_bp"] for each in checked) in (0, LOTS)


@pytest.mark.parametrize("shares", [[5000, 4000], [9950, 50], [True, 9999], ["1", 2], [2000] * 5, [None, 1]])
def test_shares_that_do_not_make_a_whole_are_refused(shares):
    with pytest.raises(CampaignInvalid):
        check_variants([{"share_bp": share} for share in shares])


def test_the_first_channel_that_reaches_a_member_is_enough(chain, code):
    both = make_member(code, email="a@example.com", phone="+8613800000001")
    phone = make_member(code, phone="+8613800000002")
    nothing = make_member(code)
    campaign = changed(make_campaign(chain, "email", "gateway"), channel_mode=ChannelMode.FIRST)
    run = start(campaign)

    found = {row.member_id: (row.channel, row.reason) for row in deliveries(campaign)}
    assert found == {
        both.member_id: ("email", None),
        phone.member_id: ("gateway", None),
        nothing.member_id: ("email", "no_address"),
    }
    assert run.audience_count == 3


def test_service_messages_need_no_yes_and_do_not_count_for_the_caps(chain, code):
    member = make_member(code, email="a@example.com", agrees_to=())
    campaigns = [changed(make_campaign(chain, "email"), purpose=Purpose.SERVICE) for _ in range(3)]
    for campaign in campaigns:
        start(campaign)
    send_all()
    states = {row.state for row in db.session.scalars(db.select(Delivery))}
    with transaction():
        consents.grant(member.member_id, "email", "test", NOON)
    promotion = make_campaign(chain, "email")
    start(promotion)
    send_all()

    assert states == {"sent"}
    assert [row.state for row in deliveries(promotion)] == ["sent"]


def test_who_said_no_to_service_messages_gets_none(chain, code):
    member = make_member(code, email="a@example.com")
    with transaction():
        consents.withdraw(member.member_id, "email", "test", NOON, consents.ConsentPurpose.SERVICE)
    campaign = changed(make_campaign(chain, "email"), purpose=Purpose.SERVICE)
    start(campaign)

    assert [row.reason for row in deliveries(campaign)] == ["opted_out"]


def test_a_suppressed_address_is_no_address_until_it_changes(chain, code):
    member = make_member(code, email="gone@example.com")
    save(
        Suppression(
            chain_id=chain.id, member_id=member.member_id, channel="email", address="gone@example.com",
            reason="bounced", at=NOON,
        )
    )  # fmt: skip
    before, after = make_campaign(chain, "email"), make_campaign(chain, "email")
    start(before)
    with transaction():
        db.session.get_one(Member, member.member_id).email = "new@example.com"
    start(after)

    assert [row.reason for row in deliveries(before)] == ["no_address"]
    assert [row.reason for row in deliveries(after)] == [None]


def test_by_the_members_clocks_each_zone_is_reached_at_its_own_hour(chain, code):
    """NOON is 20:00 in Shanghai and 00:00 of the 21st in Auckland."""
    auckland = make_store_code(make_store(chain, timezone="Pacific/Auckland"))
    here, there = make_member(code), make_member(auckland)
    campaign = make_campaign(chain, "inbox", schedule={"kind": "at", "at": "2026-05-21T09:00", "zone": "member"})
    schedule(campaign)
    due = db.session.get_one(Campaign, campaign.id).next_run_at
    runs.start_due_batch(now=due)

    times = {row.member_id: row.due_at for row in deliveries(campaign)}
    assert due == datetime(2026, 5, 20, 21, tzinfo=UTC)
    assert times == {there.member_id: due, here.member_id: datetime(2026, 5, 21, 1, tzinfo=UTC)}
    assert newest_run(campaign).send_until == datetime(2026, 5, 22, 1, tzinfo=UTC)
