"""The pages that belong to pushes, as a row of tabs above each of them."""

from typing import NamedTuple

from flask import current_app, g, url_for

from app.auth.guard import Actor, allowed_roles
from app.languages import language
from core.text import Text

TABS = {
    "campaigns.index": Text("推送", "Pushes"),
    "calendar.index": Text("日历", "Calendar"),
    "segments.index": Text("人群", "Segments"),
    "message_templates.index": Text("模板", "Templates"),
    "vendor_templates.index": Text("服务商模板", "Vendor templates"),
    "addresses.index": Text("停用地址", "Closed addresses"),
}


class Tab(NamedTuple):
    """One of them."""

    endpoint: str
    words: str
    url: str


def push_tabs() -> list[Tab]:
    """Those that there are, and that this person may open."""
    person: Actor | None = g.get("actor")
    return [
        Tab(endpoint, words.say(language()), url_for(endpoint))
        for endpoint, words in TABS.items()
        if endpoint in current_app.view_functions and person is not None and person.role in allowed_roles(endpoint)
    ]
