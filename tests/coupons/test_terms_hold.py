"""What a customer reads is exactly what the till does: over the whole space of rules, in both languages.

A reader of his own (reading_terms.py) takes the generated sentences to mean something, and says by that alone whether
a coupon can be used and what is left to pay. The till's own calculation has to agree.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, assume, event, find, given, settings
from hypothesis import strategies as st

from cards.models import Program, Tier
from checkout import quoting
from checkout.errors import CouponsNotStackable
from checkout.standing import Standing
from core.audit import SYSTEM
from core.clock import day_start
from core.db import db, transaction
from core.errors import DomainError
from core.hot import reading, this_transaction
from core.text import Text
from coupons import claiming, drafts, offers, scopes, terms
from coupons.applicability import UsableCoupon
from coupons.drafts import Draft
from coupons.errors import OfferInvalid
from coupons.terms import Scope
from coupons.validity import validity
from tests.coupons.reading_terms import Situation, go_together, may_use, read_chinese, read_english, takes_off, to_pay
from tests.factories import NOON, make_card, make_chain, make_store, make_store_code, program_of, save

ZONE = "Asia/Shanghai"
STORES = ["静安店", "徐汇店", "浦东店"]
PROGRAMS = [Text("雪山卡", "Snow card"), Text("黑卡", "Black card")]
TIERS = [Text("银卡", "Silver"), Text("金卡", "Gold"), Text("钻石卡", "Diamond")]
FIRST = datetime(2026, 12, 28, tzinfo=ZoneInfo(ZONE))  # a Monday; a year ends within the days we look at
DAYS = 21
READERS = {"zh": read_chinese, "en": read_english}
FOUND = settings(max_examples=5000, derandomize=True, deadline=None, phases=[Phase.generate])

# --- Rules --------------------------------------------------------------------------------------------------------

amounts = st.sampled_from([1, 50, 99, 100, 550, 1200, 3000, 123_456])
some_names = st.lists(st.sampled_from([1, 2, 3]), unique=True, max_size=3)
minutes = st.sampled_from([0, 1, 119, 120, 240, 600, 839, 840, 1020, 1320, 1439])
spans = st.lists(st.tuples(minutes, minutes.map(lambda minute: minute + 1)).map(list), max_size=3)

days = st.integers(0, DAYS).map(lambda offset: (FIRST + timedelta(days=offset)).date().isoformat())
MORE = {  # at most three of them at once, or hardly any coupon could be used
    "weekdays": st.integers(1, 127),
    "hours": spans,
    "blackout_dates": st.lists(days, max_size=6),
    "stacking": st.just("stackable"),
    "stack_group": st.sampled_from(["饮品", "冰品"]),
    "member_price": st.just("instead"),
    "may_be_given": st.just(False),
    "stock": st.integers(1, 3000),
    "per_day_limit": st.integers(1, 3000),
    "per_phone_limit": st.integers(1, 2),
    "store_ids": some_names.map(tuple),
    "program_ids": some_names.map(lambda names: tuple(name for name in names if name < 3)),
    "tier_ids": some_names.map(tuple),
}


@st.composite
def kinds(draw):
    kind = draw(st.sampled_from(["cash", "percent", "gift", "fixed_price"]))
    if kind == "cash":
        return {"kind": kind, "value_cents": draw(amounts)}
    if kind == "percent":
        share = draw(st.sampled_from([1, 500, 950, 1200, 2000, 5000, 9000, 9500, 9999, 10_000]))
        return {"kind": kind, "percent_bp": share, "cap_cents": draw(st.none() | amounts)}
    item = draw(amounts)
    price = draw(st.integers(1, max(1, item - 1))) if kind == "fixed_price" else None
    return {
        "kind": kind,
        "item_name": "香草圣代",
        "item_name_en": "Vanilla sundae",
        "item_cents": item,
        "price_cents": price,
    }


@st.composite
def periods(draw):
    if draw(st.booleans()):
        return {"valid_days": draw(st.integers(1, 9)), "valid_delay_days": draw(st.integers(0, 4))}
    first, length = draw(st.integers(0, 9)), draw(st.integers(1, 9))
    return {
        "first_day": first,
        "length": length,
        "odd_hours": draw(st.sampled_from([(0, 0), (9, 0), (0, 18), (9, 18)])),
    }


@st.composite
def rules(draw, cutoff_hour):
    """Rules that agree with one another."""
    period = draw(periods())
    if "first_day" in period:
        opens, closes = period["odd_hours"]
        first, last = period["first_day"], period["first_day"] + period["length"]
        period = {
            "valid_from": start_of(first, cutoff_hour) + timedelta(hours=opens),
            "valid_until": start_of(last, cutoff_hour) + timedelta(hours=closes),
        }
    chosen = draw(st.sets(st.sampled_from(sorted(MORE)), max_size=3))
    more = {name: draw(MORE[name]) for name in sorted(chosen)}
    if more.get("stacking") != "stackable":
        more.pop("stack_group", None)
    draft = Draft(
        name="券",
        name_en="Coupon",
        min_cents=draw(st.sampled_from([0, 0, 1, 999, 3000])),
        per_member_limit=draw(st.integers(1, 3)),
        **draw(kinds()),
        **period,
        **more,
    )
    draft = drafts.normalised(draft, cutoff_hour=cutoff_hour)
    try:
        drafts.check(draft, timezone=ZONE, cutoff_hour=cutoff_hour)
    except OfferInvalid:
        assume(False)
    return draft


def start_of(day, cutoff_hour):
    return day_start(FIRST + timedelta(days=day), ZONE, cutoff_hour)


@st.composite
def situations(draw, *these):
    """Somebody at a till: at amounts and minutes on which the rules turn, and on any others."""
    claimed = FIRST + timedelta(days=draw(st.integers(0, 2)), minutes=draw(minutes))
    turning = [minute for rule in these for span in rule.hours or [] for minute in span]
    turning += [minute - 1 for minute in turning if minute]
    minute = draw(st.integers(0, 1439) | st.sampled_from([0, 239, 240, *turning]))
    starts = [(rule.valid_from - FIRST).days if rule.valid_from else rule.valid_delay_days for rule in these]
    day = draw(st.sampled_from(starts).flatmap(lambda start: st.integers(start, start + 9)) | st.integers(0, DAYS))
    at = FIRST + timedelta(days=max(0, day), minutes=minute % 1440)
    edges = [rule.min_cents + (rule.item_cents or 0) + step for rule in these for step in (-1, 0, 1)]
    amount = draw(st.integers(1, 8000) | st.sampled_from([edge for edge in edges if edge > 0]))
    program, tier = draw(st.sampled_from([1, 2])), draw(st.sampled_from([1, 2, 3]))
    store, member_bp = draw(st.sampled_from([1, 2, 3])), draw(st.sampled_from([0, 500, 1000]))
    return At(max(at, claimed), claimed, amount, store, program, tier, member_bp)


class At:
    """A situation in the terms of the till."""

    def __init__(self, at, claimed, amount, store, program, tier, member_bp):
        self.at, self.claimed, self.amount = at, claimed, amount
        self.store, self.program, self.tier, self.member_bp = store, program, tier, member_bp

    def __repr__(self):
        return repr(vars(self))

    def read_by(self, tongue):
        """The same as a reader of that language sees it: by the names on the door and on the card."""
        program, tier = (names[number - 1]._asdict()[tongue] for names, number in self.named)
        wall = {"at": self.at.replace(tzinfo=None), "claimed": self.claimed.replace(tzinfo=None)}
        store = STORES[self.store - 1]
        return Situation(amount=self.amount, store=store, program=program, tier=tier, member_bp=self.member_bp, **wall)

    @property
    def named(self):
        return (PROGRAMS, self.program), (TIERS, self.tier)


# --- The two sides ------------------------------------------------------------------------------------------------


def sentences(draft, cutoff_hour, tongue):
    """What the customer reads of these rules."""
    scope = Scope(
        [Text(STORES[number - 1], STORES[number - 1]) for number in draft.store_ids],
        [PROGRAMS[number - 1] for number in draft.program_ids],
        [TIERS[number - 1] for number in draft.tier_ids],
    )
    said = [terms.sentence(draft, "CNY"), *terms.conditions(draft, ZONE, cutoff_hour=cutoff_hour, scope=scope)]
    return [text._asdict()[tongue] for text in said]


def till(these, now, cutoff_hour):
    """A card that holds a coupon of each of these rules, at the till in this situation."""
    held = tuple(usable(draft, number, now, cutoff_hour) for number, draft in enumerate(these))
    return Standing(
        card_id=1,
        number="1",
        state="active",
        points=0,
        member_id=1,
        member_name="",
        member_phone=None,
        tier_id=now.tier,
        tier_name=TIERS[now.tier - 1],
        discount_bp=now.member_bp,
        points_multiplier_bp=10_000,
        points_per_unit=1,
        store_id=now.store,
        timezone=ZONE,
        cutoff_hour=cutoff_hour,
        currency="CNY",
        coupons=held,
    )


def usable(draft, number, now, cutoff_hour):
    valid_from, valid_until = validity(
        draft.valid_from,
        draft.valid_until,
        draft.valid_days,
        draft.valid_delay_days,
        timezone=ZONE,
        cutoff_hour=cutoff_hour,
        now=now.claimed.astimezone(UTC),
    )
    own = {name: getattr(draft, name) for name in UsableCoupon._fields if name in Draft.__dataclass_fields__}
    own |= {"item_name": draft.item_name and Text(draft.item_name, draft.item_name_en)}
    return UsableCoupon(
        **own
        | {"id": number, "offer_id": number, "name": Text(draft.name, draft.name_en), "state": "claimed"}
        | {"valid_from": valid_from, "valid_until": valid_until}
        | {"is_for_this_store": not draft.store_ids or now.store in draft.store_ids}
        | {"is_for_this_program": not draft.program_ids or now.program in draft.program_ids}
        | {"is_for_this_tier": not draft.tier_ids or now.tier in draft.tier_ids}
    )


def agree(standing, understood, now, tongue):
    """Whether the till does with these coupons, one by one and together, what their sentences say."""
    here = now.read_by(tongue)
    at = now.at.astimezone(UTC)
    usable_now = []
    for number, read in enumerate(understood):
        asked = quoting.price(standing, now.amount, now=at, coupon_ids=(standing.coupons[number].id,))
        promised = may_use(read, here) and takes_off(read, here) > 0
        if promised != bool(asked.coupons) or (promised and asked.payable_cents != to_pay([read], here)):
            return False
        usable_now += [number] if promised else []
    event(f"{len(usable_now)} of {len(understood)} usable")
    return len(usable_now) < 2 or agree_together(standing, understood, now, here)


def agree_together(standing, understood, now, here):
    ids = [coupon.id for coupon in standing.coupons]
    try:
        asked = quoting.price(standing, now.amount, now=now.at.astimezone(UTC), coupon_ids=ids)
    except CouponsNotStackable:
        return not go_together(understood)
    if len(asked.coupons) < len(ids):
        return go_together(understood)  # nothing was left for one of them
    return go_together(understood) and asked.payable_cents == to_pay(understood, here)


# --- What holds ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tongue", READERS)
@pytest.mark.parametrize("cutoff_hour", [0, 4])
@given(data=st.data())
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_the_till_does_what_the_sentences_say(tongue, cutoff_hour, data):
    these = [data.draw(rules(cutoff_hour)) for _ in range(data.draw(st.integers(1, 2)))]
    understood = [READERS[tongue](sentences(draft, cutoff_hour, tongue)) for draft in these]

    for now in data.draw(st.lists(situations(*these), min_size=4, max_size=8)):
        assert agree(till(these, now, cutoff_hour), understood, now, tongue), ([read.said for read in understood], now)


class Shop:
    """The same chain in the database: stores, cards of two programs, a member's card for each situation."""

    def __init__(self):
        self.chain = make_chain(cutoff_hour=4)
        self.stores = [make_store(self.chain, name=name) for name in STORES]
        self.code = make_store_code(self.stores[0])
        first = program_of(self.chain)
        other = Program(chain_id=self.chain.id, is_default=False, name="黑卡", name_en="Black card", created_at=NOON)
        self.programs = [first, save(other)]
        with transaction():
            first.name, first.name_en = PROGRAMS[0]
            db.session.execute(db.delete(Tier))
        self.tiers = [
            save(Tier(chain_id=self.chain.id, program_id=first.id, rank=rank, name=name.zh, name_en=name.en))
            for rank, name in enumerate(TIERS)
        ]

    def offer(self, draft):
        """The draft, running, with the numbers of this database."""
        placed = replace(
            draft,
            store_ids=tuple(self.stores[number - 1].id for number in draft.store_ids),
            program_ids=tuple(self.programs[number - 1].id for number in draft.program_ids),
            tier_ids=tuple(self.tiers[number - 1].id for number in draft.tier_ids),
        )
        with transaction():
            offer = offers.create_offer(self.chain.id, placed, by=SYSTEM, now=NOON)
            return offers.publish(self.chain.id, offer.id, by=SYSTEM, now=NOON)

    def card(self, now):
        card = make_card(self.code)
        with transaction():
            card.program_id, card.tier_id = self.programs[now.program - 1].id, self.tiers[now.tier - 1].id
            db.session.execute(db.update(Tier).values(discount_bp=now.member_bp))
        return card

    def said(self, offer, tongue):
        scope, zone = scopes.scope_of(offer)._replace(has_member_price=True), self.chain.timezone
        said = [terms.sentence(offer, "CNY"), *terms.conditions(offer, zone, cutoff_hour=4, scope=scope)]
        return READERS[tongue]([text._asdict()[tongue] for text in said])


@pytest.mark.parametrize("tongue", READERS)
def test_what_is_stored_holds_from_the_claim_to_the_till(app, tongue):
    shop = Shop()

    @given(data=st.data())
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    def hold(data):
        draft = replace(data.draw(rules(4)), stock=None, per_phone_limit=None)
        assume(not draft.tier_ids or draft.program_ids != (2,))  # the tiers are of the first card
        offer = shop.offer(draft)
        now = data.draw(situations(draft))
        read, here = shop.said(offer, tongue), now.read_by(tongue)
        card = shop.card(now)
        claimed = claim(offer, card, now.claimed)
        is_for_card = (read.programs is None or here.program in read.programs) and (
            read.tiers is None or here.tier in read.tiers
        )
        assert (claimed is not None) == (is_for_card and still_open(offer, now.claimed)), read.said
        if claimed is None:
            return
        promised = may_use(read, here) and takes_off(read, here) > 0
        with reading() as hot:
            asked = quoting.quote(
                hot,
                shop.chain.id,
                shop.stores[now.store - 1].id,
                quoting.Presented(card.number, None),
                now.amount,
                now=now.at.astimezone(UTC),
                coupon_ids=(claimed.id,),
            )
        assert bool(asked.coupons) == promised, read.said
        assert not promised or asked.payable_cents == to_pay([read], here), read.said

    hold()


def claim(offer, card, now):
    """The coupon, or None where the card gets none."""
    try:
        with transaction():
            return claiming.claim(this_transaction(), offer.id, card_id=card.id, now=now.astimezone(UTC))
    except DomainError:
        return None


def still_open(offer, now):
    return offer.valid_until is None or now < offer.valid_until


@pytest.mark.parametrize("tongue", READERS)
@given(draft=rules(0))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_every_limit_on_claiming_is_said_and_no_other(tongue, draft):
    read = READERS[tongue](sentences(draft, 0, tongue))

    assert (read.per_member, read.per_phone) == (draft.per_member_limit, draft.per_phone_limit)
    is_day_felt = draft.per_day_limit is not None and (draft.stock is None or draft.per_day_limit < draft.stock)
    assert read.per_day == (draft.per_day_limit if is_day_felt else None)
    assert read.may_run_out == (draft.stock is not None or draft.budget_cents is not None)
    assert read.may_be_given == draft.may_be_given


@pytest.mark.parametrize("tongue", READERS)
def test_no_two_sentences_say_the_same(tongue):
    draft = base(weekdays=31, hours=[[840, 1020]], stock=9, per_phone_limit=1, store_ids=(1,), tier_ids=(2,))

    said = sentences(draft, 4, tongue)

    assert len(set(said)) == len(said) == 11


# --- The test itself is held: a wrong sentence is found -----------------------------------------------------------


def base(**more):
    return Draft(**({"name": "券", "name_en": "C", "kind": "cash", "value_cents": 500, "valid_days": 9} | more))


SUNDAE = {"item_name": "圣代", "item_name_en": "Sundae", "item_cents": 1200, "value_cents": None}
DATES = {"valid_days": None, "valid_from": start_of(2, 0), "valid_until": start_of(6, 0)}
STACKABLE = {"stacking": "stackable"}
WRONG = [
    ({}, {"value_cents": 501}),
    ({"min_cents": 3000}, {"min_cents": 3001}),
    ({"min_cents": 3000}, {"min_cents": 0}),
    ({"kind": "percent", "value_cents": None, "percent_bp": 1000}, {"percent_bp": 1001}),
    ({"kind": "percent", "value_cents": None, "percent_bp": 1000, "cap_cents": 100}, {"cap_cents": None}),
    (SUNDAE | {"kind": "gift"}, {"item_cents": 1201}),
    (SUNDAE | {"kind": "gift", "min_cents": 100}, {"min_cents": 99}),
    (SUNDAE | {"kind": "fixed_price", "price_cents": 990}, {"price_cents": 989}),
    ({}, {"valid_days": 10}),
    ({}, {"valid_delay_days": 1}),
    (DATES, {"valid_from": start_of(1, 0)}),
    (DATES, {"valid_until": start_of(6, 0) + timedelta(hours=1)}),
    ({"weekdays": 0b11111}, {"weekdays": None}),
    ({"weekdays": 0b11111}, {"weekdays": 0b111111}),
    ({"hours": [[840, 1020]]}, {"hours": None}),
    ({"hours": [[840, 1020]]}, {"hours": [[840, 1021]]}),
    (DATES | {"blackout_dates": ["2026-12-30", "2026-12-31"]}, {"blackout_dates": ["2026-12-30"]}),
    ({"store_ids": (1, 2)}, {"store_ids": (1, 3)}),
    ({"store_ids": (1, 2)}, {"store_ids": ()}),
    ({"program_ids": (1,)}, {"program_ids": ()}),
    ({"tier_ids": (1, 2)}, {"tier_ids": (1,)}),
    ({}, STACKABLE),
    (STACKABLE | {"stack_group": "饮品"}, {"stack_group": None}),
    ({"member_price": "instead"}, {"member_price": "on_top"}),
]


@pytest.mark.parametrize("tongue", READERS)
@pytest.mark.parametrize(("right", "wrong"), WRONG, ids=str)
def test_a_sentence_that_is_wrong_is_found(tongue, right, wrong):
    draft = base(**right)
    other = base(**STACKABLE, stack_group=draft.stack_group)
    said = sentences(replace(draft, **wrong), 0, tongue)
    understood = [READERS[tongue](said), READERS[tongue](sentences(other, 0, tongue))]

    def is_found(now):
        return not agree(till([draft, other], now, 0), understood, now, tongue)

    assert find(situations(draft, other), is_found, settings=FOUND)


@pytest.mark.parametrize("tongue", READERS)
def test_a_sentence_that_nobody_understands_is_found(tongue):
    with pytest.raises(AssertionError, match="not understood"):
        READERS[tongue]([*sentences(base(), 0, tongue), "最终解释权归本店所有"])
