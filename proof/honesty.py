"""``python -m proof.honesty``: do the fraud rules tell honest people from dishonest ones?

Thousands of people are drawn from a seed (proof/society.py): we know of each whether he is honest. What they do is done
again by the application's own functions, in the order of time: links, cards, phones, purchases, refunds; the clock
earns, holds and gives rewards in between. Then each rule and each kind of people gets its line: how many of those whom
it found are dishonest (precision), how many of the dishonest it found (recall). Ends with status 1 below the bounds.

A simulation knows only what we have imagined: docs/decisions/fraud.md says what its figures mean.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from flask import current_app
from sqlalchemy import select

from app.factory import create_app
from app.traces import trace_of_browser
from benchmarks.serving import migrate
from cards import phones, wallets
from cards.models import Card, Program
from cards.rotating_code import shown_code
from checkout import quoting, refunding, settling
from core.audit import SYSTEM, Author
from core.db import db, transaction
from core.hot import this_transaction
from core.tokens import hashed
from proof.scene import Stage
from proof.society import DAY, DISHONEST, HONEST, HOUR, Deed, Person, Place, imagine
from proof.table import Table, say
from sharing import joining, linking, reward_rules, rewarding
from sharing.fraud_settings import DEFAULTS
from sharing.models import Referral
from sharing.reward_models import FraudAction, FraudFinding, FraudRule, Reward, RewardState, RewardTrigger
from sharing.reward_rules import RuleDraft
from sharing.traces import Trace
from stores.models import Chain, Role
from tests import postgres_server
from tests.factories import make_chain, make_store, make_store_code

SEED, BEGIN = 7, datetime(2026, 3, 2, tzinfo=UTC)
SMALL = 0.1  # of everybody, as a part of ``make proof``
AFTER = 40 * DAY  # until the last reward is due
TITLES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
WIDTHS = (24, 11, 10, 10, 10, 12, 12)
CARD_RULE = RuleDraft(
    "好友入会", "A friend joins", RewardTrigger.CARD_ISSUED, hold_days=14, referrer_points=50, friend_points=20
)
PURCHASE_RULE = RuleDraft(
    "好友首单",
    "A friend's first purchase",
    RewardTrigger.FIRST_PURCHASE,
    min_cents=2000,
    within_days=30,
    hold_days=7,
    referrer_points=100,
    friend_points=50,
)


class Bound(NamedTuple):
    """A figure of the whole, and what it must not fall below or rise above."""

    what: str
    least: float | None = None
    most: float | None = None


BOUNDS = {
    "rejected_precision": Bound("of the rejected are dishonest", least=0.95),
    "found_precision": Bound("of the rejected and flagged are dishonest", least=0.75),
    "found_recall": Bound("of the dishonest are rejected or flagged", least=0.75),
    "paid_dishonest": Bound("of the dishonest brought somebody a reward", most=0.25),
    "rejected_honest": Bound("of the honest are rejected", most=0.01),
    "flagged_honest": Bound("of the honest are flagged", most=0.2),
}


class Outcome(NamedTuple):
    """What became of one friend."""

    story: str
    rules: frozenset[str]
    action: str  # "", "flag", "reject"
    is_paid: bool  # somebody got a reward for him and keeps it
    is_held: bool  # a reward waits for a person, or was refused, for a fraud rule

    @property
    def is_dishonest(self) -> bool:
        return self.story in DISHONEST


@dataclass
class Life:
    """The chain in which all of it happens."""

    secret: str
    chain_id: int = 0
    store_id: int = 0
    code: str = ""
    program: Any = None
    cards: dict[int, Card] = field(default_factory=dict)
    wallets: dict[int, int] = field(default_factory=dict)
    links: dict[int, str] = field(default_factory=dict)
    checkouts: dict[int, int] = field(default_factory=dict)
    ticked_at: datetime = BEGIN
    given_at: datetime = BEGIN

    def begin(self) -> None:
        chain = make_chain("honesty")
        store = make_store(chain)
        self.chain_id, self.store_id, self.code = chain.id, store.id, make_store_code(store).token
        self.program = db.session.scalars(select(Program).filter_by(chain_id=chain.id)).one()
        for draft in (CARD_RULE, PURCHASE_RULE):
            with transaction():
                rule = reward_rules.create_rule(chain.id, draft, by=SYSTEM, now=BEGIN - 9 * DAY)
                reward_rules.start_rule(chain.id, rule.id, by=SYSTEM, now=BEGIN - 9 * DAY)

    def live(self, deeds: Iterable[Deed]) -> None:
        for deed in deeds:
            self.tick(deed.at)
            with transaction():
                getattr(self, deed.kind)(deed)

    def tick(self, now: datetime) -> None:
        """As the clock does every few seconds; here every hour, and what is due every day."""
        if now - self.ticked_at >= HOUR:
            self.ticked_at = now
            while rewarding.earn_batch(self.chain_id, now=now):
                pass
        if now - self.given_at >= DAY:
            self.given_at = now
            while rewarding.give_due_batch(self.chain_id, now=now):
                pass

    # --- deeds ----------------------------------------------------------------------------------------------------

    def join(self, deed: Deed) -> None:
        hot, person, now = this_transaction(), deed.person, deed.at
        key = hashed(f"honesty {person.number}")
        self.wallets[person.number] = wallet_id = wallets.open_wallet(hot, key, language="zh", now=now)
        who: dict[str, Any] = {"wallet_id": wallet_id, "visitor": key, "language": "zh", "trace": _trace(deed)}
        if deed.through is None:
            joined = joining.join_by_code(hot, self.code, **who, now=now)
        else:
            joined = joining.join_by_link(hot, self.links[deed.through.number], **who, now=now)
        self.cards[person.number] = db.session.get_one(Card, joined.card_id)

    def share(self, deed: Deed) -> None:
        card_id = self.cards[deed.person.number].id
        link = linking.create_link(
            this_transaction(), self.chain_id, card_id, "friend", now=deed.at, trace=_trace(deed)
        )
        self.links[deed.person.number] = link.token

    def prove(self, deed: Deed) -> None:
        """A code is sent to the phone and typed."""
        chain = db.session.get_one(Chain, self.chain_id)
        wallet_id, address = self.wallets[deed.person.number], phones.hashed_address(deed.phone, secret=self.secret)
        asked = phones.ask(chain, wallet_id, deed.phone, address_hash=address, secret=self.secret, now=deed.at)
        by = Author(f"wallet:{wallet_id}")
        refusal = phones.verify(self.chain_id, wallet_id, asked.code, secret=self.secret, by=by, now=deed.at)
        assert refusal is None, refusal

    def buy(self, deed: Deed) -> None:
        card, number, hot = self.cards[deed.person.number], len(self.checkouts), this_transaction()
        shown = shown_code(card.number, card.code_secret, self.program.code_mode, now=deed.at)
        presented, receipt = quoting.presented(shown.value), f"honesty-{deed.person.number}-{number}"
        sale = settling.Sale(self.chain_id, self.store_id, presented, deed.cents, receipt, receipt, "system")
        self.checkouts[deed.person.number] = settling.settle(hot, sale, now=deed.at).id

    def refund(self, deed: Deed) -> None:
        checkout_id = self.checkouts[deed.person.number]
        paid = refunding.find_checkout(self.chain_id, checkout_id, None).payable_cents
        request_id = f"honesty-refund-{checkout_id}"
        how: dict[str, Any] = {"request_id": request_id, "fingerprint": request_id, "role": Role.HQ_ADMIN}
        refunding.refund(self.chain_id, checkout_id, paid, **how, store_ids=None, by=SYSTEM, now=deed.at)


def _trace(deed: Deed) -> Trace:
    person: Person = deed.person
    place: Place = deed.place or person.home
    return trace_of_browser(place.address, person.browser(place), person.languages)


# --- what came of it --------------------------------------------------------------------------------------------------


def outcomes(life: Life, truth: dict[int, str]) -> list[Outcome]:
    number_of = {card.member_id: number for number, card in life.cards.items()}
    rules: dict[int, dict[str, str]] = {}
    for referral_id, rule, action in db.session.execute(
        select(FraudFinding.referral_id, FraudFinding.rule, FraudFinding.action).filter_by(chain_id=life.chain_id)
    ):
        rules.setdefault(referral_id, {})[rule] = action
    paid, held = set(), set()
    for referral_id, state, reason in db.session.execute(
        select(Reward.referral_id, Reward.state, Reward.reason).filter_by(chain_id=life.chain_id)
    ):
        if state == RewardState.APPROVED:
            paid.add(referral_id)
        elif reason in list(FraudRule):
            held.add(referral_id)
    found = []
    for referral_id, member_id in db.session.execute(
        select(Referral.id, Referral.member_id).filter_by(chain_id=life.chain_id)
    ):
        seen = rules.get(referral_id, {})
        actions = set(seen.values())
        action = next((each for each in (FraudAction.REJECT, FraudAction.FLAG) if each in actions), "")
        story = truth[number_of[member_id]]
        found.append(Outcome(story, frozenset(seen), action, referral_id in paid, referral_id in held))
    return found


def figures(found: list[Outcome]) -> dict[str, float]:
    """The figures of the whole, that have bounds."""
    bad = [each for each in found if each.is_dishonest]
    good = [each for each in found if not each.is_dishonest]
    rejected, seen = [each for each in found if each.action == "reject"], [each for each in found if each.action]
    return {
        "rejected_precision": _share(rejected, lambda each: each.is_dishonest),
        "rejected_recall": _share(bad, lambda each: each.action == "reject"),
        "found_precision": _share(seen, lambda each: each.is_dishonest),
        "found_recall": _share(bad, lambda each: bool(each.action)),
        "paid_dishonest": _share(bad, lambda each: each.is_paid),
        "paid_honest": _share(good, lambda each: each.is_paid),
        "rejected_honest": _share(good, lambda each: each.action == "reject"),
        "flagged_honest": _share(good, lambda each: each.action == "flag"),
    }


def _share(of: list[Outcome], is_one: Any) -> float:
    return sum(map(is_one, of)) / len(of) if of else float("nan")


def tell(found: list[Outcome]) -> None:
    """The tables: by rule, then by the story of the friend."""
    bad = sum(each.is_dishonest for each in found)
    print(_row("rule", "found", "honest", "dishonest", "precision", "recall", "alone"))
    for rule in DEFAULTS:
        seen = [each for each in found if rule in each.rules]
        right = sum(each.is_dishonest for each in seen)
        alone = sum(each.is_dishonest and each.rules == {rule} for each in seen)
        precision = f"{right / len(seen):.3f}" if seen else "-"
        print(_row(rule, len(seen), len(seen) - right, right, precision, f"{right / bad:.3f}", alone))
    for action in ("reject", "flag"):
        seen = [each for each in found if each.action == action]
        right = sum(each.is_dishonest for each in seen)
        precision = f"{right / len(seen):.3f}" if seen else "-"
        print(_row(f"all that {action}", len(seen), len(seen) - right, right, precision, f"{right / bad:.3f}", ""))
    for title, stories in (("honest", HONEST), ("dishonest", DISHONEST)):
        print()
        print(_row(title, "friends", "rejected", "flagged", "let be", "held back", "rewarded"))
        for story in stories:
            told = [each for each in found if each.story == story]
            by = Counter(each.action for each in told)
            held = sum(each.is_held for each in told)
            kept = sum(each.is_paid for each in told)
            print(_row(story, len(told), by["reject"], by["flag"], by[""], held, kept))
            flags = Counter(rule for each in told for rule in each.rules)
            if flags and stories is HONEST:
                print(f"      by {', '.join(f'{rule} {count}' for rule, count in flags.most_common())}")
    print()


def _row(*cells: object) -> str:
    return "  " + "".join(f"{cell!s:>{width}}" if n else f"{cell!s:<{width}}" for n, (cell, width) in _wide(cells))


def _wide(cells: tuple[object, ...]) -> Iterable[tuple[int, tuple[object, int]]]:
    return enumerate(zip(cells, WIDTHS, strict=True))


def hold(table: Table, found: list[Outcome]) -> dict[str, float]:
    """A line for each bound."""
    got = figures(found)
    for name, bound in BOUNDS.items():
        value = got[name]
        is_ok = value >= bound.least if bound.least is not None else value <= (bound.most or 0)
        expected = f"at least {bound.least}" if bound.least is not None else f"at most {bound.most}"
        table.line(bound.what, expected, f"{value:.3f}", is_ok=is_ok)
    return got


def prove(table: Table, *, seed: int, scale: float, secret: str, in_full: bool) -> dict[str, float]:
    """Imagine, live, look and compare with the bounds; needs an application context and a migrated database."""
    begun = time.monotonic()
    town = imagine(seed, scale, BEGIN)
    life = Life(secret)
    life.begin()
    life.live(town.deeds)
    end = town.deeds[-1].at
    for days in range(1, AFTER // DAY + 1):
        life.tick(end + days * DAY)
    db.session.rollback()
    found = outcomes(life, town.truth)
    assert len(found) == len(town.truth)
    if in_full:
        tell(found)
    got = hold(table, found)
    bad = sum(each.is_dishonest for each in found)
    print(
        f"    seed {seed}: {len(found)} friends, {bad} of them dishonest, {len(town.deeds)} deeds in"
        f" {time.monotonic() - begun:.0f} s",
        flush=True,
    )
    return got


def all_of(stage: Stage) -> None:
    """The part of ``make proof``: fewer people, in the database of the storms."""
    prove(stage.table, seed=SEED, scale=SMALL, secret=current_app.config["SECRET_KEY"], in_full=False)


def main() -> int:
    asked = _arguments()
    table, told = Table(), {}
    for name in asked.only or list(TITLES):
        with tempfile.TemporaryDirectory(prefix="kaquan-honesty-") as folder:
            url = _new_database(name, Path(folder))
            migrate(url, Path(folder))
            secret = "honesty" * 8
            app = create_app(database_url=url, secret_key=secret, testing=True)
            table.head(TITLES[name])
            with app.app_context():
                told[name] = prove(table, seed=asked.seed, scale=asked.scale, secret=secret, in_full=True)
                db.session.remove()
                db.engine.dispose()
        postgres_server.stop()
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return 1 if table.misses else 0


def _new_database(name: str, folder: Path) -> str:
    if name == "sqlite":
        return f"sqlite:///{folder / 'honesty.db'}"
    server = postgres_server.start()
    if server is None:
        say("no PostgreSQL (ALLOW_MISSING=1)")
        sys.exit(1)
    return postgres_server.create_database(server.url, "honesty")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m proof.honesty", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=list(TITLES), help="this database only; may be repeated")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--scale", type=float, default=1.0, help="how many people, as a part of the usual (1.0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file as well")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
