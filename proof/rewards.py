"""Storms over sharing: one edge for each friend, one reward for each edge, no more than the budget, taken back once.

Friends come and tills undo over HTTP, while several clocks read what happens and reward it, all at the same time.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, current_app

from cards import wallets
from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from core.hot import this_transaction
from core.tokens import hashed, new_secret
from proof.scene import Stage, coupons_of, points_of, told
from proof.shop import Person, count
from proof.storm import CLIENTS, Request, post, shared
from sharing import fraud_settings, reward_rules, rewarding
from sharing.reward_models import FraudAction, RewardRule, RewardState, RewardTrigger
from stores.models import Role
from tests.factories import make_key

CLOCKS = 3
UNDOERS = 16
COST = 500  # of a coupon
EDGES = "SELECT count(*) FROM referrals WHERE referrer_id = :id"
REWARDS = "SELECT count(*) FROM rewards WHERE rule_id = :id"
IN_STATE = f"{REWARDS} AND state = :state"


def all_of(stage: Stage) -> None:
    _judge_nobody(stage)
    many_wallets(stage)
    one_wallet(stage)
    within_budget(stage)
    undone_purchase(stage)
    taken_back(stage)


def many_wallets(stage: Stage) -> None:
    sharer, token = _sharer(stage)
    with _rule(stage) as rule, _clocks(stage):
        answers = stage.storm(shared([_take(token, wallet) for wallet in _wallets(CLIENTS)]))
    given = count(IN_STATE, id=rule.id, state=RewardState.APPROVED)
    stage.table.line(
        f"one link, {CLIENTS} wallets take the card through it, {CLOCKS} clocks reward",
        f"{CLIENTS} edges, {CLIENTS} rewards: {CLIENTS} yes",
        f"{count(EDGES, id=sharer.member_id)} edges, {given} rewards: {told(answers)}",
    )


def one_wallet(stage: Stage) -> None:
    sharer, token = _sharer(stage)
    (wallet,) = _wallets(1)
    with _rule(stage) as rule, _clocks(stage):
        answers = stage.storm(shared([_take(token, wallet) for _ in range(CLIENTS)]))
    stage.table.line(
        f"one link, one wallet takes the card {CLIENTS} times",
        f"1 edge, 1 reward: {CLIENTS} yes, 1 card",
        f"{count(EDGES, id=sharer.member_id)} edge, {count(REWARDS, id=rule.id)} reward: {told(answers)}, "
        f"{len({answer.body['number'] for answer in answers if answer.is_yes})} card",
    )


def within_budget(stage: Stage) -> None:
    _, token = _sharer(stage)
    offer = stage.shop.offer(value_cents=COST, per_member_limit=100)
    gift = {"referrer_points": None, "referrer_offer_id": offer.id}
    with _rule(stage, **gift, budget_cents=10 * COST + COST // 2) as rule, _clocks(stage):
        answers = stage.storm(shared([_take(token, wallet) for wallet in _wallets(CLIENTS)]))
    given, refused = (count(IN_STATE, id=rule.id, state=s) for s in (RewardState.APPROVED, RewardState.REJECTED))
    stage.table.line(
        f"reward budget for 10, {CLIENTS} wallets take the card",
        f"10 given, {CLIENTS - 10} refused, 10 coupons: {CLIENTS} yes",
        f"{given} given, {refused} refused, {coupons_of(offer.id)} coupons: {told(answers)}",
    )


def undone_purchase(stage: Stage) -> None:
    """A friend's first purchase is undone by many tills at once, its reward is given already."""
    sharer, token = _sharer(stage)
    (wallet,) = _wallets(1)
    purchase: dict[str, Any] = {"trigger": RewardTrigger.FIRST_PURCHASE, "min_cents": 100, "within_days": 30}
    with _rule(stage, **purchase) as rule:
        with _clocks(stage):
            stage.ask(_take(token, wallet))
            checkout = stage.ask(stage.sale(stage.ticket(_person(wallet))))
        given = points_of(sharer)
        with _clocks(stage):
            voids = [post(f"/checkouts/{checkout['id']}/void", stage.shop.till) for _ in range(UNDOERS)]
            answers = stage.storm(shared(voids))
    taken = count(IN_STATE, id=rule.id, state=RewardState.CLAWED_BACK)
    booked = count("SELECT count(*) FROM point_entries WHERE card_id = :id AND delta < 0", id=sharer.card_id)
    stage.table.line(
        f"a rewarded first purchase, {UNDOERS} tills undo it",
        f"1 given, 1 taken back by 1 line, 0 left: 1 yes, {UNDOERS - 1} checkout_already_voided",
        f"{given} given, {taken} taken back by {booked} line, {points_of(sharer)} left: {told(answers)}",
    )


def taken_back(stage: Stage) -> None:
    """Head office takes one reward back, from many desks at once."""
    sharer, token = _sharer(stage)
    (wallet,) = _wallets(1)
    with _rule(stage, referrer_points=100) as rule, _clocks(stage):
        stage.ask(_take(token, wallet))
    reward_id = count("SELECT id FROM rewards WHERE rule_id = :id", id=rule.id)
    given, key = points_of(sharer), make_key(stage.shop.chain, Role.HQ_ADMIN)
    desks = [post(f"/rewards/{reward_id}/claw-back", key, {"reason": "proof"}) for _ in range(UNDOERS)]
    answers = stage.storm(shared(desks))
    stage.table.line(
        f"one reward of 100 points, {UNDOERS} take it back",
        f"100 given, 0 left: 1 yes, {UNDOERS - 1} reward_state_forbids",
        f"{given} given, {points_of(sharer)} left: {told(answers)}",
    )


def _judge_nobody(stage: Stage) -> None:
    """A storm looks like fraud, and is meant to."""
    off = [(rule, setting._replace(action=FraudAction.OFF)) for rule, setting in fraud_settings.DEFAULTS.items()]
    with transaction():
        fraud_settings.set_settings(stage.shop.chain.id, off, by=SYSTEM, now=utc_now())


def _sharer(stage: Stage) -> tuple[Person, str]:
    """A member, and the token of a link that he made."""
    (sharer,) = stage.shop.people(1)
    number = db.session.scalar(db.text("SELECT number FROM cards WHERE id = :id"), {"id": sharer.card_id})
    link = stage.ask(post(f"/cards/{number}/share-links", sharer.token, {"channel": "group"}))
    return sharer, str(link["token"])


def _wallets(count: int) -> list[str]:
    """So many phones without a card, by their secrets."""
    secrets = [new_secret() for _ in range(count)]
    with transaction():
        for secret in secrets:
            wallets.open_wallet(this_transaction(), hashed(secret), language="en", now=utc_now())
    return secrets


def _person(wallet: str) -> Person:
    """Whose wallet has this secret and one card."""
    db.session.rollback()
    row = db.session.execute(
        db.text(
            "SELECT w.id, k.id, k.member_id FROM wallets w JOIN cards k ON k.wallet_id = w.id WHERE w.key_hash = :hash"
        ),
        {"hash": hashed(wallet)},
    ).one()
    return Person(row[0], wallet, row[1], row[2])


def _take(token: str, wallet: str) -> Request:
    return post(f"/share-links/{token}/cards", wallet)


@contextmanager
def _rule(stage: Stage, **more: Any) -> Iterator[RewardRule]:
    """A rule that gives the referrer 1 point at once, for a card unless it says otherwise."""
    values: dict[str, Any] = {
        "name": "荐友有礼",
        "name_en": "Bring a friend",
        "trigger": RewardTrigger.CARD_ISSUED,
        "hold_days": 0,
        "referrer_points": 1,
    } | more
    chain_id = stage.shop.chain.id
    with transaction():
        rule = reward_rules.create_rule(chain_id, reward_rules.RuleDraft(**values), by=SYSTEM, now=utc_now())
        reward_rules.start_rule(chain_id, rule.id, by=SYSTEM, now=utc_now())
    yield rule
    with transaction():
        reward_rules.end_rule(chain_id, rule.id, by=SYSTEM, now=utc_now())


@contextmanager
def _clocks(stage: Stage) -> Iterator[None]:
    """Several clocks that all believe to have the duty, while the block runs and until nothing is left to do."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    over, chain_id, broken = threading.Event(), stage.shop.chain.id, list[str]()

    def tick() -> None:
        with app.app_context():
            while True:
                is_last = over.is_set()
                try:
                    done = rewarding.earn_batch(chain_id, now=utc_now()) + rewarding.give_due_batch(
                        chain_id, now=utc_now()
                    )
                except Exception as error:
                    broken.append(repr(error))
                    return
                finally:
                    db.session.remove()
                if is_last and not done:
                    return

    clocks = [threading.Thread(target=tick) for _ in range(CLOCKS)]
    for clock in clocks:
        clock.start()
    try:
        yield
    finally:
        over.set()
        for clock in clocks:
            clock.join()
    if broken:
        stage.table.line("every clock goes on", "no failure", broken[0][:200])
