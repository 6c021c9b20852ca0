"""A key in a browser: made, copied, revoked, brought back."""

from tests.factories import make_chain, make_staff, make_store


def test_a_key_is_made_copied_revoked_and_brought_back(site, desktop):
    chain = make_chain()
    make_store(chain, "SH001")
    site.sign_in(desktop, make_staff(chain))
    desktop.goto(f"{site.url}/dashboard/keys")

    desktop.fill("input[name=name]", "门口收银机")
    desktop.fill("input[name=store_code]", "SH001")
    desktop.click("main form.form button[type=submit]")
    assert desktop.inner_text("#new-key").startswith("kq_")
    desktop.click("[data-copy]")
    desktop.wait_for_function("document.querySelector('[data-copy]').textContent.includes('已复制')")

    desktop.click("table summary")
    desktop.click(".confirm__panel button")
    desktop.wait_for_selector("text=密钥已作废")
    desktop.click(".notice__undo")
    desktop.wait_for_selector("text=密钥恢复使用了")
