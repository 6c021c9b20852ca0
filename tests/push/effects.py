"""Random campaigns in a random life of a chain, kept as plain lists: what is asked of the tables is counted slowly."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from checkout.models import Checkout, Redemption
from core.db import db, transaction
from core.hot import moment
from coupons.models import Coupon, Offer
from push.audiences.chance import of_campaign, of_chain
from push.models import Campaign, Delivery, DeliveryState, PushPolicy, Run, SkipReason
from push.wording.models import CampaignLink, Click
from tests.factories import make_offer
from tests.sharing import stories
from tests.sharing.stories import BEGINNING, Person, Story

CHANNELS = ("inbox", "email", "gateway")
UNREACHED = ("opted_out", "no_address", "card_inactive")
HELD_BP, CHAIN_BP = 3000, 1500
URLS = ("https://shop.example/a", "https://shop.example/b")
_codes = count(1)
Groups = dict[tuple[bool, str], list[tuple[int, bool, bool]]]


@dataclass
class Told:
    """A campaign with everything that belongs to it."""

    life: Story
    campaign: Campaign
    runs: list[Run] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    clicks: list[Click] = field(default_factory=list)
    redemptions: list[Redemption] = field(default_factory=list)

    @property
    def checkouts(self) -> dict[int, Checkout]:
        return {each.id: each for person in self.life.people for each in person.purchases}


def tell(seed: int, *, members: int = 60, is_held_by_chain: bool = False) -> Told:
    """Two campaigns over two months of a chain, with coupons, clicks and purchases; it is asked about the first."""
    random = Random(seed)
    life = stories.tell(seed, members=members)
    offer = make_offer(life.chain)
    with transaction():
        db.session.add(PushPolicy(chain_id=life.chain.id, global_holdout_bp=CHAIN_BP))
    told = _campaign(random, life, offer, 0 if is_held_by_chain else HELD_BP)
    _campaign(random, life, offer, HELD_BP)
    return told


def _campaign(random: Random, life: Story, offer: Offer, held_bp: int) -> Told:
    variants = [{"label": "A", "share_bp": 5000}, {"label": "B", "share_bp": 5000}]
    text = {"title": "周五", "title_en": "", "body": "半价", "body_en": "", "variants": variants}
    campaign = Campaign(
        chain_id=life.chain.id, offer_id=offer.id, name="周五", audience={}, channels=list(CHANNELS),
        holdout_bp=held_bp, schedule={"kind": "now"}, state="finished", created_by="staff:1",
        created_at=BEGINNING, **text,
    )  # fmt: skip
    told = Told(life, campaign)
    with transaction():
        db.session.add(campaign)
        db.session.flush()
        links = [CampaignLink(chain_id=life.chain.id, campaign_id=campaign.id, url=url) for url in URLS]
        db.session.add_all(links)
        for after in sorted(random.sample(range(10, 55), 2)):
            due = BEGINNING + timedelta(
                days=after, minutes=random.randrange(1440), microseconds=random.randrange(10**6)
            )
            run = Run(
                chain_id=life.chain.id, campaign_id=campaign.id, offer_id=offer.id, due_at=due, started_at=due,
                send_until=due + timedelta(days=1), state="finished", finished_at=due, **text,
            )  # fmt: skip
            db.session.add(run)
            db.session.flush()
            told.runs.append(run)
            for person in life.people:
                if person.joined_at <= due and random.random() < 0.8:
                    _tell(random, told, run, person, links, held_bp)
    return told


def _tell(random: Random, told: Told, run: Run, person: Person, links: list[CampaignLink], held_bp: int) -> None:
    """One member in one run: a message over each channel, perhaps with a coupon that he uses."""
    is_held = of_campaign(run.campaign_id).lot(person.id) < held_bp or of_chain(run.chain_id).lot(person.id) < CHAIN_BP
    coupon = None if is_held or random.random() < 0.3 else _coupon(random, told, run, person)
    for channel in CHANNELS[: random.randint(1, 3)]:
        state, reason = _outcome(random, is_held=is_held)
        sent_at = run.started_at if state in ("sent", "delivered") else None
        could_be_told = reason in UNREACHED and not is_held and random.random() < 0.5  # when the audience was frozen
        delivery = Delivery(
            chain_id=run.chain_id, campaign_id=run.campaign_id, run_id=run.id, member_id=person.id,
            card_id=person.card.id, channel=channel, variant="AB"[person.id % 2], state=state, reason=reason,
            due_at=run.due_at, attempts=1, first_tried_at=run.started_at if could_be_told else None,
            sent_at=sent_at, coupon_id=coupon.id if coupon and sent_at else None,
            read_at=sent_at if sent_at and random.random() < 0.4 else None,
        )  # fmt: skip
        db.session.add(delivery)
        db.session.flush()
        told.deliveries.append(delivery)
        for link in links if sent_at and random.random() < 0.4 else []:
            if random.random() < 0.7:
                _click(random, told, delivery, link)


def _outcome(random: Random, *, is_held: bool) -> tuple[str, str | None]:
    if random.random() < 0.2:
        return "skipped", random.choice(UNREACHED)
    if is_held:
        return "skipped", SkipReason.HOLDOUT.value
    return random.choice(
        [
            ("sent", None),
            ("sent", None),
            ("delivered", None),
            ("failed", None),
            ("skipped", "capped"),
            ("pending", None),
        ]
    )


def _click(random: Random, told: Told, delivery: Delivery, link: CampaignLink) -> None:
    at = told.runs[-1].started_at + timedelta(minutes=random.randrange(5000))
    click = Click(
        delivery_id=delivery.id, link_id=link.id, chain_id=delivery.chain_id, campaign_id=delivery.campaign_id,
        first_at=at, last_at=at, count=random.randint(1, 4),
    )  # fmt: skip
    delivery.read_at = delivery.read_at or at
    db.session.add(click)
    told.clicks.append(click)


def _coupon(random: Random, told: Told, run: Run, person: Person) -> Coupon:
    number = next(_codes)
    coupon = Coupon(
        chain_id=run.chain_id, offer_id=run.offer_id, card_id=person.card.id, member_id=person.id,
        code=f"c{number:012d}", ordinal=_next_ordinal(told, person), source="campaign", valid_from=run.started_at,
        valid_until=run.started_at + timedelta(days=90), claimed_at=run.started_at,
    )  # fmt: skip
    db.session.add(coupon)
    db.session.flush()
    bought = [each for each in person.purchases if each.settled_at or each.state == "reserved"]
    if bought and random.random() < 0.6:
        _redeem(random, told, coupon, random.choice(bought))
    return coupon


def _next_ordinal(told: Told, person: Person) -> int:
    return 1 + (db.session.scalar(db.select(db.func.count()).select_from(Coupon).filter_by(member_id=person.id)) or 0)


def _redeem(random: Random, told: Told, coupon: Coupon, checkout: Checkout) -> None:
    """Undone where the purchase was, and sometimes before it was settled."""
    at = moment(checkout.settled_at) if checkout.settled_at else None
    is_undone = checkout.state == "voided" or random.random() < 0.1
    redemption = Redemption(
        chain_id=coupon.chain_id, checkout_id=checkout.id, coupon_id=coupon.id, offer_id=coupon.offer_id,
        store_id=checkout.store_id, discount_cents=100, redeemed_at=at, undone_at=at if is_undone else None,
    )  # fmt: skip
    db.session.add(redemption)
    told.redemptions.append(redemption)


# --- counted slowly --------------------------------------------------------------------------------------------------


def part_of(told: Told, chosen: list[Delivery]) -> dict[str, int]:
    """What became of these messages."""
    sent = [each for each in chosen if each.state in (DeliveryState.SENT, DeliveryState.DELIVERED)]
    clicked = {click.delivery_id for click in told.clicks}
    coupons = {each.coupon_id for each in chosen if each.coupon_id}
    used = [
        (each, told.checkouts[each.checkout_id])
        for each in told.redemptions
        if each.coupon_id in coupons and each.undone_at is None and each.redeemed_at is not None
    ]
    run_of = {each.coupon_id: each.run_id for each in chosen}
    bought = {
        (run_of[each.coupon_id], checkout.id): checkout.payable_cents - checkout.refunded_cents
        for each, checkout in used
        if checkout.state == "settled"
    }
    return {
        "audience": len(chosen),
        "sent": len(sent),
        "delivered": sum(each.state == DeliveryState.DELIVERED for each in chosen),
        "opened": sum(each.read_at is not None for each in chosen),
        "clicked": sum(each.id in clicked for each in chosen),
        "coupons": len(coupons),
        "redeemed": len(used),
        "spend_cents": sum(bought.values()),
    }


def groups_of(
    told: Told, days: int, now: datetime, runs: list[Run]
) -> dict[tuple[bool, str], list[tuple[int, bool, bool]]]:
    """By (held out, variant): what each member spent in his days, whether he bought, whether he used a coupon."""
    redeemed = {each.checkout_id for each in _all_redemptions() if each.undone_at is None}
    by_chain = told.campaign.holdout_bp == 0
    found: Groups = {}
    for person in told.life.people:
        mine = [
            (run, each)
            for run in runs
            for each in told.deliveries
            if each.run_id == run.id and each.member_id == person.id
            and (each.reason not in UNREACHED or each.first_tried_at)
        ]  # fmt: skip
        if not mine or (not by_chain and of_chain(told.life.chain.id).lot(person.id) < CHAIN_BP):
            continue
        since = min(run.started_at for run, _ in mine)
        if since > now - timedelta(days=days):
            continue
        bought = [
            each
            for each in person.purchases
            if each.state == "settled" and since <= moment(each.settled_at) < since + timedelta(days=days)
        ]
        net = [each.payable_cents - each.refunded_cents for each in bought]
        key = (any(each.reason == "holdout" for _, each in mine), mine[0][1].variant)
        used = any(each.id in redeemed for each in bought)
        found.setdefault(key, []).append((sum(net), any(each > 0 for each in net), used))
    return found


def _all_redemptions() -> list[Any]:
    return list(db.session.scalars(db.select(Redemption)))
