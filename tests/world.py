"""A row in every table, made from the models: for what must hold of all tables and all routes.

A new table or column is in it by itself; where a CHECK or a form wants more than any value, OVERRIDES says which.
"""

import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Date, Float, Integer, LargeBinary, Numeric, String, Table, insert, select

from app.models import metadata
from core.clock import utc_now
from core.db import UtcDateTime, db, transaction
from core.tokens import hashed, new_number
from push.models import PushChannel

SHORTEST_MARKED = 12  # columns shorter than this cannot carry the marker
CHAIN_WIDE = {"chains", "programs", "tiers", "offers", "offer_slots", "campaigns", "campaign_runs"}
CHAIN_WIDE |= {"sharing_policies", "push_policies", "leases", "offer_policies", "till_policies"}
CHAIN_WIDE |= {"offer_days", "offer_phones", "offer_budgets", "offer_programs", "offer_tiers", "offer_sightings"}
CHAIN_WIDE |= {"segments", "message_templates", "vendor_templates", "campaign_links", "channel_states"}
CHAIN_WIDE |= {"webhook_endpoints", "webhook_messages", "early_receipts"}
CHAIN_WIDE |= {"reward_rules", "fraud_settings", "share_channels", "event_readers"}


@dataclass(frozen=True)
class World:
    """One row of every table, and the word that all its texts carry."""

    marker: str
    rows: dict[str, dict[str, Any]]

    def id(self, table: str) -> int:
        return int(self.rows[table]["id"])

    def __getitem__(self, place: str) -> Any:
        """``world["cards.number"]``."""
        table, _, column = place.partition(".")
        return self.rows[table][column]


def make_world(marker: str, *, beside: World | None = None, now: datetime | None = None) -> World:
    """One row of every table, in a chain of its own; or in a store of its own, ``beside`` another in its chain."""
    now = now or utc_now()
    world = World(marker, {})
    with transaction():
        for table in metadata.sorted_tables:
            if beside is not None and table.name in CHAIN_WIDE:
                world.rows[table.name] = beside.rows[table.name]
                continue
            _insert(world, table, now)
    return world


def _insert(world: World, table: Table, now: datetime) -> None:
    values = {
        column.name: _value(world, column, now)
        for column in table.columns
        if not _numbers_itself(column) and column.server_default is None
    }
    values |= _overrides(world, now).get(table.name, {})
    key = db.session.execute(insert(table).values(values).returning(*table.primary_key.columns)).one()
    values |= dict(zip(table.primary_key.columns.keys(), key, strict=True))
    world.rows[table.name] = values


def _numbers_itself(column: Column[Any]) -> bool:
    return column.primary_key and column.name == "id"


def _value(world: World, column: Column[Any], now: datetime) -> Any:
    for key in column.foreign_keys:
        known = world.rows.get(key.column.table.name)
        return known[key.column.name] if known else None
    kind = column.type
    if isinstance(kind, String):
        return _text(world, column, kind.length)
    if column.nullable:
        return None
    values: list[tuple[Any, Any]] = [
        (UtcDateTime, now),
        (Boolean, True),
        (Date, date(now.year, now.month, now.day)),
        (LargeBinary, secrets.token_bytes(20)),
        (JSON, {}),
        ((Integer, Numeric, Float), 1),
    ]
    return next(value for types, value in values if isinstance(kind, types))


def _text(world: World, column: Column[Any], length: int | None) -> str | None:
    if length is not None and length < SHORTEST_MARKED:
        return None if column.nullable else "x"
    return f"{world.marker}{column.table.name}{column.name}".lower()[: length or 60]


def _overrides(world: World, now: datetime) -> dict[str, dict[str, Any]]:
    """What CHECKs and pages want to be sensible."""
    marker = world.marker.lower()
    rows = world.rows
    later = now + timedelta(days=30)
    referrer = rows.get("members", {}).get("id", 0)
    in_shanghai = {"timezone": "Asia/Shanghai"}
    running = {"state": "running"}
    zh = {"language": "zh"}
    return {
        "chains": {"slug": f"{marker}-chain"[:40], "currency": "CNY", "accent": "#C8402F", "cutoff_hour": 0}
        | in_shanghai
        | zh,
        "stores": {
            "code": f"S-{secrets.token_hex(4)}",
            "country": "CN",
            "longitude": 121.5,
            "latitude": 31.2,
            "closed_at": None,
        }
        | in_shanghai,
        "store_codes": {"token": f"{marker}code{secrets.token_hex(4)}"},
        "staff": {"role": "clerk", "failed_logins": 0, "disabled_at": None} | zh,
        "staff_sessions": {"token_hash": hashed(secrets.token_hex()), "valid_until": later, "ended_at": None},
        "api_keys": {"role": "clerk", "key_hash": hashed(secrets.token_hex()), "last_four": "0000"},
        "programs": {"face_color": "#C8402F", "face_pattern": "waves", "code_mode": "rotating", "is_default": True},
        "tiers": {"rank": 0, "discount_bp": 500, "points_multiplier_bp": 10_000, "threshold_points": 0},
        "wallets": {"key_hash": hashed(f"{marker}-wallet")} | zh,
        "members": {
            "phone": f"+86138{secrets.randbelow(10**8):08d}",
            "email": f"{marker}@example.com",
            "birthday": "05-31",
        }
        | zh,
        "cards": {"number": new_number(), "state": "active", "channel": "scan", "points": 0, "value_cents": 0}
        | {"earned_points": 1000, "spent_cents": 1000},
        "offers": {"kind": "cash", "value_cents": 500, "valid_from": None, "valid_until": None, "valid_days": 30}
        | {"stock": 10, "program_id": None, "token": f"{marker}offer{secrets.token_hex(4)}"}
        | {"item_name": None, "item_name_en": None, "stacking": "stackable", "submitted_at": now, "approved_at": now}
        | running,
        "offer_sightings": {"source": "api"},
        "offer_slots": {"slot": 0, "stock": 10, "claimed": 1},
        "coupons": {"state": "claimed", "source": "api", "code": f"{marker}{secrets.token_hex(3)}"[:20]}
        | {"valid_from": now, "valid_until": later, "slot": 0},
        "coupon_gifts": {"state": "open", "valid_until": later, "new_coupon_id": None}
        | {"token": f"{marker}gift{secrets.token_hex(4)}"},
        "code_batches": {"kind": "generated", "state": "active", "size": 1, "made": 1},
        "printed_codes": {"code": f"{marker}printed"[:32], "used_at": now},
        "phone_codes": {"phone": "+8613800000000", "valid_until": later},
        "checkouts": {"state": "settled", "amount_cents": 100, "member_discount_cents": 0, "coupon_discount_cents": 0}
        | {"payable_cents": 100, "points_earned": 1, "settled_at": now, "business_day": now.date()}
        | {"voided_by": None, "void_approved_by": None},
        "redemptions": {"redeemed_at": now},
        "refused_attempts": {"action": "settle"},
        "till_policies": {"role": "clerk"},
        "share_channels": {"code": f"{marker}-slip"[:20]},
        "share_links": {"channel": "friend", "token": f"{marker}link{secrets.token_hex(4)}", "parent_id": None}
        | {"own_channel_id": None},
        "sharer_names": {"shown_as": "nickname"},
        "scan_visitors": {"visitor": f"{marker}-visitor"},
        "share_visitors": {"visitor": f"{marker}-visitor"},
        "referrals": {"depth": 1, "path": f"{0:010x}{referrer:010x}", "channel": "friend"}
        | {"referrer_id": _elder(world, now) if referrer else None}
        | {"root_id": referrer},
        "reward_rules": {"trigger": "first_purchase", "within_days": 30, "started_at": now} | running,
        "rewards": {"side": "referrer", "state": "flagged", "reason": "velocity", "coupon_id": None, "decided_by": None}
        | {"is_coupon_lost": False, "points_short": 0},
        "fraud_findings": {"rule": "velocity", "action": "flag", "dismissed_by": None, "dismiss_reason": None}
        | {"evidence": {"joins": 12, "minutes": 30, "threshold": 10}},
        "fraud_settings": {"rule": "velocity", "action": "flag", "threshold": 10},
        "vendor_templates": {"channel": "gateway"} | zh,
        "trial_addresses": {"channel": "email"},
        "suppressions": {"channel": "email", "reason": "bounced", "lifted_by": None},
        "channel_states": {"channel": _channel_without_a_row()},
        "early_receipts": {"channel": "gateway", "status": "failed"},
        "webhook_endpoints": {"disabled_at": None, "disabled_because": None, "kinds": []}
        | {"secret": "whsec_" + "AAAA" * 11, "previous_secret": None, "previous_until": None, "resting_until": None},
        "webhook_messages": {"state": "sent", "sent_at": now, "leased_until": None},
        "campaigns": {
            "submitted_at": now,
            "approved_at": now,
            "state": "draft",
            "channels": ["inbox"],
            "schedule": {"kind": "now"},
            "audience": {},
        },
        "campaign_runs": running | {"send_until": later, "finished_at": None},
        "deliveries": {"state": "sent", "channel": "inbox", "reason": None, "sent_at": now},
        "consents": {"channel": "inbox"},
        "push_policies": {"quiet_from": 21, "quiet_until": 9, "cap_per_day": 1, "cap_per_week": 3},
        "sharing_policies": {"window_days": 7},
        "leases": {"name": f"{marker}-lease"[:40]},
        "audit_entries": {"actor": "system", "before": None, "after": None, "object_id": None},
        "idempotency_records": {"fingerprint": "f" * 64, "status": 200},
    }


def _channel_without_a_row() -> str:
    """Channels are the installation's: each world takes another."""
    states = metadata.tables["channel_states"]
    taken = set(db.session.scalars(select(states.c.channel)))
    return next(str(channel) for channel in PushChannel if channel not in taken)


def _elder(world: World, now: datetime) -> int:
    """Another member of the chain, for whom somebody came."""
    if "elder" not in world.rows:
        members = metadata.tables["members"]
        wallets = metadata.tables["wallets"]
        wallet = {"key_hash": hashed(f"{world.marker}-elder"), "language": "zh", "created_at": now}
        wallet_id = db.session.execute(insert(wallets).values(wallet).returning(wallets.c.id)).scalar_one()
        elder = world.rows["members"] | {"wallet_id": wallet_id, "phone": None}
        elder = {name: value for name, value in elder.items() if name != "id"}
        world.rows["elder"] = {
            "id": db.session.execute(insert(members).values(elder).returning(members.c.id)).scalar_one()
        }
    return int(world.rows["elder"]["id"])
