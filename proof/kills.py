"""The same storms while web processes are killed by SIGKILL and started again. Clients ask again under their keys."""

from collections.abc import Sequence

from proof.claims import claim
from proof.scene import Stage, coupons_of, told
from proof.serving import Killing
from proof.shop import count
from proof.storm import CLIENTS, Answer, Request, post, shared

STOCK = 1000
PURCHASES = 150  # each by two tills at once


def all_of(stage: Stage) -> None:
    claims(stage)
    bought = purchases(stage)
    undos(stage, bought)


def claims(stage: Stage) -> None:
    people = stage.shop.people(STOCK + 4 * CLIENTS)
    offer = stage.shop.offer(stock=STOCK)
    answers, note = _storm(stage, [claim(person, offer.id) for person in people])
    got_one = {answer.body["id"] for answer in answers if answer.is_yes}
    stage.table.line(
        f"stock {STOCK}, {len(people)} members claim",
        f"{STOCK} issued, {STOCK} told",
        f"{coupons_of(offer.id)} issued, {len(got_one)} told",
        is_ok=coupons_of(offer.id) == len(got_one) == STOCK and _all_answered(answers),
        note=note,
    )


def purchases(stage: Stage) -> list[int]:
    """Two tills want each coupon, so that half of all must be refused."""
    offer = stage.shop.offer()
    people = stage.shop.people(PURCHASES)
    sales = []
    for person in people:
        coupon_id = stage.shop.coupon(person, offer)
        ticket = stage.ticket(person)
        sales += [stage.sale(ticket, coupons=[coupon_id]) for _ in range(2)]
    answers, note = _storm(stage, sales)
    told_of = {answer.body["id"] for answer in answers if answer.is_yes}
    used = count("SELECT count(*) FROM redemptions WHERE offer_id = :id AND undone_at IS NULL", id=offer.id)
    booked = count(
        "SELECT count(*) FROM checkouts h JOIN redemptions r ON r.checkout_id = h.id WHERE r.offer_id = :id",
        id=offer.id,
    )
    stage.table.line(
        f"{PURCHASES} coupons, two tills redeem each",
        f"{PURCHASES} used, booked and told",
        f"{used} used, {booked} booked, {len(told_of)} told",
        is_ok=used == booked == len(told_of) == PURCHASES and _all_answered(answers),
        note=note,
    )
    return sorted(told_of)


def undos(stage: Stage, checkouts: Sequence[int]) -> None:
    asked = [post(f"/checkouts/{each}/void", stage.shop.till) for each in checkouts for _ in range(2)]
    answers, note = _storm(stage, asked)
    done = sum(answer.is_yes for answer in answers)
    voided = count("SELECT count(*) FROM checkouts WHERE state = 'voided' AND id >= :id", id=min(checkouts))
    stage.table.line(
        f"{len(checkouts)} checkouts, two tills undo each",
        f"{len(checkouts)} undone and told",
        f"{voided} undone, {done} told",
        is_ok=voided == done == len(checkouts) and _all_answered(answers),
        note=note,
    )


def _storm(stage: Stage, requests: Sequence[Request]) -> tuple[list[Answer], str]:
    with Killing(stage.server) as killing:
        answers = stage.storm(shared(requests))
    again = sum(answer.tries - 1 for answer in answers)
    replays = sum(answer.is_replay for answer in answers)
    return answers, f"{killing.kills} killed, {again} asked again, {replays} of them had been done: {told(answers)}"


def _all_answered(answers: Sequence[Answer]) -> bool:
    """No request was left without an answer, and none failed within."""
    return all(200 <= answer.status < 500 for answer in answers)
