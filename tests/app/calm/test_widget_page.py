"""The demo page and the widget's client in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.app.browser import chromium
from tests.app.interact_world import InteractTenant
from tests.app.stack import ROOT, AppStack
from tests.devhost.stack import eventually


@pytest.fixture(scope="module")
def shop(stack: AppStack) -> InteractTenant:
    return InteractTenant(stack, sessionRecoveryTimeoutSeconds=5)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, stack: AppStack) -> Iterator[Page]:
    """The demo page; nothing may be blocked by its policy, and no script may fail."""
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=stack.base)
    page = context.new_page()
    page.set_default_timeout(15_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    page.goto(f"{stack.base}/portal/widget-demo")
    yield page
    context.close()
    assert wrong == []


def start(page: Page, shop: InteractTenant, conversation: str = "direct") -> None:
    page.fill("#key", shop.key)
    page.locator("#key").blur()
    expect(page.locator("#facts")).to_contain_text("Interact is on")
    page.check(f"[value={conversation}]", force=True)
    page.fill("#target", shop.upn if conversation == "direct" else shop.desk)
    page.click("#start")
    expect(page.locator("#state")).to_have_text("Open")


def test_a_dropped_session_is_rejoined_in_time_and_refused_after_it(page: Page, shop: InteractTenant) -> None:
    start(page, shop)
    first = page.inner_text("#session-id")
    page.click("#leave")
    expect(page.locator("#state")).to_have_text("Recovering")
    assert 1 <= int(page.inner_text("#seconds")) <= 5
    page.click("#rejoin")
    expect(page.locator("#state")).to_have_text("Open")
    assert page.inner_text("#session-id") == first
    page.click("#leave")
    expect(page.locator("#state")).to_have_text("Ended", timeout=15_000)
    page.click("#rejoin")
    expect(page.locator("#problem")).to_contain_text("has ended")
    page.click("#start")
    expect(page.locator("#state")).to_have_text("Open")
    assert page.inner_text("#session-id") != first


def test_a_page_that_is_loaded_again_is_back_in_its_session(page: Page, shop: InteractTenant) -> None:
    start(page, shop)
    session = page.inner_text("#session-id")
    page.reload()
    expect(page.locator("#state")).to_have_text("Open")
    assert page.inner_text("#session-id") == session
    expect(page.locator("#log")).to_contain_text("loaded again")


def test_a_page_that_is_closed_says_goodbye(page: Page, shop: InteractTenant) -> None:
    start(page, shop)
    kept = page.evaluate("Object.values(sessionStorage).map((text) => text.startsWith('{') && JSON.parse(text))")
    secret = next(one["secret"] for one in kept if one)
    path = f"sessions/{page.inner_text('#session-id')}"
    assert shop.page("GET", path, X_Session_Secret=secret).json()["state"] == "Open"
    page.goto("about:blank")
    eventually(
        lambda: shop.page("GET", path, X_Session_Secret=secret).json()["state"] != "Open", "the page said goodbye"
    )


def test_a_service_conversation_without_its_agent_shows_what_it_continues(page: Page, shop: InteractTenant) -> None:
    start(page, shop, "service")
    first = page.inner_text("#session-id")
    for event in ("agentJoined", "agentLeft"):
        assert shop.integration(f"sessions/{first}/events", {"type": event}).status_code == 200
    page.click("#leave")
    expect(page.locator("#state")).to_have_text("Recovering")
    page.click("#rejoin")
    expect(page.locator("#restarted")).to_have_text(first)
    assert page.inner_text("#session-id") != first


def test_the_snippet_is_copied_as_it_is_shown(page: Page, shop: InteractTenant) -> None:
    page.fill("#key", shop.key)
    page.locator("#key").blur()
    expect(page.locator("#snippet")).to_contain_text(shop.key)
    page.click("#copy")
    expect(page.locator("#copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.inner_text("#snippet")


def test_a_wrong_key_is_told_at_once(page: Page) -> None:
    page.fill("#key", "12345678-1234-4123-8123-123456789012")
    page.locator("#key").blur()
    expect(page.locator("#facts")).to_have_text("This widget key is not valid.")


def test_a_page_of_another_origin_uses_the_client_the_same_way(
    browser: Browser, stack: AppStack, shop: InteractTenant
) -> None:
    """Another port is another origin, so the browser asks first and reads only what it may."""
    page = browser.new_page()
    page.goto(stack.simulator.replace("/_simulator", "/login.microsoftonline.com/common/oauth2/v2.0/logout"))
    page.add_script_tag(url=f"{stack.base}/portal/widget/nimbus-widget.js")
    found = page.evaluate(
        """async ([baseUrl, widgetKey, target]) => {
            const widget = new NimbusWidget({ baseUrl, widgetKey });
            await widget.start({ conversation: "direct", target });
            await widget.leave();
            await widget.rejoin();
            const seen = [widget.session.state, Boolean(widget.session.acs.token)];
            await widget.end();
            const late = await widget.rejoin().catch((problem) => [problem.status, problem.code]);
            return [...seen, widget.session.state, ...late, sessionStorage.length];
        }""",
        [stack.base, shop.key, shop.upn],
    )
    page.close()
    assert found == ["Open", True, "Ended", 410, "SessionEnded", 0]


class Website:
    """A page with a session, its clock turned by hand and its server played here.

    ``will`` queues answers: a status, what it says and Retry-After; status 0 is no answer at all. Without any left the
    server renews tokens by an hour.
    """

    def __init__(self, browser: Browser, ahead: timedelta = timedelta(0)) -> None:
        """``ahead`` is by how much the page's clock is ahead of the server's."""
        self.page = browser.new_page()
        self.page.clock.install()
        self.page.add_script_tag(path=ROOT / "portal/widget/nimbus-widget.js")
        self.page.evaluate(
            """async (ahead) => {
                Object.assign(window, { answers: [], asked: [], problems: [] });
                window.acs = (seconds = 3600) => {
                    const expiresOn = new Date(Date.now() - ahead + seconds * 1000).toISOString();
                    return { userId: "u", token: "t", expiresOn, expiresInSeconds: seconds };
                };
                const open = { sessionId: "s", state: "Open", recoveryTimeoutSeconds: 20 };
                answers.push([201, { ...open, sessionSecret: "x", acs: acs() }]);
                window.fetch = async (url) => {
                    asked.push(url.split("/").pop());
                    const [status, body, pause] = answers.shift() ?? [200, acs()];
                    if (!status) throw new TypeError("no network");
                    return { ok: status < 300, status, json: async () => body, headers: { get: () => pause ?? null } };
                };
                const storage = { getItem: () => null, setItem() {}, removeItem() {} };
                window.widget = new NimbusWidget({ baseUrl: "https://x", widgetKey: "k", storage });
                widget.addEventListener("problem", ({ detail }) => problems.push(detail.status));
                await widget.start({ conversation: "direct", target: "a@b.example" });
                asked.length = 0;
            }""",
            ahead.total_seconds() * 1000,
        )

    def will(self, *answers: list[Any]) -> None:
        self.page.evaluate("answers => window.answers.push(...answers)", list(answers))

    def asked_after(self, **time: float) -> list[str]:
        """The ends of the paths it has called since the last look, so much time on."""
        self.page.clock.run_for(round(timedelta(**time).total_seconds() * 1000))
        return list(self.page.evaluate("asked.splice(0)"))

    def state(self) -> str:
        return str(self.page.evaluate("widget.session.state"))


@pytest.fixture
def website(browser: Browser) -> Iterator[Website]:
    website = Website(browser)
    yield website
    website.page.close()


@pytest.mark.parametrize(
    ("failure", "pause"), [([503, {}, "5"], 5), ([429, {}, "30"], 30), ([504, {}], 15), ([0, None], 15)]
)
def test_a_renewal_that_fails_for_a_while_is_tried_until_it_works(
    website: Website, failure: list[Any], pause: float
) -> None:
    website.will(failure, failure)
    assert website.asked_after(minutes=54, seconds=59) == []
    assert website.asked_after(seconds=2) == ["token"]
    assert website.asked_after(seconds=pause - 2) == []
    assert website.asked_after(seconds=2) == ["token"]
    assert website.asked_after(seconds=pause) == ["token"]
    assert website.asked_after(minutes=54) == []
    assert website.asked_after(minutes=2) == ["token"]
    assert website.page.evaluate("problems") == [failure[0]] * 2


@pytest.mark.parametrize("hours", [-1, 1, 30])
def test_a_page_whose_clock_is_wrong_renews_when_the_token_needs_it(browser: Browser, hours: float) -> None:
    website = Website(browser, ahead=timedelta(hours=hours))
    try:
        for _ in range(2):
            assert website.asked_after(minutes=54, seconds=58) == []
            assert website.asked_after(seconds=2) == ["token"]
        until = website.page.evaluate("ahead => new Date(Date.now() - ahead + 20e3).toISOString()", hours * 3600e3)
        website.will(
            [200, {"sessionId": "s", "state": "Recovering", "recoverUntil": until, "recoveryTimeoutSeconds": 20}]
        )
        website.page.evaluate("widget.leave()")
        assert website.asked_after(seconds=19) == ["events"]
        website.will([200, {"sessionId": "s", "state": "Ended"}])
        assert website.asked_after(seconds=2) == ["s"]
    finally:
        website.page.close()


def test_a_token_that_is_over_at_once_is_renewed_every_half_minute_also_by_a_page_that_looks_often(
    website: Website,
) -> None:
    short = website.page.evaluate("Array.from({ length: 20 }, () => [200, acs(10)])")
    website.will(*short)
    website.page.evaluate("widget.renewToken()")
    assert website.asked_after(seconds=1) == ["token"]
    assert website.asked_after(minutes=4) == ["token"] * 8
    website.page.evaluate("answers.unshift([200, { sessionId: 's', state: 'Open' }])")
    assert website.asked_after(seconds=20) == []
    website.page.evaluate("widget.refresh()")
    assert website.asked_after(seconds=10) == ["s", "token"]


@pytest.mark.parametrize("status", [401, 404, 410])
def test_a_renewal_that_is_refused_for_good_is_not_tried_again(website: Website, status: int) -> None:
    website.will([status, {"code": "SessionEnded"}])
    assert website.asked_after(minutes=56) == ["token"]
    assert website.asked_after(hours=2) == []
    assert website.state() == ("Ended" if status == 410 else "Open")


def test_a_renewal_for_a_session_that_is_not_open_any_more_shows_what_became_of_it(website: Website) -> None:
    website.will([409, {"code": "SessionRecovering"}], [200, {"sessionId": "s", "state": "Ended"}])
    assert website.asked_after(minutes=56) == ["token", "s"]
    assert website.state() == "Ended"


def test_a_page_that_cannot_ask_how_a_recovery_ended_asks_again(website: Website) -> None:
    until = website.page.evaluate("new Date(Date.now() + 20e3).toISOString()")
    left = {"sessionId": "s", "state": "Recovering", "recoverUntil": until, "recoveryTimeoutSeconds": 20}
    website.will([200, left], [0, None], [503, {}, "5"], [200, {"sessionId": "s", "state": "Ended"}])
    website.page.evaluate("widget.leave()")
    assert website.asked_after(seconds=19) == ["events"]
    assert website.asked_after(seconds=15) == ["s"]
    assert website.asked_after(seconds=15) == ["s", "s"]
    assert website.state() == "Ended"
    assert website.asked_after(hours=2) == []


def test_what_is_planned_meanwhile_takes_the_place_of_another_try(website: Website) -> None:
    """The page leaves while a renewal is under way; that fails then, and is not for a page that has left."""
    until = website.page.evaluate("new Date(Date.now() + 56 * 60e3 + 20e3).toISOString()")
    left = {"sessionId": "s", "state": "Recovering", "recoverUntil": until, "recoveryTimeoutSeconds": 20}
    website.will([200, left], [503, {}, "1"], [200, {"sessionId": "s", "state": "Ended"}])
    website.page.evaluate(
        """() => {
            const real = window.fetch;
            window.fetch = (url) => {
                window.fetch = real;
                return widget.leave().then(() => real(url));
            };
        }"""
    )
    assert website.asked_after(minutes=55, seconds=10) == ["events", "token"]
    assert website.asked_after(minutes=5) == ["s"]


def test_what_a_page_tells_is_in_order_though_its_clock_is_set_back_and_it_is_loaded_again(website: Website) -> None:
    moments = website.page.evaluate(
        """async () => {
            const moments = [];
            const acs = { userId: "u", token: "t", expiresOn: new Date(Date.now() + 3600e3).toISOString() };
            window.fetch = async (url, { body }) => {
                const { at } = JSON.parse(body);
                if (at) moments.push(at);
                return { ok: true, json: async () => ({ sessionId: "s", state: "Open", acs }) };
            };
            const kept = new Map();
            const storage = { getItem: (name) => kept.get(name), setItem: (name, text) => kept.set(name, text) };
            const page = () => new NimbusWidget({ baseUrl: "https://x", widgetKey: "k", storage });
            const before = page();
            await before.start({ conversation: "direct", target: "a@b.example" });
            await before.leave();
            const now = Date.now();
            Date.now = () => now - 60e3;
            await before.rejoin();
            window.dispatchEvent(new Event("pagehide"));
            await page().resume();
            return moments;
        }"""
    )
    mine = moments[:2] + moments[-2:]  # the widget of the fixture says goodbye, too
    assert mine == sorted(set(mine))
    assert len(mine) == 4


def test_the_client_is_served_so_that_websites_may_load_and_keep_it(stack: AppStack) -> None:
    url = f"{stack.base}/portal/widget/nimbus-widget.js"
    answer = requests.get(url, timeout=20)
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert "max-age" in answer.headers["Cache-Control"]
    again = requests.get(url, headers={"If-None-Match": answer.headers["ETag"]}, timeout=20)
    assert (again.status_code, again.content) == (304, b"")
    for name in ("demo.py", "..%2fwidget%2fdemo.js", "%2e%2e", "demo.html%00"):
        assert requests.get(f"{stack.base}/portal/widget/{name}", timeout=20).status_code == 404


def test_the_demo_page_lets_no_foreign_script_in(stack: AppStack) -> None:
    policy = requests.get(f"{stack.base}/portal/widget-demo", timeout=20).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
