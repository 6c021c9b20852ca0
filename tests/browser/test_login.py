"""Logging in with a browser."""

from tests.factories import make_chain, make_staff


def test_a_manager_logs_in_and_out_again(site, desktop):
    person = make_staff(make_chain())

    site.sign_in(desktop, person)
    assert "/dashboard/" in desktop.url
    desktop.click(".menu summary")
    desktop.click(".menu__panel form button")

    desktop.wait_for_url(f"{site.url}/login")
    assert "已退出登录" in desktop.inner_text("main")


def test_a_wrong_password_is_said_in_words_and_the_name_stays(site, phone):
    phone.goto(f"{site.url}/login")
    phone.fill("input[name=login]", "nobody")
    phone.fill("input[name=password]", "wrong wrong wrong")
    phone.click("main button[type=submit]")

    assert "账号或密码不对" in phone.inner_text("[role=alert]")
    assert phone.input_value("input[name=login]") == "nobody"
