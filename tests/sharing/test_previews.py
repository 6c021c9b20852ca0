"""Who opens a link: persons with their browsers, or the machines that look before them."""

import pytest

from sharing import previews

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
CHROME = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36"
)
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4.1"
PERSONS = {
    "safari": f"{IPHONE} Version/17.4 Mobile/15E148 Safari/604.1",
    "safari on a mac": f"{MAC} Safari/605.1.15",
    "chrome": CHROME,
    "firefox": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "edge": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/125.0.0.0 Safari/537.36 Edg/125.0.0.0",
    "wechat on an iphone": f"{IPHONE} Mobile/15E148 MicroMessenger/8.0.49(0x18003129) NetType/WIFI Language/zh_CN",
    "wechat on android": (
        "Mozilla/5.0 (Linux; Android 14; V2301A Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Version/4.0 Chrome/116.0.0.0 Mobile Safari/537.36 XWEB/1160117 MMWEBSDK/20240404 MMWEBID/8833"
        " MicroMessenger/8.0.49.2600(0x28003133) WeChat/arm64 Weixin NetType/5G Language/zh_CN ABI/arm64"
    ),
    "wechat on a computer": (
        "Mozilla/5.0 (Windows NT 10.0; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/107.0.0.0 Safari/537.36"
        " NetType/WIFI MicroMessenger/7.0.20.1781(0x6700143B) WindowsWechat(0x63090a13) XWEB/9105 Flue"
    ),
    "wecom": f"{IPHONE} Mobile/15E148 wxwork/4.1.22 MicroMessenger/7.0.1 Language/zh ColorScheme/Light",
    "qq": f"{IPHONE} Mobile/15E148 QQ/9.0.50.625 V1_IPH_SQ_9.0.50_1_APP_A Pixel/1170 NetType/WIFI",
    "weibo": f"{IPHONE} Mobile/15E148 Weibo (iPhone14,5__weibo__14.5.0__iphone__os17.4)",
    "alipay": f"{IPHONE} Mobile/15E148 NebulaSDK/1.8.100112 Nebula AliApp(AP/10.5.90) AlipayClient/10.5.90",
    "facebook": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/21F90 [FBAN/FBIOS;FBAV/468.0.0.38.104]",
    "instagram": f"{IPHONE} Mobile/15E148 Instagram 333.0.2.35.90 (iPhone14,5; iOS 17_4; en_US)",
    "line": f"{IPHONE} Mobile/15E148 Safari Line/14.7.0",
    "kakao": f"{IPHONE} Mobile/15E148 KAKAOTALK 10.7.0",
    "telegram's own browser": (
        "Mozilla/5.0 (Linux; Android 14; K) AppleWebKit/537.36 Chrome/128.0.6613.146 Mobile Safari/537.36"
        " Telegram-Android/11.3.3 (Samsung SM-S918B; Android 14; SDK 34; HIGH)"
    ),
    "linkedin": f"{IPHONE} Mobile/15E148 [LinkedInApp]/9.29.5632",
    "pinterest": f"{IPHONE} Mobile/15E148 [Pinterest/iOS]",
    "a telephone named Cubot": (
        "Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20 PRO) AppleWebKit/537.36 Chrome/126.0.0.0 Mobile Safari/537.36"
    ),
    "the same, with its build": (
        "Mozilla/5.0 (Linux; Android 9; CUBOT_X19 Build/PPR1) AppleWebKit/537.36 Chrome/126.0.0.0 Mobile Safari/537.36"
    ),
}
PREVIEWS = {
    "wechat": "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/81 Safari/537.36 mpcrawler",
    "imessage": (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1"
        " Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0"
    ),
    "apple": f"{MAC} Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
    "telegram": "TelegramBot (like TwitterBot)",
    "slack": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "slack's pictures": "Slack-ImgProxy (+https://api.slack.com/robots)",
    "slack's robot": "Slackbot 1.0 (+https://api.slack.com/robots)",
    "facebook": "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "facebook's catalogue": "facebookcatalog/1.0",
    "meta": "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
    "meta's fetcher": "meta-externalfetcher/1.1",
    "messenger": "Mozilla/5.0 (compatible; FacebookBot/1.0; +https://developers.facebook.com/docs/sharing/webmasters)",
    "whatsapp": "WhatsApp/2.23.20.0",
    "whatsapp on android": "WhatsApp/2.24.9.78 A",
    "signal, which says": "WhatsApp",
    "discord": "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "linkedin": "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "x": "Twitterbot/1.0",
    "line": "facebookexternalhit/1.1;line-poker/1.0",
    "kakao": "facebookexternalhit/1.1; kakaotalk-scrap/1.0; +https://devtalk.kakao.com/t/scrap/33984",
    "teams and skype": "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
    "snapchat": "Snap URL Preview Service; bot; snapchat; https://developers.snap.com/robots",
    "matrix": "Synapse (bot; +https://github.com/matrix-org/synapse)",
    "mastodon": "Mastodon/4.2.9 (http.rb/5.1.1; +https://mastodon.social/)",
    "bluesky": "Mozilla/5.0 (compatible; Bluesky Cardyb/1.1; +mailto:support@bsky.app)",
    "reddit": "Mozilla/5.0 (compatible; redditbot/1.0; +http://www.reddit.com/feedback)",
    "pinterest": "Pinterest/0.2 (+https://www.pinterest.com/bot.html)Mozilla/5.0 (compatible; Pinterestbot/1.0)",
    "vk": "Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)",
    "feishu": "LarkUrl2Meta/1.0",
    "dingtalk": "DingTalkBot-LinkService/1.0 (+https://open-doc.dingtalk.com/microapp/faquestions/ftpfeg)",
    "embedly": "Mozilla/5.0 (compatible; Embedly/0.2; +http://support.embed.ly/)",
    "google": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "google, as a telephone": f"{CHROME} (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "google's reading": f"{CHROME} (compatible; Google-Read-Aloud; +https://support.google.com/webmasters/answer/1061943)",
    "bing": "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "baidu": "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    "sogou": "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
    "bytedance": f"{CHROME} (compatible; Bytespider; spider-feedback@bytedance.com)",
    "yahoo": "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
}
TOOLS = {
    "curl": "curl/8.5.0",
    "wget": "Wget/1.21.4",
    "requests": "python-requests/2.32.3",
    "urllib": "Python-urllib/3.12",
    "go": "Go-http-client/2.0",
    "okhttp": "okhttp/4.12.0",
    "java": "Java/17.0.2",
    "node": "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
    "an android application": "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/AP1A.240505.004)",
    "an iphone application": "MobileSMS/1.0 CFNetwork/1494.0.7 Darwin/23.4.0",
    "nothing": "",
    "blanks": "  ",
}
ACCEPTING = {"Accept": "text/html", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}
LOOKING_AHEAD = [
    ("Purpose", "prefetch"),
    ("Sec-Purpose", "prefetch"),
    ("Sec-Purpose", "prefetch;prerender"),
    ("Sec-Purpose", "prefetch;anonymous-client-ip"),
    ("X-Purpose", "preview"),
    ("X-Purpose", "instant"),
    ("X-Moz", "prefetch"),
]


@pytest.mark.parametrize("who", PERSONS)
def test_a_person_is_no_preview(who):
    assert not previews.is_preview(PERSONS[who], ACCEPTING, method="POST")


@pytest.mark.parametrize("who", PREVIEWS)
def test_a_preview_or_crawler_is_told_by_its_name(who):
    assert previews.is_preview(PREVIEWS[who], ACCEPTING, method="POST")
    assert previews.is_crawler(PREVIEWS[who], ACCEPTING)


@pytest.mark.parametrize("what", TOOLS)
def test_a_tool_opens_no_page_but_may_speak_to_the_api(what):
    assert previews.is_preview(TOOLS[what], {}, method="POST")
    assert not previews.is_crawler(TOOLS[what], {})


@pytest.mark.parametrize(("header", "value"), LOOKING_AHEAD)
def test_a_browser_that_looks_ahead_is_no_visit(header, value):
    assert previews.is_preview(CHROME, {header: value})
    assert previews.is_crawler(CHROME, {header: value})


def test_asking_for_the_head_only_is_no_visit():
    assert previews.is_preview(CHROME, {}, method="HEAD")
