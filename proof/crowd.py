"""Many members at once, written straight into the tables: for pushes, that only need somebody to write to."""

from typing import Any

from sqlalchemy import insert, select

from benchmarks import world
from cards.models import Card, Member, Tier, Wallet
from core.clock import utc_now
from core.db import db, transaction
from core.tokens import hashed, new_secret
from proof.shop import Shop, count
from push.models import Consent, ConsentPurpose

IN_ONE_GO = 2000


def crowd(shop: Shop, size: int) -> None:
    """So many members with a card: a few have no number, no mail address, or said nothing about messages."""
    chain, store, now = shop.chain, shop.store, utc_now()
    program_id, tier_id = db.session.execute(
        select(Tier.program_id, Tier.id).where(Tier.chain_id == chain.id).order_by(Tier.rank).limit(1)
    ).one()
    first = count("SELECT coalesce(max(id), 0) FROM cards") + 1
    for start in range(first, first + size, IN_ONE_GO):
        numbers = range(start, min(start + IN_ONE_GO, first + size))
        with transaction():
            wallets = _ids(
                Wallet, [{"key_hash": hashed(new_secret()), "language": "zh", "created_at": now} for _ in numbers]
            )
            members = _ids(
                Member,
                [
                    {
                        "chain_id": chain.id, "wallet_id": wallet, "store_id": store.id, "name": f"会员 {number}",
                        "phone": f"+86138{number:08d}" if number % 20 else None,
                        "email": f"m{number}@example.com" if number % 10 else None,
                        "language": "zh", "joined_at": now,
                    }
                    for number, wallet in zip(numbers, wallets, strict=True)
                ],
            )  # fmt: skip
            held = {"chain_id": chain.id, "program_id": program_id, "tier_id": tier_id, "points": 0}
            held |= {"channel": "scan", "store_id": store.id, "issued_at": now, "issued_on": now.date()}
            rows = zip(numbers, wallets, members, strict=True)
            _ids(
                Card,
                [
                    held | {"wallet_id": wallet, "member_id": member, "number": world.card_number(number),
                              "code_secret": bytes(20)}
                    for number, wallet, member in rows
                ],
            )  # fmt: skip
            said = {
                "chain_id": chain.id,
                "purpose": ConsentPurpose.PROMOTION,
                "is_granted": True,
                "source": "proof",
                "at": now,
            }
            db.session.execute(
                insert(Consent),
                [
                    said | {"member_id": member, "channel": channel}
                    for number, member in zip(numbers, members, strict=True)
                    for channel in ("email", "gateway")
                    if number % 25
                ],
            )


def _ids(model: Any, rows: list[dict[str, Any]]) -> list[int]:
    return list(db.session.scalars(insert(model).returning(model.id, sort_by_parameter_order=True), rows))
