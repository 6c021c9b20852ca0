"""Storms over one purchase: a coupon is used once, undone once, and no point or cent is spent or handed back twice."""

from cards import ledger
from core.clock import utc_now
from core.db import transaction
from proof.scene import Stage, in_use, points_of, told
from proof.shop import Person, count
from proof.storm import CLIENTS, post, shared

COUPONS = 16  # of the member whose coupons many tills want at once


def all_of(stage: Stage) -> None:
    redeem(stage)
    one_key(stage)
    undo(stage)
    points(stage)
    overlapping(stage)
    reserve(stage)
    confirm_or_release(stage)
    refunds(stage)
    undo_or_refund(stage)
    gift(stage)


def redeem(stage: Stage) -> None:
    (person,) = stage.shop.people(1)
    coupon_id = stage.shop.coupon(person, stage.shop.offer())
    ticket = stage.ticket(person)
    answers = stage.storm(shared([stage.sale(ticket, coupons=[coupon_id]) for _ in range(CLIENTS)]))
    got = f"{in_use(coupon_id)} used: {told(answers)}"
    stage.table.line(
        f"one coupon, {CLIENTS} tills redeem it", f"1 used: 1 yes, {CLIENTS - 1} coupon_already_redeemed", got
    )


def one_key(stage: Stage) -> None:
    (person,) = stage.shop.people(1)
    coupon_id = stage.shop.coupon(person, stage.shop.offer())
    sale = stage.sale(stage.ticket(person), coupons=[coupon_id])
    answers = stage.storm(shared([sale] * CLIENTS))
    ids = {answer.body["id"] for answer in answers if answer.is_yes}
    booked = count("SELECT count(*) FROM checkouts WHERE card_id = :id", id=person.card_id)
    stage.table.line(
        f"one purchase sent {CLIENTS} times under one key",
        f"1 booked, {CLIENTS} yes, 1 id",
        f"{booked} booked, {told(answers)}, {len(ids)} id",
    )


def undo(stage: Stage) -> None:
    (person,) = stage.shop.people(1)
    coupon_id = stage.shop.coupon(person, stage.shop.offer())
    before = points_of(person)
    checkout = stage.ask(stage.sale(stage.ticket(person), coupons=[coupon_id]))
    path = f"/checkouts/{checkout['id']}/void"
    answers = stage.storm(shared([post(path, stage.shop.till) for _ in range(CLIENTS)]))
    is_back = in_use(coupon_id) == 0 and points_of(person) == before
    got = f"{told(answers)}, {'all as before' if is_back else 'not as before'}"
    stage.table.line(
        f"one checkout, {CLIENTS} tills undo it",
        f"1 yes, {CLIENTS - 1} checkout_already_voided, all as before",
        got,
    )


def points(stage: Stage) -> None:
    """100 points, and every till wants 10 of them."""
    (person,) = stage.shop.people(1)
    give_points(person, 100)
    ticket = stage.ticket(person)
    answers = stage.storm(shared([stage.sale(ticket, amount_cents=90, use_points=10) for _ in range(CLIENTS)]))
    got = f"{points_of(person)} left: {told(answers)}"
    stage.table.line(
        f"100 points, {CLIENTS} tills spend 10 each", f"0 left: 10 yes, {CLIENTS - 10} points_not_enough", got
    )


def overlapping(stage: Stage) -> None:
    """Each till takes a coupon and its neighbour: none goes twice, and no two neighbours are left over."""
    (person,) = stage.shop.people(1)
    offer = stage.shop.offer(stacking="stackable", per_member_limit=COUPONS, value_cents=100)
    coupons = [stage.shop.coupon(person, offer) for _ in range(COUPONS)]
    ticket = stage.ticket(person)
    pairs = [[coupons[number % COUPONS], coupons[(number + 1) % COUPONS]] for number in range(CLIENTS)]
    answers = stage.storm(shared([stage.sale(ticket, amount_cents=90_000, coupons=pair) for pair in pairs]))
    booked = sum(answer.is_yes for answer in answers)
    used = [in_use(coupon_id) for coupon_id in coupons]
    twice = "one twice" if max(used) > 1 else "none twice"
    is_left = any(used[number] == used[(number + 1) % COUPONS] == 0 for number in range(COUPONS))
    stage.table.line(
        f"{COUPONS} coupons, {CLIENTS} tills take overlapping pairs",
        "2 a checkout, none twice, no pair left",
        f"{sum(used)} in {booked}, {twice}, {'a' if is_left else 'no'} pair left",
        is_ok=sum(used) == 2 * booked > 0 and max(used) == 1 and not is_left,
        note=told(answers),
    )


def reserve(stage: Stage) -> None:
    (person,) = stage.shop.people(1)
    coupon_id = stage.shop.coupon(person, stage.shop.offer())
    ticket = stage.ticket(person)
    sales = [stage.sale(ticket, path="/checkouts/reservations", coupons=[coupon_id]) for _ in range(CLIENTS)]
    answers = stage.storm(shared(sales))
    got = f"{in_use(coupon_id)} reserved: {told(answers)}"
    stage.table.line(f"one coupon, {CLIENTS} tills reserve it", f"1 reserved: 1 yes, {CLIENTS - 1} coupon_on_hold", got)


def confirm_or_release(stage: Stage) -> None:
    (person,) = stage.shop.people(1)
    coupon_id = stage.shop.coupon(person, stage.shop.offer())
    reserved = stage.ask(stage.sale(stage.ticket(person), path="/checkouts/reservations", coupons=[coupon_id]))
    ends = [f"/checkouts/{reserved['id']}/{('confirm', 'release')[number % 2]}" for number in range(CLIENTS)]
    answers = stage.storm(shared([post(path, stage.shop.till) for path in ends]))
    settled = count("SELECT count(*) FROM checkouts WHERE id = :id AND state = 'settled'", id=reserved["id"])
    is_whole = in_use(coupon_id) == settled
    stage.table.line(
        f"one reservation, {CLIENTS // 2} tills confirm it, {CLIENTS // 2} release it",
        f"1 yes, {CLIENTS - 1} checkout_not_reserved, whole",
        f"{told(answers)}, {'whole' if is_whole else 'half'}",
        note="confirmed" if settled else "released",
    )


def refunds(stage: Stage) -> None:
    (person,) = stage.shop.people(1)
    before = points_of(person)
    checkout = stage.ask(stage.sale(stage.ticket(person), amount_cents=10_000))
    part = checkout["payable_cents"] // 10
    refund = {"amount_cents": part}
    path = f"/checkouts/{checkout['id']}/refunds"
    answers = stage.storm(shared([post(path, stage.shop.till, refund) for _ in range(CLIENTS)]))
    handed_back = count("SELECT sum(amount_cents) FROM refunds WHERE checkout_id = :id", id=checkout["id"])
    is_back = points_of(person) == before and handed_back == checkout["payable_cents"]
    stage.table.line(
        f"one checkout, {CLIENTS} refunds of a tenth",
        f"10 yes, {CLIENTS - 10} refund_too_much, all back",
        f"{told(answers)}, {'all back' if is_back else f'{handed_back} back'}",
    )


def undo_or_refund(stage: Stage) -> None:
    (person,) = stage.shop.people(1)
    before = points_of(person)
    checkout = stage.ask(stage.sale(stage.ticket(person)))
    path = f"/checkouts/{checkout['id']}"
    asked = [
        post(f"{path}/void", stage.shop.till)
        if number % 2
        else post(f"{path}/refunds", stage.shop.till, {"amount_cents": checkout["payable_cents"]})
        for number in range(CLIENTS)
    ]
    answers = stage.storm(shared(asked))
    done = sum(answer.is_yes for answer in answers)
    is_back = points_of(person) == before
    stage.table.line(
        f"one checkout, {CLIENTS // 2} tills undo it, {CLIENTS // 2} refund it wholly",
        "1 done, points as before",
        f"{done} done, points {'as before' if is_back else 'not as before'}",
        note=told(answers),
    )


def gift(stage: Stage) -> None:
    giver, *friends = stage.shop.people(1 + CLIENTS)
    offer = stage.shop.offer()
    coupon_id = stage.shop.coupon(giver, offer)
    token = stage.ask(post(f"/coupons/{coupon_id}/gifts", giver.token))["token"]
    answers = stage.storm(shared([post(f"/coupon-gifts/{token}/accept", friend.token) for friend in friends]))
    alive = count("SELECT count(*) FROM coupons WHERE offer_id = :id AND state <> 'void'", id=offer.id)
    yes = sum(answer.is_yes for answer in answers)
    stage.table.line(
        f"one coupon given, {CLIENTS} friends take it",
        f"1 coupon: 1 yes, {CLIENTS - 1} refused",
        f"{alive} coupon: {yes} yes, {len(answers) - yes} refused",
        note=told(answers),
    )


def give_points(person: Person, points: int) -> None:
    with transaction():
        ledger.add(person.card_id, points, cause="import", now=utc_now())
        ledger.add_progress(person.card_id, points=points, cents=0)
