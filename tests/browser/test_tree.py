"""The propagation tree as a picture: by mouse, by keyboard, by touch, and without scripts."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import update

from cards.models import Card, Member
from core.clock import utc_now
from core.db import db, transaction
from tests.browser.conftest import Site
from tests.factories import in_days, make_staff
from tests.sharing.referring import Circle

ROOT_X, COLUMN, ROW = 24, 196, 30  # px in the picture, where everything fits
MANY = 260  # more than are drawn at once


@pytest.fixture
def circle(site: Site) -> Circle:
    return Circle("snowpeak")


@pytest.fixture
def family(circle: Circle) -> dict[str, Card]:
    """林小雪 brought three; 周大海, the second of them, brought 吴静, who brought nobody."""
    now = utc_now()
    root = circle.member(now=in_days(-9, now))
    first, second, third = (circle.friend(root, now=in_days(-day, now)) for day in (8, 7, 6))
    found = {"林小雪": root, "赵一": first, "周大海": second, "钱三": third}
    found["吴静"] = circle.friend(second, now=in_days(-2, now))
    rename(found)
    return found


def rename(cards: dict[str, Card]) -> None:
    with transaction():
        for name, card in cards.items():
            db.session.execute(update(Member).where(Member.id == card.member_id).values(name=name))


def open_tree(site: Site, page: Page, circle: Circle, root: Card, more: str = "") -> Locator:
    site.sign_in(page, make_staff(circle.chain))
    page.goto(f"{site.url}/dashboard/sharing/tree/{root.member_id}{more}")
    expect(page.locator("[data-tree][data-ready]")).to_be_visible()
    return page.get_by_role("tree")


def items(tree: Locator) -> Locator:
    return tree.get_by_role("treeitem", include_hidden=True)


def names(tree: Locator) -> list[str]:
    return [re.split("[,，]", words)[0] for words in items(tree).all_text_contents()]


def middle(tree: Locator) -> float:
    box = tree.bounding_box()
    assert box
    return box["height"] / 2


def chosen(tree: Locator) -> Locator:
    return tree.locator("[role=treeitem][aria-selected=true]")


def test_branches_open_and_close_by_mouse(site: Site, desktop: Page, circle: Circle, family: dict[str, Card]) -> None:
    tree = open_tree(site, desktop, circle, family["林小雪"])
    assert names(tree) == ["林小雪", "周大海", "吴静", "赵一", "钱三"]

    root = items(tree).first
    root_at = {"x": ROOT_X, "y": middle(tree)}
    tree.click(position=root_at)
    expect(items(tree)).to_have_count(1)
    expect(root).to_have_attribute("aria-expanded", "false")
    desktop.wait_for_timeout(300)  # the picture has come to rest
    tree.click(position=root_at)
    expect(items(tree)).to_have_count(5)
    expect(desktop.locator("[data-tree-detail] h3")).to_have_text("林小雪")
    desktop.click("[data-tree-toggle]")
    expect(items(tree)).to_have_count(1)


def test_a_chosen_member_is_told_beside_the_picture(
    site: Site, desktop: Page, circle: Circle, family: dict[str, Card]
) -> None:
    tree = open_tree(site, desktop, circle, family["周大海"])
    detail = desktop.locator("[data-tree-detail]")

    tree.click(position={"x": ROOT_X + COLUMN, "y": middle(tree)})

    expect(detail.locator("h3")).to_have_text("吴静")
    expect(detail).to_contain_text(circle.store.name)
    expect(detail.locator("[data-tree-to=url]")).to_have_attribute(
        "href", f"/dashboard/members/{family['吴静'].member_id}"
    )
    expect(detail.locator("[data-of=channel]")).to_have_text("群")


def test_colours_follow_the_legend(site: Site, desktop: Page, circle: Circle, family: dict[str, Card]) -> None:
    with transaction():
        db.session.execute(update(Card).where(Card.id == family["吴静"].id).values(spent_cents=123_00))
    open_tree(site, desktop, circle, family["林小雪"])
    legend = desktop.locator("[data-tree-legend] button")

    expect(legend).to_have_text(["群", "自己来的"])
    legend.first.click()
    expect(legend.first).to_have_attribute("aria-pressed", "true")
    desktop.select_option("[data-tree-colour]", "time")
    expect(legend.first).to_contain_text("为止")
    desktop.select_option("[data-tree-colour]", "value")
    expect(legend).to_have_text(["没有消费", "不超过 ¥100", "¥100 以上"])
    expect(desktop.locator("[data-of=spent_by]")).to_contain_text("123")


def test_growth_is_replayed(site: Site, desktop: Page, circle: Circle, family: dict[str, Card]) -> None:
    open_tree(site, desktop, circle, family["林小雪"])
    says, slider = desktop.locator("[data-replay=says]"), desktop.locator("[data-replay=slider]")

    desktop.click("[data-replay=play]")
    expect(desktop.locator("[data-replay=play]")).to_have_text("暂停")
    expect(says).to_contain_text("：4 / 4")
    expect(desktop.locator("[data-replay=play]")).to_have_text("播放")
    desktop.click("[data-replay=back]")
    expect(says).to_contain_text("：3 / 4")
    slider.focus()
    slider.press("Home")
    expect(says).to_contain_text("：1 / 4")
    desktop.click("[data-replay=on]")
    expect(says).to_contain_text("：2 / 4")


def test_the_picture_is_saved_as_png_and_as_svg(
    site: Site, desktop: Page, circle: Circle, family: dict[str, Card], tmp_path: Path
) -> None:
    open_tree(site, desktop, circle, family["林小雪"])

    png, svg = (save(desktop, kind, tmp_path) for kind in ("png", "svg"))

    assert re.fullmatch(r"tree_snowpeak_\d{4}_\d{4}-\d\d-\d\d\.png", png.name)
    assert png.read_bytes().startswith(b"\x89PNG")
    drawn = ElementTree.parse(svg).getroot()
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert drawn[0].text == "林小雪 的传播树"
    words = {each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert {"林小雪", "周大海", "吴静", "赵一", "钱三"} <= words


def save(page: Page, kind: str, folder: Path) -> Path:
    page.click(".tree__export summary")
    with page.expect_download() as saving:
        page.click(f"[data-tree-export={kind}]")
    path = folder / saving.value.suggested_filename
    saving.value.save_as(path)
    return path


def test_the_tree_is_walked_by_keyboard(site: Site, desktop: Page, circle: Circle, family: dict[str, Card]) -> None:
    tree = open_tree(site, desktop, circle, family["林小雪"])
    tree.focus()

    expect(chosen(tree)).to_contain_text("林小雪")
    tree.press("ArrowRight")
    expect(chosen(tree)).to_contain_text("周大海")
    tree.press("ArrowLeft")
    expect(items(tree)).to_have_count(4)
    tree.press("ArrowRight")
    expect(items(tree)).to_have_count(5)
    tree.press("ArrowRight")
    expect(chosen(tree)).to_contain_text("吴静")
    expect(chosen(tree)).to_have_attribute("aria-level", "3")
    tree.press("End")
    expect(chosen(tree)).to_contain_text("钱三")
    tree.press("ArrowUp")
    expect(chosen(tree)).to_contain_text("赵一")
    tree.press("Home")
    expect(tree).to_have_attribute("aria-activedescendant", chosen(tree).get_attribute("id") or "")
    tree.press("ArrowDown")
    tree.press("Enter")
    desktop.wait_for_url(f"**/tree/{family['周大海'].member_id}")
    expect(desktop.locator("h1")).to_contain_text("周大海")
    expect(desktop.locator(".crumb")).to_contain_text("林小雪")


def test_letters_lead_to_a_name(site: Site, desktop: Page, circle: Circle, family: dict[str, Card]) -> None:
    rename({"Anna": family["赵一"], "Ben": family["钱三"], "Bea": family["吴静"]})
    tree = open_tree(site, desktop, circle, family["林小雪"])
    tree.focus()

    desktop.keyboard.type("ben")
    expect(chosen(tree)).to_contain_text("Ben")
    desktop.wait_for_timeout(1_000)
    desktop.keyboard.type("a")
    expect(chosen(tree)).to_contain_text("Anna")


def test_a_member_is_found_and_marked(site: Site, desktop: Page, circle: Circle, family: dict[str, Card]) -> None:
    lonely = circle.member()
    rename({"吴静静": lonely})
    tree = open_tree(site, desktop, circle, family["林小雪"])
    tree.focus()
    tree.press("ArrowLeft")
    expect(items(tree)).to_have_count(1)

    desktop.fill("[data-tree-find]", "吴静")
    hits = desktop.locator("#tree-hits [role=option]")
    expect(hits).to_have_count(2)
    expect(hits.last).to_contain_text("在别的树上")
    desktop.press("[data-tree-find]", "Enter")

    expect(chosen(tree)).to_contain_text("吴静")
    expect(tree).to_be_focused()
    assert names(tree)[:3] == ["林小雪", "周大海", "吴静"]
    desktop.fill("[data-tree-find]", family["吴静"].number)
    expect(hits).to_have_count(1)
    desktop.fill("[data-tree-find]", "没有这个人")
    expect(desktop.locator("#tree-hits")).to_contain_text("没有找到")


def test_a_large_tree_begins_with_its_generations(site: Site, desktop: Page, circle: Circle) -> None:
    root = circle.member()
    link = circle.share(root)
    branch = circle.friend(link)
    for _ in range(MANY):
        circle.friend(link)
    below = circle.share(branch)
    for _ in range(60):
        circle.friend(below)
    tree = open_tree(site, desktop, circle, root)
    bands = desktop.locator("[data-tree-generations]")

    expect(bands).to_be_visible()
    expect(tree).to_be_hidden()
    bands.click(position={"x": 200, "y": 25})
    expect(desktop.locator("#largest")).to_contain_text("第 1 代最大的分支")
    expect(desktop.locator("#largest tbody tr")).to_have_count(12)
    bands.focus()
    bands.press("ArrowDown")
    bands.press("Enter")
    expect(desktop.locator("#largest")).to_contain_text("第 2 代最大的分支")

    desktop.click("[data-tree-view=tree]")
    expect(tree).to_be_visible()
    more = items(tree).filter(has_text="还有 249 位")
    expect(more).to_have_count(1)
    tree.focus()
    tree.press("End")
    tree.press("Enter")
    expect(items(tree).filter(has_text="还有 209 位")).to_have_count(1)
    expect(chosen(tree)).to_contain_text("会员 ")


def test_a_phone_shows_the_tapped_member_in_a_sheet(
    site: Site, phone: Page, circle: Circle, family: dict[str, Card]
) -> None:
    tree = open_tree(site, phone, circle, family["林小雪"])
    detail = phone.locator("[data-tree-detail]")
    expect(detail).to_be_hidden()

    tree.scroll_into_view_if_needed()
    tree.tap(position={"x": ROOT_X, "y": middle(tree)})
    expect(detail).to_be_in_viewport()
    expect(detail.locator("h3")).to_have_text("林小雪")
    expect(detail.locator("[data-tree-to=url]")).to_be_visible()
    expect(items(tree)).to_have_count(1)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    detail.locator("[data-tree-shut]").tap()
    expect(detail).to_be_hidden()


def test_without_scripts_lists_and_links_say_the_same(
    site: Site, desktop: Page, browser: Browser, circle: Circle, family: dict[str, Card]
) -> None:
    site.sign_in(desktop, make_staff(circle.chain))
    context = browser.new_context(java_script_enabled=False, locale="zh-CN")
    context.add_cookies(desktop.context.cookies())  # type: ignore[arg-type]
    page = context.new_page()
    try:
        page.goto(f"{site.url}/dashboard/sharing/tree")
        expect(page.locator("[data-tree]")).to_be_hidden()
        page.fill("[name=find]", "吴静")
        page.click("noscript button, .filters button")
        expect(page.locator("main")).to_contain_text("找到的会员")
        page.goto(f"{site.url}/dashboard/sharing/tree")
        page.click("#trees-table a:has-text('传播树')")
        expect(page.locator("h1")).to_contain_text("林小雪")
        page.click("#generations-table a >> nth=1")
        expect(page.locator("#largest")).to_contain_text("吴静")
        page.click("#children-table a:has-text('传播树')")
        expect(page.locator("h1")).to_contain_text("周大海")
    finally:
        context.close()
