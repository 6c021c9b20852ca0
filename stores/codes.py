"""Store codes: the QR a store shows at its door, on a table, on a receipt. Each has its own token and label."""

import re
import unicodedata
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select, update

from core import audit
from core.audit import Author
from core.db import db, insert
from core.errors import Invalid, NotFound
from core.text import Text
from core.tokens import new_code
from stores.models import Chain, Store, StoreCode

LONGEST_LABEL = 60
LONGEST_STEM = 80
DOOR = Text("店门", "Door")


class LabelMissing(Invalid):
    """A code is told from its sisters by its label."""

    code = "label_missing"
    sentence = Text("请写上这个码放在哪里，例如“店门”。", "Say where this code hangs, such as “Door”.")


class LabelTooLong(Invalid):
    """There is room for sixty characters."""

    code = "label_too_long"
    sentence = Text("标签最多 {most} 个字。", "A label has at most {most} characters.")


def code_url(public_url: str, token: str) -> str:
    """What the QR says, and what a phone opens."""
    return f"{public_url.rstrip('/')}/q/{token}"


def file_stem(store_code: str, label: str) -> str:
    """A name for the code's picture: letters, digits, dots and hyphens, fit for every file system."""
    plain = unicodedata.normalize("NFC", f"{store_code}-{label}")
    return re.sub(r"[^\w.]+|_+", "-", plain)[:LONGEST_STEM].strip("-.") or "code"


def add_code(chain_id: int, store_id: int, *, label: str, by: Author, now: datetime) -> StoreCode:
    """Give a store one more code. Needs an open transaction; raises NotFound, LabelMissing, LabelTooLong."""
    label = _checked_label(label)
    if db.session.scalar(select(Store.id).filter_by(id=store_id, chain_id=chain_id)) is None:
        raise NotFound()
    code = StoreCode(chain_id=chain_id, store_id=store_id, token=new_code(), label=label, created_at=now)
    db.session.add(code)
    db.session.flush()
    _note("store code added", code, by=by, now=now, after={"label": label, "store_id": store_id})
    return code


def give_first_codes(chain_id: int, *, now: datetime) -> int:
    """Give every store that never had a code its first, for the door. Needs an open transaction."""
    language = db.session.scalar(select(Chain.language).where(Chain.id == chain_id)) or "zh"
    has_code = exists().where(StoreCode.chain_id == chain_id, StoreCode.store_id == Store.id)
    without = db.session.scalars(select(Store.id).where(Store.chain_id == chain_id, ~has_code).order_by(Store.id)).all()
    if without:
        common = {"chain_id": chain_id, "label": DOOR.say(language), "created_at": now}
        rows = [{**common, "store_id": store_id, "token": new_code()} for store_id in without]
        db.session.connection().execute(insert(StoreCode), rows)
    return len(without)


def rename_code(chain_id: int, code_id: int, *, label: str, by: Author, now: datetime) -> None:
    """Change the label; the QR stays. Needs an open transaction; raises NotFound and what add_code raises."""
    label = _checked_label(label)
    code = _code_of(chain_id, code_id)
    if code.label != label:
        before = {"label": code.label}
        code.label = label
        _note("store code renamed", code, by=by, now=now, before=before, after={"label": label})


def revoke_code(chain_id: int, code_id: int, *, by: Author, now: datetime) -> None:
    """End a code at once; a second time changes nothing. Needs an open transaction; raises NotFound."""
    _set_revoked(chain_id, code_id, None, now, "store code revoked", by=by, now=now)


def restore_code(chain_id: int, code_id: int, *, by: Author, now: datetime) -> None:
    """Let a revoked code work again, so that printed posters need not be thrown away."""
    _set_revoked(chain_id, code_id, now, None, "store code restored", by=by, now=now)


def _set_revoked(
    chain_id: int,
    code_id: int,
    before: datetime | None,
    after: datetime | None,
    action: str,
    *,
    by: Author,
    now: datetime,
) -> None:
    code = _code_of(chain_id, code_id)
    was = StoreCode.revoked_at.is_(None) if before is None else StoreCode.revoked_at.is_not(None)
    changed = db.session.scalar(
        update(StoreCode).where(StoreCode.id == code_id, was).values(revoked_at=after).returning(StoreCode.id)
    )
    if changed is not None:
        db.session.refresh(code)
        _note(action, code, by=by, now=now)


def _code_of(chain_id: int, code_id: int) -> StoreCode:
    code = db.session.scalar(select(StoreCode).filter_by(id=code_id, chain_id=chain_id))
    if code is None:
        raise NotFound()
    return code


def _checked_label(label: str) -> str:
    label = " ".join(label.replace("\0", "").split())
    if not label:
        raise LabelMissing()
    if len(label) > LONGEST_LABEL:
        raise LabelTooLong(most=LONGEST_LABEL)
    return label


def _note(
    action: str,
    code: StoreCode,
    *,
    by: Author,
    now: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    audit.note(
        action,
        chain_id=code.chain_id,
        object_kind="store_code",
        object_id=code.id,
        by=by,
        at=now,
        before=before,
        after=after,
    )
