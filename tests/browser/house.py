"""A house that runs on Baton: its staff at their screens, and customers in the widget on a page of another site."""

import httpx
from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page, expect

from tests.browser.test_widget import Shop
from tests.live.world import SECRET, World
from tests.servers import NO_AUTHORITIES, Baton, Database
from web.auth.passwords import hash_password
from web.demo_data import PASSWORD

# What the browser says where a policy has stopped something. That, and an error in a script, is always a defect.
REFUSED = ("Content Security Policy", "TrustedScript", "TrustedHTML")


class House:
    """A server, and browsers that look at it."""

    def __init__(self, world: World, browser: Browser) -> None:
        self.world = world
        self.problems: list[str] = []
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._hash = hash_password(PASSWORD)
        self._database = Database(world.url, "")

    @property
    def base_url(self) -> str:
        """Its address."""
        return self.world.webs[0].base_url

    @property
    def baton(self) -> Baton:
        """The server, as other tests know it."""
        client = httpx.Client(base_url=self.base_url, verify=NO_AUTHORITIES)
        return Baton(self.base_url, SECRET, self._database, client, self.world.webs[0].log)

    def hires(self, name: str, role: str = "operator", capacity: int = 1, status: str = "offline") -> str:
        """Make a member of the staff who can sign in with the PASSWORD of the demo; return the email."""
        count = self.world.value("select count(*) from operators where name = %s", name)
        email = f"{name.lower()}{count or ''}@baton.example"
        query = """
            with account as (select auth.create_user(%s, %s, false) as made)
            insert into operators (id, name, role, capacity, status)
            select (to_jsonb(made) ->> 'id')::uuid, %s, %s, %s, %s from account
        """
        self.world.rows(query, email, self._hash, name, role, capacity, status)
        return email

    def context(self, **options: object) -> BrowserContext:
        """Open a browser of its own: what it stores no other one sees."""
        context = self._browser.new_context(base_url=self.base_url, **options)  # type: ignore[arg-type]
        self._contexts.append(context)
        context.set_default_timeout(15_000)
        context.on("page", self._watch)
        return context

    def enters(self, email: str, path: str = "/operator", **options: object) -> Page:
        """Show a page to a member of the staff who has signed in before."""
        context = self.context(**options)
        self.signs_in(context, email)
        page = context.new_page()
        page.goto(path)
        return page

    def signs_in(self, context: BrowserContext, email: str) -> None:
        """Sign a member of the staff in, behind the back of the page."""
        answer = context.request.post(
            "/session", data={"email": email, "password": PASSWORD}, headers={"Origin": self.base_url}
        )
        assert answer.ok, answer.text()

    def visitor(self, opens: bool = True) -> Shop:
        """Open the shop, and the widget in it."""
        shop = Shop(self.baton, self.context().new_page())
        return shop.opens(["open"]) if opens else shop.opens()

    def stop_clock(self, at: str) -> None:
        """Let it be that time in the database, until it is another one."""
        self.world.rows(
            "create or replace function private.now() returns timestamptz language sql volatile set search_path = ''"
            f" as $$ select '{at}'::timestamptz $$"
        )

    def writes_by_sql(self, name: str, *contents: str, handling: str = "turn") -> str:
        """Let a customer of that name write, without a screen of his own; return the chat's id."""
        ((chat_id, customer_id),) = self.world.new_chats(1, handling=handling)
        self.world.rows("update real_users set name = %s where id = %s", name, customer_id)
        for content in contents:
            self.adds_by_sql(chat_id, content)
        return chat_id

    def adds_by_sql(self, chat_id: str, content: str) -> None:
        """Let the customer of a chat write another message."""
        query = "insert into messages (chat_id, sender_type, sender_id, content)"
        self.world.rows(f"{query} select id, 'real', real_user_id, %s from chats where id = %s", content, chat_id)

    def leave(self) -> None:
        """Close all browsers."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()
        self._database.close()

    def _tell(self, dialog: Dialog) -> None:
        self.problems.append(f"alert: {dialog.message}")
        dialog.dismiss()

    def _watch(self, page: Page) -> None:
        page.on("dialog", self._tell)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on(
            "console",
            lambda said: self.problems.append(said.text) if any(each in said.text for each in REFUSED) else None,
        )


class Desk:
    """The workspace of an operator."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.chat = page.locator("baton-chat")
        self.reply = page.locator("#reply-text")
        self.next = page.locator(".next-card")
        self.messages = self.chat.locator(".message-text")

    def part(self, name: str) -> Locator:
        """Find a part of the chat that is open."""
        return self.chat.locator(f'[data-part="{name}"]')

    def goes_online(self) -> None:
        """Go online."""
        self.page.locator('[data-part="go-online"]').click()
        expect(self.page.locator('baton-lane [data-part="status"] .presence')).to_have_attribute(
            "data-status", "online"
        )

    def takes(self) -> None:
        """Take the next chat, and wait until it is in hand and the caret is where one answers."""
        self.page.locator('[data-command="take"]').click()
        expect(self.reply).to_be_focused()

    def replies(self, text: str) -> None:
        """Reply, in whatever way the chat is handled."""
        self.reply.fill(text)
        self.reply.press("Control+Enter")
        expect(self.reply).to_have_value("")

    def lets_go(self, how: str, choice: Locator | None = None) -> None:
        """Let the chat go: `hand-back`, `transfer`, `complete`."""
        self.page.locator(f'[data-part="{how}"]').click()
        dialog = self.page.locator(f"#{how}")
        if choice is not None:
            choice.check()
        dialog.locator('[type="submit"]').click()
        expect(dialog).to_be_hidden()

    def stands(self, standing: str) -> None:
        """Wait until the chat is that to the operator: mine, theirs, waiting, customer, completed."""
        expect(self.chat).to_have_attribute("data-state", standing)

    def shows(self, *texts: str) -> None:
        """Wait until it shows these messages, all of them sent."""
        expect(self.messages).to_have_text(list(texts))
        expect(self.chat.locator('.message:not([data-state="sent"], [data-state="read"])')).to_have_count(0)
