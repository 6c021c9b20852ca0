"""Saved messages, to begin a campaign with: texts by channel and language, as push/wording/texts.py spells them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select, update
from sqlalchemy.exc import IntegrityError

from core import audit
from core.audit import Author
from core.db import db
from core.text import Text
from push import errors
from push.wording.models import MessageTemplate
from push.wording.texts import ANY, check_texts
from push.wording.variants import LABELS
from stores.models import Chain

LONGEST_NAME = 60
OTHER_NAMES = 20  # tried for a template whose name is taken


def create_template(chain_id: int, name: str, texts: Any, *, by: Author, now: datetime) -> MessageTemplate:
    """Keep a message under a name. Needs an open transaction; raises CampaignInvalid, TemplateNameTaken."""
    values = _checked(chain_id, name, texts)
    template = MessageTemplate(chain_id=chain_id, created_by=by.name, created_at=now, **values)
    _written(lambda: db.session.add(template))
    _note("message template created", template, by, now, after=values)
    return template


def edit_template(
    chain_id: int, template_id: int, name: str, texts: Any, *, by: Author, now: datetime
) -> MessageTemplate:
    """Write it anew; campaigns that began with it keep their words. Needs an open transaction."""
    values, before = _checked(chain_id, name, texts), get_template(chain_id, template_id)
    old = {"name": before.name, "texts": before.texts}
    _written(lambda: db.session.execute(_where(chain_id, template_id).values(**values)))
    template = get_template(chain_id, template_id)
    _note("message template changed", template, by, now, before=old, after=values)
    return template


def archive_template(chain_id: int, template_id: int, *, by: Author, now: datetime) -> MessageTemplate:
    """Show it no more. Needs an open transaction; harmless when done before."""
    return _move(chain_id, template_id, "message template archived", by, now, archived_at=now)


def restore_template(chain_id: int, template_id: int, *, by: Author, now: datetime) -> MessageTemplate:
    """Show it again. Needs an open transaction."""
    return _move(chain_id, template_id, "message template restored", by, now, archived_at=None)


def get_template(chain_id: int, template_id: int) -> MessageTemplate:
    """The template as it is now, archived or not; or TemplateNotFound."""
    template = db.session.scalar(
        select(MessageTemplate).filter_by(id=template_id, chain_id=chain_id).execution_options(populate_existing=True)
    )
    if template is None:
        raise errors.TemplateNotFound()
    return template


def list_templates(
    chain_id: int, *, archived: bool = False, after: int | None = None, limit: int = 200
) -> Sequence[MessageTemplate]:
    """Those in use, or those that were put away; the newest first."""
    is_meant = MessageTemplate.archived_at.is_not(None) if archived else MessageTemplate.archived_at.is_(None)
    query = select(MessageTemplate).where(MessageTemplate.chain_id == chain_id, is_meant)
    if after is not None:
        query = query.where(MessageTemplate.id < after)
    return db.session.scalars(query.order_by(MessageTemplate.id.desc()).limit(limit)).all()


def free_name(chain_id: int, name: str) -> str:
    """The name, or with a number behind it when the chain has a template of that name."""
    wanted = " ".join(name.split())[: LONGEST_NAME - 4] or "1"
    for number in range(1, OTHER_NAMES):
        candidate = wanted if number == 1 else f"{wanted} {number}"
        is_taken = exists().where(MessageTemplate.chain_id == chain_id, MessageTemplate.name == candidate)
        if not db.session.scalar(select(is_taken)):
            return candidate
    return wanted


def _checked(chain_id: int, name: str, texts: Any) -> dict[str, Any]:
    chain, name = db.session.get_one(Chain, chain_id), " ".join(name.split())
    if not name:
        raise errors.CampaignInvalid(Text("给它起个名字。", "give it a name."), "name")
    if len(name) > LONGEST_NAME:
        raise errors.CampaignInvalid(Text("名字太长。", "its name is too long."), "name")
    checked = check_texts({LABELS[0]: texts}, {LABELS[0]}, chain.language).get(LABELS[0], {})
    if chain.language not in checked.get(ANY, {}):
        problem = Text("写上标题和内容。", "write a title and a text in the chain's language.")
        raise errors.CampaignInvalid(problem, f"{LABELS[0]}.{ANY}.{chain.language}.title")
    return {"name": name, "texts": checked}


def _written(write: Any) -> None:
    """Behind a savepoint, since PostgreSQL ends a transaction in which a unique key said no."""
    try:
        with db.session.begin_nested():
            write()
    except IntegrityError:
        raise errors.TemplateNameTaken() from None


def _where(chain_id: int, template_id: int) -> Any:
    return update(MessageTemplate).where(MessageTemplate.id == template_id, MessageTemplate.chain_id == chain_id)


def _move(
    chain_id: int, template_id: int, action: str, by: Author, now: datetime, *, archived_at: datetime | None
) -> MessageTemplate:
    is_other = MessageTemplate.archived_at.is_(None) if archived_at else MessageTemplate.archived_at.is_not(None)
    moved = db.session.scalar(
        _where(chain_id, template_id).where(is_other).values(archived_at=archived_at).returning(MessageTemplate.id)
    )
    template = get_template(chain_id, template_id)
    if moved is not None:
        _note(action, template, by, now, after={"name": template.name})
    return template


def _note(action: str, template: MessageTemplate, by: Author, now: datetime, **change: dict[str, Any]) -> None:
    audit.note(
        action,
        chain_id=template.chain_id,
        object_kind="message_template",
        object_id=template.id,
        by=by,
        at=now,
        **change,
    )
