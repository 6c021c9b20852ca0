"""Storms over an offer: whatever it limits is given out exactly, and not one more."""

from proof.scene import Stage, coupons_of, told
from proof.shop import Person
from proof.storm import CLIENTS, Answer, Request, post, shared

STOCKS = (1, 100, 1000)


def all_of(stage: Stage) -> None:
    for stock in STOCKS:
        of_stock(stage, stock)
    per_member(stage)
    per_day(stage)
    per_phone(stage)
    within_budget(stage)
    all_limits(stage)
    one_key(stage)


def claim(person: Person, offer_id: int, key: str | None = None) -> Request:
    return post(f"/offers/{offer_id}/coupons", person.token, key=key)


def of_stock(stage: Stage, stock: int) -> None:
    people = stage.shop.people(max(2 * CLIENTS, stock + 4 * CLIENTS))
    offer = stage.shop.offer(stock=stock)
    answers = stage.storm(shared([claim(person, offer.id) for person in people]))
    _line(stage, f"stock {stock}, {len(people)} members claim", offer.id, stock, len(people), "offer_sold_out", answers)


def per_member(stage: Stage) -> None:
    (person,) = stage.shop.people(1)
    offer = stage.shop.offer(per_member_limit=3)
    answers = stage.storm(shared([claim(person, offer.id) for _ in range(CLIENTS)]))
    _line(stage, f"3 per member, one claims {CLIENTS} times", offer.id, 3, CLIENTS, "offer_limit_reached", answers)


def per_day(stage: Stage) -> None:
    people = stage.shop.people(2 * CLIENTS)
    offer = stage.shop.offer(per_day_limit=50)
    answers = stage.storm(shared([claim(person, offer.id) for person in people]))
    _line(stage, f"50 a day, {len(people)} claim", offer.id, 50, len(people), "offer_day_limit_reached", answers)


def per_phone(stage: Stage) -> None:
    people = stage.shop.people(CLIENTS)
    stage.shop.verify_phone(people, "+8613900000001")
    offer = stage.shop.offer(per_phone_limit=3)
    answers = stage.storm(shared([claim(person, offer.id) for person in people]))
    what = f"3 per phone, {CLIENTS} wallets with the same phone claim"
    _line(stage, what, offer.id, 3, CLIENTS, "offer_phone_limit_reached", answers)


def within_budget(stage: Stage) -> None:
    people = stage.shop.people(2 * CLIENTS)
    offer = stage.shop.offer(value_cents=500, budget_cents=10_250)
    answers = stage.storm(shared([claim(person, offer.id) for person in people]))
    what = f"budget of 102.50 at 5 each, {len(people)} claim"
    _line(stage, what, offer.id, 20, len(people), "offer_budget_spent", answers)


def all_limits(stage: Stage) -> None:
    """The narrowest decides: the budget of 30 coupons, under 50 a day, in a stock of 40."""
    people = stage.shop.people(2 * CLIENTS)
    offer = stage.shop.offer(value_cents=500, budget_cents=15_000, per_day_limit=50, stock=40)
    answers = stage.storm(shared([claim(person, offer.id) for person in people]))
    what = f"budget for 30, 50 a day, stock 40, {len(people)} claim"
    _line(stage, what, offer.id, 30, len(people), "offer_budget_spent", answers)


def one_key(stage: Stage) -> None:
    """The same request from everywhere is one claim, and everybody gets its coupon."""
    (person,) = stage.shop.people(1)
    offer = stage.shop.offer(per_member_limit=100)
    answers = stage.storm(shared([claim(person, offer.id, "the-same-key") for _ in range(CLIENTS)]))
    ids = {answer.body["id"] for answer in answers if answer.is_yes}
    got = f"{coupons_of(offer.id)} coupon, {told(answers)}, {len(ids)} id"
    stage.table.line(f"one claim sent {CLIENTS} times under one key", f"1 coupon, {CLIENTS} yes, 1 id", got)


def _line(stage: Stage, what: str, offer_id: int, most: int, asked: int, refusal: str, answers: list[Answer]) -> None:
    expected = f"{most} issued: {most} yes, {asked - most} {refusal}"
    stage.table.line(what, expected, f"{coupons_of(offer_id)} issued: {told(answers)}")
