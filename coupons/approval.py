"""A second person reads a draft before it runs, where the chain wants it so."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, select, update

from core import audit
from core.audit import AuditEntry, Author
from core.db import db, insert
from core.text import Text
from coupons import errors
from coupons.drafts import invalid
from coupons.models import Offer, OfferPolicy, OfferState
from coupons.offers import UNSUBMITTED, get_offer, note

SENT_BACK = "offer sent back"
LONGEST_REASON = 200


def needs_approval(chain_id: int) -> bool:
    """Whether the chain's offers run only after a second person approved them."""
    policy = db.session.get(OfferPolicy, chain_id)
    return policy is not None and policy.needs_approval


def set_needs_approval(chain_id: int, needed: bool, *, by: Author, now: datetime) -> None:
    """Say whether drafts wait for a second person. Needs an open transaction."""
    before = needs_approval(chain_id)
    statement = insert(OfferPolicy).values(chain_id=chain_id, needs_approval=needed)
    db.session.execute(
        statement.on_conflict_do_update(index_elements=[OfferPolicy.chain_id], set_={"needs_approval": needed}),
    )
    audit.note(
        "offer approval setting",
        chain_id=chain_id,
        object_kind="chain",
        object_id=chain_id,
        by=by,
        at=now,
        before={"needs_approval": before},
        after={"needs_approval": needed},
    )


def submit(chain_id: int, offer_id: int, *, by: Author, now: datetime) -> Offer:
    """Let a draft wait for the second person; again is harmless. Needs an open transaction.

    Raises OfferNotFound, OfferNotDraft.
    """
    submission = {"submitted_at": now, "submitted_by": by.name}
    offer = _change(chain_id, offer_id, submission, Offer.submitted_at.is_(None))
    if offer is None:
        offer = get_offer(chain_id, offer_id)
        if offer.state != OfferState.DRAFT:
            raise errors.OfferNotDraft()
        return offer
    note("offer submitted", offer, by, now)
    return offer


def approve(chain_id: int, offer_id: int, *, by: Author, now: datetime, submitted_at: datetime | None = None) -> Offer:
    """Approve the submitted draft; it still has to be published. Needs an open transaction.

    The second person neither submitted the rules nor wrote them as they stand. ``submitted_at`` is of the submission
    that he has read: another one is another draft.
    Raises OfferNotFound, OfferNotSubmitted, OfferSecondPersonNeeded, OfferChanged.
    """
    if _last_writer(chain_id, offer_id) == by.name:
        raise errors.OfferSecondPersonNeeded()
    is_read = () if submitted_at is None else (Offer.submitted_at == submitted_at,)
    approval = {"approved_at": now, "approved_by": by.name}
    conditions = (Offer.submitted_by != by.name, Offer.approved_at.is_(None), *is_read)
    offer = _change(chain_id, offer_id, approval, *conditions)
    if offer is None:
        offer = get_offer(chain_id, offer_id)
        if offer.state != OfferState.DRAFT or offer.submitted_at is None:
            raise errors.OfferNotSubmitted()
        if offer.submitted_by == by.name:
            raise errors.OfferSecondPersonNeeded()
        if offer.approved_at is None:
            raise errors.OfferChanged()
        return offer
    note("offer approved", offer, by, now)
    return offer


def _last_writer(chain_id: int, offer_id: int) -> str | None:
    written = AuditEntry.action.in_(("offer created", "offer rewritten"))
    return db.session.scalar(
        select(AuditEntry.actor)
        .where(
            AuditEntry.chain_id == chain_id,
            AuditEntry.object_kind == "offer",
            AuditEntry.object_id == offer_id,
            written,
        )
        .order_by(AuditEntry.id.desc())
        .limit(1)
    )


def send_back(chain_id: int, offer_id: int, *, reason: str, by: Author, now: datetime) -> Offer:
    """Give a submitted or approved draft back to whoever wrote it, with the reason. Needs an open transaction.

    Raises OfferNotFound, OfferNotSubmitted; OfferInvalid without a reason.
    """
    get_offer(chain_id, offer_id)
    reason = reason.strip()
    if not 1 <= len(reason) <= LONGEST_REASON:
        raise invalid(Text("退回要写原因，最多 200 字。", "say why, in at most 200 characters."))
    offer = _change(chain_id, offer_id, UNSUBMITTED, Offer.submitted_at.is_not(None))
    if offer is None:
        raise errors.OfferNotSubmitted()
    note(SENT_BACK, offer, by, now, after={"reason": reason})
    return offer


def waiting(chain_id: int, *, reader: str, limit: int) -> Sequence[Offer]:
    """Drafts that this person (``staff:7``) could approve, the longest waiting first."""
    if not needs_approval(chain_id):
        return []
    return db.session.scalars(
        select(Offer)
        .where(
            Offer.chain_id == chain_id,
            Offer.state == OfferState.DRAFT,
            Offer.submitted_by != reader,
            Offer.approved_at.is_(None),
        )
        .order_by(Offer.submitted_at, Offer.id)
        .limit(limit)
    ).all()


def find_reason(offer: Offer) -> str | None:
    """Why a draft was sent back, as long as it has not been submitted again."""
    if offer.state != OfferState.DRAFT or offer.submitted_at is not None:
        return None
    after = db.session.scalar(
        select(AuditEntry.after)
        .where(
            AuditEntry.chain_id == offer.chain_id,
            AuditEntry.object_kind == "offer",
            AuditEntry.object_id == offer.id,
            AuditEntry.action == SENT_BACK,
        )
        .order_by(AuditEntry.id.desc())
        .limit(1)
    )
    return after and str(after["reason"])


def _change(
    chain_id: int, offer_id: int, values: Mapping[str, object], *conditions: ColumnElement[bool]
) -> Offer | None:
    offer: Offer | None = db.session.scalar(
        update(Offer)
        .where(Offer.id == offer_id, Offer.chain_id == chain_id, Offer.state == OfferState.DRAFT, *conditions)
        .values(**values)
        .returning(Offer)
        .execution_options(populate_existing=True)
    )
    return offer
