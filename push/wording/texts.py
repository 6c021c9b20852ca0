"""What a message says to one member: by variant, channel and language, with variables filled in.

``texts`` is ``{"A": {"email": {"zh": {"title": …, "body": …, "html": …}}}, "B": {"any": {…}}}``. Where nothing is said
for a channel, what is said for ``any`` counts; for variant A that is the campaign's own title and body; where a
language is missing, the other one is sent. For SMS and WeChat, ``template`` is the code of a vendor's template (see
vendor_templates.py): ``{"A": {"gateway": {"zh": {"template": "SMS_1"}}}}``, alone or beside title and body.
"""

import re
from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

import nh3

from core.text import Text
from push.errors import CampaignInvalid
from push.models import PushChannel
from push.wording.variants import LABELS

ANY = "any"
VARIABLES = ("name", "chain", "store", "tier", "points", "coupon", "coupon_until", "link")
VARIABLE = re.compile(r"\{(\w*)\}")
MISWRITTEN = re.compile(rf"[{{｛]\s*({'|'.join(sorted(VARIABLES, reverse=True))})\b", re.IGNORECASE | re.ASCII)
NAME = "{name}"
CALLED_FIRST = re.compile(r"(^|[\n>。！？.!?]\s*)\{name\}(?:\s*[，,、：:！!]\s*(\w?)|(?=[您你]))")
CALLED_LAST = re.compile(r"\s*[，,、]\s*\{name\}(?=\s*(?:$|[\n<。！？.!?]))")
CHINESE = re.compile("[\u3001-\u303f\u4e00-\u9fff\uff01-\uff5e]")
LANGUAGES = ("zh", "en")
LONGEST = {"title": 120, "body": 1000, "html": 50_000, "template": 80}
TEMPLATE = "template"
WITH_TEMPLATES = (PushChannel.GATEWAY, PushChannel.WECHAT_TEMPLATE, PushChannel.WECHAT_SUBSCRIPTION)
TAGS = {
    "a", "b", "blockquote", "br", "div", "em", "h1", "h2", "h3", "hr", "i", "img", "li", "ol", "p", "span", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
ATTRIBUTES = {
    "*": {"style", "align"},
    "a": {"href", "title"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan", "width"},
    "th": {"colspan", "rowspan", "width"},
    "table": {"width", "cellpadding", "cellspacing", "border"},
}
STYLES = {
    "background-color", "border", "border-radius", "color", "font-size", "font-weight", "height", "line-height",
    "margin", "padding", "text-align", "width",
}  # fmt: skip


class Words(NamedTuple):
    """A message in one language, before its variables are filled in. ``html`` is for e-mail alone."""

    title: str
    body: str
    html: str = ""


def check_texts(texts: Any, labels: set[str], chain_language: str) -> dict[str, Any]:
    """The texts in their one spelling: HTML cleaned, empty ones left out. Raises CampaignInvalid.

    Every variant but A, whose words may be the campaign's own, needs words for any channel in the chain's language.
    """
    if not isinstance(texts, dict) or set(texts) - set(LABELS):
        raise _invalid("文案的格式不对。", "the texts have another shape.")
    checked = {label: _of_variant(label, each) for label, each in texts.items() if label in labels}
    for label in sorted(labels - {LABELS[0]}):
        if chain_language not in checked.get(label, {}).get(ANY, {}):
            raise _invalid(
                f"版本 {label} 还没有文案。",
                f"variant {label} has no title and text yet.",
                f"{label}.{ANY}.{chain_language}.title",
            )
    return {label: each for label, each in checked.items() if each}


def _of_variant(label: str, by_channel: Any) -> dict[str, Any]:
    channels = {ANY, *(str(channel) for channel in PushChannel)}
    if not isinstance(by_channel, dict) or set(by_channel) - channels:
        raise _invalid("没有这个渠道。", "there is no such channel.")
    checked = {channel: _of_channel(label, channel, each) for channel, each in by_channel.items()}
    return {channel: each for channel, each in checked.items() if each}


def _of_channel(label: str, channel: str, by_language: Any) -> dict[str, Any]:
    if not isinstance(by_language, dict) or set(by_language) - set(LANGUAGES):
        raise _invalid("文案只有中文和英文。", "texts are in zh and en.")
    checked = {
        language: _of_language(f"{label}.{channel}.{language}", channel, each) for language, each in by_language.items()
    }
    return {language: each for language, each in checked.items() if each}


def _of_language(place: str, channel: str, words: Any) -> dict[str, str]:
    if not isinstance(words, dict) or set(words) - set(LONGEST):
        raise _invalid("文案的格式不对。", "the texts have another shape.")
    if not all(isinstance(each, str) for each in words.values()):
        raise _invalid("文案的格式不对。", "the texts have another shape.")
    if any("\0" in each for each in words.values()):
        raise _invalid("文案里有不能用的字符。", "a text has a character that no text can have.")
    said = {part: " ".join(text.split()) if part == "title" else text.strip() for part, text in words.items()}
    said = {part: text for part, text in said.items() if text}
    for part, text in said.items():
        if len(text) > LONGEST[part]:
            raise _invalid("标题或内容太长。", "a title or text is too long.", f"{place}.{part}")
        check_variables(text, f"{place}.{part}")
    if "html" in said:
        if channel != PushChannel.EMAIL:
            raise _invalid("只有邮件可以用 HTML。", "only e-mail takes HTML.")
        said["html"] = clean_html(said["html"])
    if TEMPLATE in said and channel not in WITH_TEMPLATES:
        raise _invalid("只有短信和微信用模板。", "only SMS and WeChat take a vendor's template.")
    missing = [part for part in ("title", "body") if part not in said]
    if said.keys() - {TEMPLATE} and missing:
        raise _invalid("标题和内容都要写。", "both a title and a text are needed.", f"{place}.{missing[0]}")
    return said


def check_variables(text: str, part: str = "") -> None:
    """Refuse a variable that nobody knows, or whose braces are wrong: the member would read its name.

    Raises CampaignInvalid, about the part whose text it is.
    """
    for name in VARIABLE.findall(text):
        if name not in VARIABLES:
            known = " ".join(f"{{{each}}}" for each in VARIABLES)
            raise _invalid(
                f"不认识变量 {{{name}}}，可以用：{known}", f"{{{name}}} is not a variable; there are {known}", part
            )
    if miswritten := MISWRITTEN.search(VARIABLE.sub("", text)):
        right = f"{{{miswritten[1].lower()}}}"
        raise _invalid(
            f"变量要写成 {right}，用半角括号，中间没有空格。",
            f"the variable is written {right}, in half-width braces and without spaces.",
            part,
        )


def clean_html(html: str) -> str:
    """What mail programs may be sent: no script, no form, no style sheet; links to http(s), mail and phones only."""
    return nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        filter_style_properties=STYLES,
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel=None,
    ).replace("%7Blink%7D", "{link}")


def choose(run: Any, variant: str, channel: str, language: str) -> Words:
    """What a run says to readers of a language; ``run`` has title, title_en, body, body_en and texts."""
    said = run.texts.get(variant, {})
    for by_language in (said.get(channel), said.get(ANY), _own(run), run.texts.get(LABELS[0], {}).get(ANY)):
        written = {each: words for each, words in (by_language or {}).items() if "title" in words}
        if written:
            words = written.get(language) or next(iter(written.values()))
            return Words(words["title"], words["body"], words.get("html", ""))
    return Words("", "")


def choose_template(texts: Mapping[str, Any], variant: str, channel: str, language: str) -> str | None:
    """The code of the vendor's template for readers of a language; where a variant names none, A's."""
    for label in (variant, LABELS[0]):
        by_language = texts.get(label, {}).get(channel, {})
        named = {each: words[TEMPLATE] for each, words in by_language.items() if TEMPLATE in words}
        if named:
            return str(named.get(language) or next(iter(named.values())))
    return None


def _own(run: Any) -> dict[str, dict[str, str]]:
    """The campaign's own title and body."""
    own = {"zh": (run.title, run.body), "en": (run.title_en, run.body_en)}
    return {language: {"title": title, "body": body} for language, (title, body) in own.items() if title and body}


def filled(words: Words, values: Mapping[str, str]) -> Words:
    """The words with the variables of one member in them; in HTML his own text is escaped."""
    html = words.html and fill_in(words.html, {name: escape(value) for name, value in values.items()})
    return Words(fill_in(words.title, values), fill_in(words.body, values), html)


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """A text with the variables of one member in it."""
    if "{" not in text:
        return text
    if NAME in text and not values.get("name"):
        text = without_name(text)
    return VARIABLE.sub(lambda found: values.get(found[1], ""), text)


def without_name(text: str) -> str:
    """A text for somebody whose name nobody knows: it does not call him, or calls him a member."""
    uncalled = CALLED_LAST.sub("", CALLED_FIRST.sub(lambda found: found[1] + (found[2] or "").upper(), text))
    left = uncalled if uncalled.strip() else text
    return left.replace(NAME, "会员" if CHINESE.search(text) else "member")


def _invalid(zh: str, en: str, part: str = "") -> CampaignInvalid:
    return CampaignInvalid(Text(zh, en), part)
