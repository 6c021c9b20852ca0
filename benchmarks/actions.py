"""The hot actions: each as HTTP requests, as a pgbench script and as SQLite statements.

All three take their SQL from the modules that serve the requests. Every action is written so that each number ``n``
takes effect once: another wallet, another pair of member and offer, another coupon.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from benchmarks import world
from benchmarks.load import post
from cards import issuing, ledger
from checkout import quoting, settling, standing
from core.clock import utc_now
from core.hot import STORED_MOMENT, Hot
from coupons import claiming, redeeming, welcome
from sharing import attribution, joining

VISITOR = "0" * 64
TRACE = "0" * 32


@dataclass(frozen=True)
class Pgbench:
    """A statement with ``:n``; ``sets`` are pgbench's own lines before it."""

    statement: str
    sets: str
    defines: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Action:
    name: str
    request: Callable[[int], bytes]
    counted: str  # how many have taken effect, as SQL
    pgbench: Pgbench
    in_sqlite: Callable[[Any, int], None]
    by_application: Callable[[Hot, int], object]

    def requests(self, numbers: Iterator[int]) -> Iterator[bytes]:
        return (self.request(n) for n in numbers)


def stored(moment: datetime) -> str:
    return moment.strftime(STORED_MOMENT)


# --- issue --------------------------------------------------------------------------------------------------------


def free_wallet(n: int) -> int:
    """The n-th wallet without a card."""
    return world.MEMBERS + 1 + n


def issue_request(n: int, prefix: str = "/api/v1") -> bytes:
    path = f"{prefix}/store-codes/{world.store_token(1 + n % world.STORES)}/cards"
    return post(path, Authorization=f"Bearer {world.wallet_token(free_wallet(n))}")


def join_by_link_request(n: int) -> bytes:
    """The same through the link of a member."""
    path = f"/api/v1/share-links/{world.link_token(1 + n % world.MEMBERS)}/cards"
    return post(path, Authorization=f"Bearer {world.wallet_token(free_wallet(n))}")


def issue_by_orm_request(n: int) -> bytes:
    return issue_request(n, "/benchmark")


ISSUE_STATEMENT = (
    joining.JOIN_BY_CODE.text.replace(":number", "('7' || lpad(:serial ::bigint::text, 15, '0'))")
    .replace(":coupon_code", "('w' || :serial ::bigint::text)")
    .replace(":token", "('benchstore' || lpad(:store ::bigint::text, 6, '0'))")
)


def issue_in_sqlite(connection: Any, n: int) -> None:
    """The statements of joining.join_by_code for a new member whom nobody brought."""
    now = stored(utc_now())
    token, wallet_id = world.store_token(1 + n % world.STORES), free_wallet(n)
    connection.execute(issuing.NUMBER_TAKEN.sqlite, {"number": f"7{n:015d}"}).fetchone()
    chain_id, program_id, tier_id, store_id, store_code_id, _, _ = connection.execute(
        issuing.CODE.sqlite, {"token": token}
    ).fetchone()
    connection.execute(attribution.IS_MEMBER.sqlite, {"chain_id": chain_id, "wallet_id": wallet_id}).fetchone()
    values = {
        "chain_id": chain_id,
        "program_id": program_id,
        "tier_id": tier_id,
        "store_id": store_id,
        "store_code_id": store_code_id,
        "share_link_id": None,
        "channel": "scan",
        "issued_on": "2026-06-01",
        "wallet_id": wallet_id,
        "language": "zh",
        "now": now,
        "number": f"7{n:015d}",
        "code_secret": bytes(20),
        "visitor": VISITOR,
        "since": now,
    }
    values["member_id"] = connection.execute(issuing.MEMBER.sqlite, values).fetchone()[0]
    values["card_id"] = connection.execute(issuing.CARD.sqlite, values).fetchone()[0]
    connection.execute(issuing.ISSUED.sqlite, values)
    connection.execute(welcome.GIFT.sqlite, values).fetchone()
    connection.execute(attribution.POLICY.sqlite, values).fetchone()
    connection.execute(attribution.LAST_VISIT.sqlite, values).fetchone()


def issue_by_application(hot: Hot, n: int) -> object:
    token = world.store_token(1 + n % world.STORES)
    return joining.join_by_code(hot, token, wallet_id=free_wallet(n), visitor=VISITOR, language="zh", now=utc_now())


ISSUE = Action(
    name="issue a card",
    request=issue_request,
    counted="SELECT count(*) FROM cards",
    pgbench=Pgbench(
        ISSUE_STATEMENT,
        f"\\set serial {free_wallet(0)} + :n\n\\set wallet_id :serial\n\\set store 1 + :n % {world.STORES}",
        {"language": "zh", "visitor": VISITOR, "device": TRACE, "network": TRACE, "code_secret": "\\x" + "00" * 20},
    ),
    in_sqlite=issue_in_sqlite,
    by_application=issue_by_application,
)

# --- claim --------------------------------------------------------------------------------------------------------


def claim_request(offer_id: int, member: int) -> bytes:
    return post(f"/api/v1/offers/{offer_id}/coupons", Authorization=f"Bearer {world.wallet_token(member)}")


def spread(n: int) -> tuple[int, int]:
    """The n-th pair of an offer and a member: none comes twice in a hundred times all members."""
    return world.spread_offer(n + n // world.MEMBERS), 1 + n % world.MEMBERS


def claim_spread_request(n: int) -> bytes:
    return claim_request(*spread(n))


def claim_statement(*, waiting: bool = False) -> str:
    text = claiming.claim_text(claiming.HOLDER_BY_WALLET, waiting=waiting)
    return text.replace(":code", f"('{'w' if waiting else 'p'}' || :serial ::bigint::text)")


def claim_in_sqlite(connection: Any, n: int) -> None:
    """The statements of claiming.claim for an offer with a stock."""
    offer_id, wallet_id = spread(n)
    values = {
        "offer_id": offer_id,
        "wallet_id": wallet_id,
        "code": f"q{n}",
        "source": "claim_page",
        "store_id": None,
        "now": stored(utc_now()),
    }
    offer = connection.execute(claiming.OFFER.sqlite, values).fetchone()
    values |= {"chain_id": offer[0], "valid_from": offer[3], "valid_until": offer[4], "committed_cents": 0}
    holder = claiming.HOLDER[claiming.HOLDER_BY_WALLET].sqlite
    values["card_id"], values["member_id"] = connection.execute(holder, values).fetchone()
    values["ordinal"] = 1 + connection.execute(claiming.HELD.sqlite, values).fetchone()[0]
    connection.execute(claiming.CODE_TAKEN.sqlite, values).fetchone()
    values["slot"] = connection.execute(claiming.SLOT.sqlite, values).fetchone()[0]
    values["coupon_id"] = connection.execute(claiming.COUPON.sqlite, values).fetchone()[0]
    connection.execute(claiming.TOLD.sqlite, values)


def claim_by_application(hot: Hot, n: int) -> object:
    offer_id, wallet_id = spread(n)
    return claiming.claim(hot, offer_id, wallet_id=wallet_id, now=utc_now())


CLAIMED = "SELECT count(*) FROM coupons WHERE offer_id > 1"
CLAIM_DEFINES: dict[str, object] = {"source": "claim_page", "store_id": 1}
CLAIM_SPREAD = Action(
    name=f"claim, spread over {world.SPREAD_OFFERS} offers",
    request=claim_spread_request,
    counted=CLAIMED,
    pgbench=Pgbench(
        claim_statement(),
        f"\\set serial :n\n\\set wallet_id 1 + :n % {world.MEMBERS}\n"
        f"\\set offer_id {world.spread_offer(0)} + (:n + :n / {world.MEMBERS}) % {world.SPREAD_OFFERS}",
        CLAIM_DEFINES,
    ),
    in_sqlite=claim_in_sqlite,
    by_application=claim_by_application,
)


def claim_hot(offer: int) -> Action:
    """Everybody wants one offer. The limit is the same claim of an offer whose stock is one row."""
    slotted, single = world.hot_offer(2 * offer), world.hot_offer(2 * offer + 1)
    return Action(
        name="claim, one hot offer",
        request=lambda n: claim_request(slotted, 1 + n % world.MEMBERS),
        counted=CLAIMED,
        pgbench=Pgbench(
            claim_statement(waiting=True),
            f"\\set serial :n\n\\set wallet_id 1 + :n % {world.MEMBERS}\n\\set offer_id {single}",
            CLAIM_DEFINES,
        ),
        in_sqlite=claim_in_sqlite,
        by_application=claim_by_application,
    )


# --- settle -------------------------------------------------------------------------------------------------------

AMOUNT_CENTS, DISCOUNT_CENTS = 3000, 500
COUPON_VALUES = ("coupon_id", "coupon_ids", "offer_id", "offer_ids", "discount_cents")  # the script spells its own
POINTS = (AMOUNT_CENTS - DISCOUNT_CENTS) // 100


def settle_request(n: int) -> bytes:
    """Coupon n + 1 at the till, with the code that its card shows now."""
    card_id = 1 + n % world.MEMBERS
    body = {"card_code": world.card_code(card_id), "amount_cents": AMOUNT_CENTS, "coupons": [n + 1]}
    headers = {"Authorization": f"Bearer {world.KEY}", "Idempotency_Key": f"bench-{n}"}
    return post("/api/v1/checkouts", json.dumps(body).encode(), **headers)


CHECK_DIGIT = "4 + " + " + ".join(
    f"(:card_id / {10**place} % 10 * 2 / 10 + :card_id / {10**place} % 10 * 2 % 10)"
    if place % 2 == 0
    else f"(:card_id / {10**place} % 10)"
    for place in range(8)
)
SETTLE_STATEMENT = (
    f"{standing.STANDING_WITH[True].text.strip()};\n{settling.SETTLE.text}".replace(
        ":number", "('61' || lpad(:serial ::bigint::text, 13, '0') || :check_digit ::bigint::text)"
    )
    .replace(":request_id", "('bench-' || :coupon_id ::bigint::text)")
    .replace(":coupon_ids", "(ARRAY[:coupon_id])")
    .replace(":offer_ids", "(ARRAY[1])")
    .replace(":discounts", f"(ARRAY[{DISCOUNT_CENTS}])")
)


def settle_values(n: int) -> dict[str, object]:
    now = utc_now()
    return {
        "chain_id": 1,
        "store_id": 1,
        "shown_until": stored(now),
        "settled_by": "key:1",
        "fingerprint": "f" * 64,
        "amount_cents": AMOUNT_CENTS,
        "member_discount_cents": 0,
        "coupon_discount_cents": DISCOUNT_CENTS,
        "points_used": 0,
        "points_discount_cents": 0,
        "payable_cents": AMOUNT_CENTS - DISCOUNT_CENTS,
        "points": POINTS,
        "tier_id": 1,
        "business_day": "2026-06-01",
        "now": stored(now),
        "card_id": 1 + n % world.MEMBERS,
        "member_id": 1 + n % world.MEMBERS,
        "coupon_id": n + 1,
        "discount_cents": DISCOUNT_CENTS,
        "offer_id": 1,
        "coupon_ids": json.dumps([n + 1]),
        "offer_ids": json.dumps([1]),
        "cause": "checkout:1",
        "request_id": f"bench-{n}",
    }


def settle_in_sqlite(connection: Any, n: int) -> None:
    """The statements of settling.settle for a purchase with a coupon."""
    values = settle_values(n)
    values["number"] = world.card_number(1 + n % world.MEMBERS)
    connection.execute(settling.EARLIER.sqlite, values).fetchone()
    connection.execute(standing.STANDING_WITH[False].sqlite, values).fetchall()
    connection.execute(ledger.IS_HELD.sqlite, values).fetchone()
    connection.execute(redeeming.USE_STEP.sqlite, values).fetchone()
    values["checkout_id"] = connection.execute(settling.CHECKOUT.sqlite, values).fetchone()[0]
    values["redeemed_at"] = values["now"]
    connection.execute(settling.REDEMPTION.sqlite, values)
    connection.execute(ledger.VISITED.sqlite, values)
    values["balance"] = connection.execute(ledger.ADD_POINTS.sqlite, values).fetchone()[0]
    connection.execute(ledger.ADD_ENTRY.sqlite, values)
    connection.execute(settling.TOLD.sqlite, values)


def settle_by_application(hot: Hot, n: int) -> object:
    sale = settling.Sale(
        chain_id=1,
        store_id=1,
        card=quoting.presented(world.card_code(1 + n % world.MEMBERS)),
        amount_cents=AMOUNT_CENTS,
        request_id=f"bench-{n}",
        fingerprint="f" * 64,
        settled_by="key:1",
        coupon_ids=(n + 1,),
    )
    return settling.settle(hot, sale, now=utc_now())


SETTLE = Action(
    name="settle with a coupon",
    request=settle_request,
    counted="SELECT count(*) FROM redemptions",
    pgbench=Pgbench(
        SETTLE_STATEMENT,
        f"\\set card_id 1 + (:n - 1) % {world.MEMBERS}\n\\set serial :card_id\n\\set coupon_id :n\n"
        f"\\set check_digit (10 - ({CHECK_DIGIT}) % 10) % 10",
        {
            name: value
            for name, value in settle_values(0).items()
            if name not in ("card_id", "member_id", "request_id", "now", "cause", *COUPON_VALUES)
        },
    ),
    in_sqlite=settle_in_sqlite,
    by_application=settle_by_application,
)

# --- what both must agree on --------------------------------------------------------------------------------------


class Listening:
    """A SQLite connection that notes what is run on it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.ran: list[str] = []

    def execute(self, text: str, *values: object) -> Any:
        if values:  # not SAVEPOINT and RELEASE, which guard the steps of a refusal
            self.ran.append(text)
        return self._connection.execute(text, *values)


def check_same_statements(action: Action, connection: Any, n: int) -> None:
    """Refuse to measure when the limit on SQLite runs other statements than the application does."""
    ours, limit = Listening(connection), Listening(connection)
    for listening, act in (
        (ours, lambda: action.by_application(Hot(ours, is_postgresql=False), n)),
        (limit, lambda: action.in_sqlite(limit, n)),
    ):
        connection.execute("BEGIN")
        try:
            act()
        finally:
            connection.execute("ROLLBACK")
        assert listening.ran
    if sorted(ours.ran) != sorted(limit.ran):
        lacking = [text for text in ours.ran if text not in limit.ran]
        raise RuntimeError(f"{action.name}: benchmarks/actions.py is out of date; it lacks {lacking}")
