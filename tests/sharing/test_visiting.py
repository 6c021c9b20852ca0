"""Openings of share links: which count, and how often."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from cards.models import Wallet
from core.db import db, transaction
from core.hot import one_action, this_transaction
from core.tokens import hashed
from sharing import joining, linking, visiting
from sharing.models import ShareLink, ShareVisit
from tests.factories import NOON, make_card, make_chain, make_store, make_store_code, make_wallet

WECHAT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
    " MicroMessenger/8.0.49(0x18003129) NetType/WIFI Language/zh_CN"
)
WECHAT_ANDROID = (
    "Mozilla/5.0 (Linux; Android 14; V2301A Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Version/4.0 Chrome/116.0.0.0 Mobile Safari/537.36 XWEB/1160117 MMWEBSDK/20240404 MMWEBID/8833"
    " MicroMessenger/8.0.49.2600(0x28003133) WeChat/arm64 Weixin NetType/5G Language/zh_CN ABI/arm64"
)
CHROME = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36"
)
FACEBOOK_APP = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/21F90 [FBAN/FBIOS;FBAV/468.0.0.38.104]"
IMESSAGE = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1"
    " Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0"
)


@pytest.fixture
def link(app):
    card = make_card(make_store_code(make_store(make_chain())), wallet_id=make_wallet("the sharer's secret"))
    with transaction():
        return linking.create_link(this_transaction(), card.chain_id, card.id, "group", now=NOON)


def visit(link, visitor="a friend", now=NOON):
    with one_action() as hot:
        return visiting.count_visit(hot, link.token, visitor=visitor, now=now)


def counted(link) -> tuple[int, int]:
    rows = db.session.scalar(select(func.count(ShareVisit.id)).filter_by(share_link_id=link.id))
    return rows, db.session.scalar(select(ShareLink.visits).filter_by(id=link.id))


def test_a_visit_counts_once_in_half_an_hour(link):
    minutes = [0, 1, 29, 30, 31, 60]

    results = [visit(link, now=NOON + timedelta(minutes=m)) for m in minutes]

    assert results == [True, False, False, True, False, True]
    assert counted(link) == (3, 3)


def test_each_visitor_counts(link):
    assert [visit(link, visitor) for visitor in ("a", "b", "a")] == [True, True, False]
    assert counted(link) == (2, 2)


def test_the_sharers_own_opening_does_not_count(link):
    assert visit(link, hashed("the sharer's secret")) is False
    assert counted(link) == (0, 0)


def test_a_visitor_who_is_a_member_already_counts(link):
    make_wallet("another member")

    assert visit(link, hashed("another member")) is True
    assert db.session.scalar(select(func.count(Wallet.id))) == 2


def test_an_unknown_link_is_not_told_from_a_mistyped_one(app):
    with pytest.raises(joining.CodeUnknown), one_action() as hot:
        visiting.count_visit(hot, "x" * 13, visitor="a", now=NOON)


@pytest.mark.parametrize(
    "user_agent", [WECHAT, WECHAT_ANDROID, CHROME, FACEBOOK_APP], ids=["wechat", "android", "chrome", "facebook"]
)
def test_people_are_no_previews(user_agent):
    assert not visiting.is_preview(user_agent, {"Accept": "text/html"})


@pytest.mark.parametrize(
    "user_agent",
    [
        IMESSAGE,
        "TelegramBot (like TwitterBot)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Slack-ImgProxy (+https://api.slack.com/robots)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Twitterbot/1.0",
        "WhatsApp/2.23.20.0",
        "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
        "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/81 Safari/537.36 mpcrawler",
        "LinkedInBot/1.0 (compatible; Mozilla/5.0)",
        "SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
        "curl/8.5.0",
        "Wget/1.21.4",
        "python-requests/2.32.3",
        "Go-http-client/2.0",
        "",
    ],
)
def test_previews_crawlers_and_tools_are_told_by_their_name(user_agent):
    assert visiting.is_preview(user_agent, {})


@pytest.mark.parametrize(
    ("header", "value"),
    [("Purpose", "prefetch"), ("Sec-Purpose", "prefetch;prerender"), ("X-Purpose", "preview"), ("X-Moz", "prefetch")],
)
def test_a_browser_that_looks_ahead_is_no_visit(header, value):
    assert visiting.is_preview(CHROME, {header: value})


def test_asking_for_the_head_only_is_no_visit():
    assert visiting.is_preview(CHROME, {}, method="HEAD")


def test_an_app_that_speaks_to_the_api_by_a_library_is_no_crawler():
    assert not visiting.is_crawler("okhttp/4.12.0", {})
    assert visiting.is_crawler("TelegramBot (like TwitterBot)", {})
