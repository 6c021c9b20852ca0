"""Every table, imported in one place, for migrations and tests."""

import cards.models
import checkout.models
import core.audit
import core.events
import core.idempotency
import core.leases
import coupons.code_models
import coupons.gift_models
import coupons.models
import push.audiences.models
import push.channels.models
import push.delivering.models
import push.models
import push.partners.models
import push.wording.models
import sharing.models
import sharing.reward_models
import stores.models
from core.db import db

__all__ = ["cards", "checkout", "core", "coupons", "metadata", "push", "sharing", "stores"]

metadata = db.metadata
