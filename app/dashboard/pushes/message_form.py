"""The words of a message in a form: a field for each variant, channel, language and part.

The campaign's own words, variant A for any channel, have the plain names ``title``, ``title_en``, ``body``,
``body_en``; all others are called like ``B.email.zh.title``.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from werkzeug.datastructures import MultiDict

from app.dashboard.figures import number, plain_share
from core.money import WHOLE
from push.campaigns import LONGEST_BODY, LONGEST_TITLE, LONGEST_TITLE_EN
from push.models import PushChannel
from push.wording.texts import ANY, LANGUAGES, LONGEST, TEMPLATE, WITH_TEMPLATES
from push.wording.variants import LABELS
from push.wording.vendor_templates import list_templates

Typed = MultiDict[str, str]
OWN = {"zh": "", "en": "_en"}  # what the campaign's own fields end with
LONGEST_OWN = {
    ("title", "zh"): LONGEST_TITLE,
    ("title", "en"): LONGEST_TITLE_EN,
    ("body", "zh"): LONGEST_BODY,
    ("body", "en"): LONGEST_BODY,
}


class Part(NamedTuple):
    """One field: what it is called in the form and how long it may be."""

    name: str
    part: str
    longest: int


class Words(NamedTuple):
    """The fields of one language, with what is sent where they stay empty, and the vendor's templates to choose."""

    language: str
    parts: dict[str, Part]
    templates: list[tuple[str, str]]
    is_needed: bool


class Block(NamedTuple):
    """The fields of one variant for one channel, or for any."""

    label: str
    channel: str
    languages: list[Words]
    is_written: bool

    @property
    def names(self) -> list[str]:
        return [part.name for words in self.languages for part in words.parts.values()]


def field_name(label: str, channel: str, language: str, part: str) -> str:
    if label == LABELS[0] and channel == ANY and part in ("title", "body"):
        return f"{part}{OWN[language]}"
    return f"{label}.{channel}.{language}.{part}"


def field_of_words(part: str, language: str) -> str:
    """What ``B.email.zh.title`` is called; of ``B.wechat_template``, which wants a template, the field for it."""
    label, channel, *rest = part.split(".")
    return field_name(label, channel, *(rest if len(rest) == 2 else (language, TEMPLATE)))


def parts_of(channel: str) -> tuple[str, ...]:
    """What can be written for a channel."""
    if channel == PushChannel.EMAIL:
        return ("title", "body", "html")
    return ("title", "body", TEMPLATE) if channel in WITH_TEMPLATES else ("title", "body")


def labels_of(typed: Typed) -> tuple[str, ...]:
    """The variants in the form: A alone unless it says more."""
    count = typed.get("variants", "1")
    return LABELS[: int(count)] if count in ("2", "3", "4") else LABELS[:1]


# --- reading --------------------------------------------------------------------------------------------------------


def texts_of(typed: Typed, *, with_own: bool = False) -> dict[str, Any]:
    """The texts as push/wording/texts.py spells them; the campaign's own stand beside them unless asked for."""
    texts: dict[str, Any] = {}
    for label, channel, language, part in _places(typed):
        value = typed.get(field_name(label, channel, language, part), "").replace("\r\n", "\n")
        is_own = (label, channel) == (LABELS[0], ANY)
        if value.strip() and (with_own or not is_own):
            texts.setdefault(label, {}).setdefault(channel, {}).setdefault(language, {})[part] = value
    return texts


def _places(typed: Typed) -> Iterator[tuple[str, str, str, str]]:
    for label in labels_of(typed):
        for channel in (ANY, *map(str, PushChannel)):
            for language in LANGUAGES:
                for part in parts_of(channel):
                    yield label, channel, language, part


def variants_of(typed: Typed) -> list[dict[str, Any]]:
    """The variants with their shares; none when there is one alone. Raises NumberUnreadable."""
    labels = labels_of(typed)
    if len(labels) < 2:
        return []
    return [{"label": label, "share_bp": share_of(typed, f"share.{label}")} for label in labels]


def share_of(typed: Typed, name: str) -> int:
    """Basis points from a percentage that was typed. Raises NumberUnreadable."""
    return number(typed.get(name, "").strip().rstrip("%％") or "0", times=WHOLE // 100, field=name)


# --- filling --------------------------------------------------------------------------------------------------------


def fill_texts(typed: Typed, texts: dict[str, Any]) -> None:
    """Write texts into the form. Words of variant A for any channel take the place of the campaign's own."""
    for label, by_channel in texts.items():
        for channel, by_language in by_channel.items():
            for language, words in by_language.items():
                for part, value in words.items():
                    typed[field_name(label, channel, language, part)] = value


def fill_variants(typed: Typed, variants: list[dict[str, Any]]) -> None:
    typed["variants"] = str(max(len(variants), 1))
    for each in variants:
        typed[f"share.{each['label']}"] = plain_share(each["share_bp"])


def use_template(typed: Typed, texts: dict[str, Any]) -> None:
    """Put a saved message in the place of variant A's words."""
    for label, channel, language, part in list(_places(typed)):
        if label == LABELS[0]:
            typed.poplist(field_name(label, channel, language, part))
    fill_texts(typed, {LABELS[0]: texts})


def add_variant(typed: Typed) -> None:
    """One more, with A's words for any channel to begin with; all share alike."""
    labels = labels_of(typed)
    if len(labels) == len(LABELS):
        return
    new = LABELS[len(labels)]
    for language in LANGUAGES:
        for part in ("title", "body"):
            typed[field_name(new, ANY, language, part)] = typed.get(field_name(LABELS[0], ANY, language, part), "")
    typed["variants"] = str(len(labels) + 1)
    _share_alike(typed)


def remove_variant(typed: Typed, gone: str) -> None:
    """Take one away; those behind it move up. A stays: its words are the campaign's own."""
    labels = labels_of(typed)
    if gone not in labels[1:]:
        return
    for label in labels[labels.index(gone) :]:
        following = LABELS[LABELS.index(label) + 1] if label != labels[-1] else None
        for channel in (ANY, *map(str, PushChannel)):
            for language in LANGUAGES:
                for part in parts_of(channel):
                    value = typed.get(field_name(following, channel, language, part), "") if following else ""
                    typed[field_name(label, channel, language, part)] = value
    typed["variants"] = str(len(labels) - 1)
    _share_alike(typed)


def _share_alike(typed: Typed) -> None:
    labels = labels_of(typed)
    share = 100 // len(labels)
    for label in labels:
        typed[f"share.{label}"] = str(share)
    typed[f"share.{labels[0]}"] = str(100 - share * (len(labels) - 1))


# --- showing --------------------------------------------------------------------------------------------------------


def blocks_of(typed: Typed, chain_id: int, chain_language: str, channels: list[str]) -> dict[str, list[Block]]:
    """For each variant its fields: those for any channel, then those of each channel that is set up or written for."""
    vendors: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in list_templates(chain_id):
        vendors.setdefault((row.channel, row.language), []).append((row.code, row.name))
    order = LANGUAGES if chain_language == "zh" else LANGUAGES[::-1]

    def block(label: str, channel: str) -> Block:
        languages = [
            Words(
                language,
                {part: _part(label, channel, language, part) for part in parts_of(channel)},
                _choices(typed, vendors, label, channel, language),
                is_needed=channel == ANY and language == chain_language,
            )
            for language in order
        ]
        return Block(label, channel, languages, _is_written(typed, label, channel))

    return {
        label: [
            block(label, channel)
            for channel in (ANY, *map(str, PushChannel))
            if channel in (ANY, *channels) or _is_written(typed, label, channel)
        ]
        for label in labels_of(typed)
    }


def _part(label: str, channel: str, language: str, part: str) -> Part:
    is_own = (label, channel) == (LABELS[0], ANY)
    longest = LONGEST_OWN[part, language] if is_own else LONGEST[part]
    return Part(field_name(label, channel, language, part), part, longest)


def _choices(
    typed: Typed, vendors: dict[tuple[str, str], list[tuple[str, str]]], label: str, channel: str, language: str
) -> list[tuple[str, str]]:
    """The vendor's templates to choose; one that was chosen and is archived since stays to be seen."""
    if channel not in WITH_TEMPLATES:
        return []
    found = vendors.get((channel, language), [])
    chosen = typed.get(field_name(label, channel, language, TEMPLATE), "")
    return found if not chosen or chosen in dict(found) else [*found, (chosen, chosen)]


def _is_written(typed: Typed, label: str, channel: str) -> bool:
    return any(
        typed.get(field_name(label, channel, language, part), "").strip()
        for language in LANGUAGES
        for part in parts_of(channel)
    )
