"""Templates that vendors of SMS and WeChat approved: their codes, and what fills each of their fields.

``fields`` is ``{"thing1": "{chain}", "time2": "{coupon_until}"}``: texts with the variables of every message, and
``{title}`` and ``{body}`` for what the campaign says.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from core import audit
from core.audit import Author
from core.db import db, insert
from core.text import Text
from push.approving import OPEN, take_approvals
from push.channels import Filled
from push.errors import CampaignInvalid, VendorTemplateApproved, VendorTemplateInvalid, VendorTemplateNotFound
from push.models import Campaign, PushChannel
from push.wording.models import VendorTemplate
from push.wording.texts import LANGUAGES, TEMPLATE, VARIABLE, VARIABLES, WITH_TEMPLATES, choose_template

OF_MESSAGE = ("title", "body")  # variables of a template besides those of every text
FIELD = re.compile(r"[A-Za-z0-9_.-]{1,40}")
MOST_FIELDS = 20
LONGEST_CODE, LONGEST_NAME, LONGEST_VALUE = 80, 60, 200
# What takes nothing but templates.
NEEDS_TEMPLATE = (PushChannel.WECHAT_TEMPLATE, PushChannel.WECHAT_SUBSCRIPTION)
SAYS = ("channel", "code", "language", "fields")  # of a template: what decides over what a member reads


class NewTemplate(NamedTuple):
    """What head office writes down."""

    channel: str
    code: str
    name: str
    language: str
    fields: Mapping[str, str]


def create_template(chain_id: int, draft: NewTemplate, *, by: Author, now: datetime) -> VendorTemplate:
    """Write a template down. Needs an open transaction; raises VendorTemplateInvalid.

    In another language it says what nobody approved: VendorTemplateApproved, as when one is changed.
    """
    values = _checked(draft)
    template: VendorTemplate | None = db.session.scalar(
        insert(VendorTemplate)
        .values(chain_id=chain_id, **values)
        .on_conflict_do_nothing(index_elements=["chain_id", "channel", "code", "language"])
        .returning(VendorTemplate)
    )
    if template is None:
        raise _taken()
    _take_approvals(chain_id, {(template.channel, template.code)}, by, now)
    _note("vendor template added", template, by, now, after=values)
    return template


def change_template(
    chain_id: int, template_id: int, draft: NewTemplate, *, by: Author, now: datetime
) -> VendorTemplate:
    """Write it anew: it holds for messages that go from now on. Needs an open transaction.

    What a second person approved with it has to be approved anew: raises VendorTemplateApproved when that is about to
    go out. Raises VendorTemplateNotFound, VendorTemplateInvalid.
    """
    values = _checked(draft)
    template = get_template(chain_id, template_id)
    before = {name: getattr(template, name) for name in values}
    if any(before[name] != values[name] for name in SAYS):
        _take_approvals(chain_id, {(each["channel"], each["code"]) for each in (before, values)}, by, now)
    try:
        for name, value in values.items():
            setattr(template, name, value)
        db.session.flush()
    except IntegrityError:
        raise _taken() from None
    if before != values:
        _note("vendor template changed", template, by, now, before=before, after=values)
    return template


def archive_template(chain_id: int, template_id: int, *, by: Author, now: datetime) -> VendorTemplate:
    """No new campaign uses it; those that do go on, in the same words. Needs an open transaction.

    Raises VendorTemplateNotFound.
    """
    return _put(chain_id, template_id, now, "vendor template archived", by, now)


def restore_template(chain_id: int, template_id: int, *, by: Author, now: datetime) -> VendorTemplate:
    """Use it again. Needs an open transaction; raises VendorTemplateNotFound."""
    return _put(chain_id, template_id, None, "vendor template restored", by, now)


def get_template(chain_id: int, template_id: int) -> VendorTemplate:
    """One template of the chain, or VendorTemplateNotFound."""
    found = db.session.scalar(
        select(VendorTemplate).filter_by(id=template_id, chain_id=chain_id).execution_options(populate_existing=True)
    )
    if found is None:
        raise VendorTemplateNotFound()
    return found


def list_templates(
    chain_id: int, channel: str | None = None, *, with_archived: bool = False
) -> Sequence[VendorTemplate]:
    """The chain's templates, by channel and name."""
    query = select(VendorTemplate).filter_by(chain_id=chain_id)
    if channel is not None:
        query = query.where(VendorTemplate.channel == channel)
    if not with_archived:
        query = query.where(VendorTemplate.archived_at.is_(None))
    return db.session.scalars(query.order_by(VendorTemplate.channel, VendorTemplate.name, VendorTemplate.id)).all()


def check_chosen(chain_id: int, channels: Collection[str], labels: Iterable[str], texts: Mapping[str, Any]) -> None:
    """Refuse a campaign whose texts name a template that is not there, or that has none where one is needed.

    ``texts`` are checked ones; raises CampaignInvalid.
    """
    known = {(row.channel, row.code) for row in list_templates(chain_id)}
    for label, by_channel in texts.items():
        for channel, by_language in by_channel.items():
            for language, words in by_language.items():
                if TEMPLATE in words and (channel, words[TEMPLATE]) not in known:
                    place = f"{label}.{channel}.{language}.{TEMPLATE}"
                    raise CampaignInvalid(Text("没有这个模板。", "there is no such template."), place)
    for channel in (each for each in NEEDS_TEMPLATE if each in channels):
        for label in sorted(labels):
            if choose_template(texts, label, channel, LANGUAGES[0]) is None:
                problem = Text("微信消息要选一个模板。", "WeChat messages need a template.")
                raise CampaignInvalid(problem, f"{label}.{channel}")


def _named(texts: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The templates that texts name, by channel and code."""
    return {
        (channel, words[TEMPLATE])
        for by_channel in texts.values()
        for channel, by_language in by_channel.items()
        for words in by_language.values()
        if TEMPLATE in words
    }


def _take_approvals(chain_id: int, changed: set[tuple[str, str]], by: Author, now: datetime) -> None:
    """Whoever approved a campaign with such a template (channel, code) approved what it said in all its languages."""
    campaigns = db.session.execute(
        select(Campaign.id, Campaign.channels, Campaign.texts).where(
            Campaign.chain_id == chain_id, Campaign.state.in_(OPEN)
        )
    )
    ids = [row.id for row in campaigns if any(channel in row.channels for channel, _ in changed & _named(row.texts))]
    take_approvals(chain_id, ids, VendorTemplateApproved, is_frozen=False, by=by, now=now)


class Templates:
    """The templates of some chains for one channel, read once for a batch of messages."""

    def __init__(self, channel: str, chain_ids: Collection[int]) -> None:
        self._fields: dict[tuple[int, str, str], Mapping[str, str]] = {}
        if channel not in WITH_TEMPLATES or not chain_ids:
            return
        rows = db.session.execute(
            select(VendorTemplate.chain_id, VendorTemplate.code, VendorTemplate.language, VendorTemplate.fields).where(
                VendorTemplate.chain_id.in_(set(chain_ids)), VendorTemplate.channel == channel
            )
        )
        self._fields = {(row.chain_id, row.code, row.language): row.fields for row in rows}

    def find(self, chain_id: int, code: str | None, language: str) -> Filled | None:
        """A template in the reader's language or the other one, its variables not filled in; None if there is none."""
        if code is None:
            return None
        for each in (language, *LANGUAGES):
            fields = self._fields.get((chain_id, code, each))
            if fields is not None:
                return Filled(code, fields)
        return None


def _checked(draft: NewTemplate) -> dict[str, Any]:
    code, name = draft.code.strip(), " ".join(draft.name.split())
    fields = {field.strip(): text.strip() for field, text in draft.fields.items() if field.strip() or text.strip()}
    if "\0" in "".join([code, name, *fields, *fields.values()]):
        raise _invalid("里面有不能用的字符。", "it has a character that no text can have.")
    rules = [
        (draft.channel in WITH_TEMPLATES, "channel", "只有短信和微信用模板。", "only SMS and WeChat take templates."),
        (draft.language in LANGUAGES, "language", "语言是中文或英文。", "it is in Chinese or in English."),
        (0 < len(code) <= LONGEST_CODE, "code", "写上服务商给的模板编号。", "write the code that the vendor gave it."),
        (0 < len(name) <= LONGEST_NAME, "name", "起个名字，最多 60 个字。", "give it a name of 60 characters at most."),
        (len(fields) <= MOST_FIELDS, "", "最多 20 个字段。", "there are 20 fields at most."),
    ]  # fmt: skip
    for holds, part, zh, en in rules:
        if not holds:
            raise _invalid(zh, en, part)
    for field, text in fields.items():
        _check_field(field, text)
    return {"channel": str(draft.channel), "code": code, "name": name, "language": draft.language, "fields": fields}


def _check_field(field: str, text: str) -> None:
    """Each is a part of its own: ``field.NAME``, or ``text.NAME`` for what stands in it."""
    if not FIELD.fullmatch(field):
        raise _invalid(
            "字段名只用字母、数字和 _ . -，如 thing1。",
            "the name of a field has letters, digits and _ . - only, such as thing1.",
            f"field.{field}",
        )
    if not text:
        raise _invalid("每个字段都要写内容。", "every field needs its text.", f"text.{field}")
    if len(text) > LONGEST_VALUE:
        raise _invalid("字段太长。", "the text of a field is too long.", f"text.{field}")
    _check_variables(text, f"text.{field}")


def _check_variables(text: str, part: str) -> None:
    known = (*VARIABLES, *OF_MESSAGE)
    for name in VARIABLE.findall(text):
        if name not in known:
            listed = " ".join(f"{{{each}}}" for each in known)
            raise _invalid(
                f"不认识变量 {{{name}}}，可以用：{listed}", f"{{{name}}} is not a variable; there are {listed}", part
            )


def _put(
    chain_id: int, template_id: int, archived_at: datetime | None, action: str, by: Author, now: datetime
) -> VendorTemplate:
    is_news = VendorTemplate.archived_at.is_not(None) if archived_at is None else VendorTemplate.archived_at.is_(None)
    moved = db.session.scalar(
        update(VendorTemplate)
        .where(VendorTemplate.id == template_id, VendorTemplate.chain_id == chain_id, is_news)
        .values(archived_at=archived_at)
        .returning(VendorTemplate)
        .execution_options(populate_existing=True)
    )
    if moved is None:
        return get_template(chain_id, template_id)
    _note(action, moved, by, now)
    return moved


def _invalid(zh: str, en: str, part: str = "") -> VendorTemplateInvalid:
    return VendorTemplateInvalid(Text(zh, en), part)


def _taken() -> VendorTemplateInvalid:
    return _invalid("这个编号和语言已经有了。", "there is one with this code and language.", "code")


def _note(action: str, template: VendorTemplate, by: Author, now: datetime, **change: dict[str, Any]) -> None:
    audit.note(
        action,
        chain_id=template.chain_id,
        object_kind="vendor_template",
        object_id=template.id,
        by=by,
        at=now,
        **change,
    )
