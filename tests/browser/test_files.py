"""A browser brings files and gets them back, and runs nothing out of them."""

import contextlib
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, Error, Page, Route

from tests.browser.test_supabase_js import given, shop, site  # noqa: F401 - fixtures
from tests.files.corpus import POLYGLOTS, Sample, png
from tests.live.world import World

# What is tried with a link on a page of the same origin without any policy of its own.
FRAMES = """
<title>quiet</title>
<iframe src="{link}"></iframe><object data="{link}"></object><embed src="{link}"><img src="{link}">
<script src="{link}"></script><link rel="stylesheet" href="{link}">
"""


def test_a_page_of_another_site_uploads_a_file_and_sees_how_far_it_is(shop: Page, world: World) -> None:  # noqa: F811
    shop.evaluate("() => { document.body.innerHTML = '<input type=file>'; }")
    content = png() + bytes(3_000_000)
    line = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": len(content)}  # for a second
    shop.context.new_cdp_session(shop).send("Network.emulateNetworkConditions", line)
    shop.set_input_files("input", {"name": "Grüße.png", "mimeType": "image/png", "buffer": content})
    told: dict[str, Any] = shop.evaluate(
        """
        async ([url, key]) => {
          await client.auth.signInAnonymously();
          const first = { p_content: "hello", p_client_message_id: crypto.randomUUID() };
          const { data: chat } = await client.rpc("start_chat", first);
          const { data: { session } } = await client.auth.getSession();
          const [file] = document.querySelector("input").files;
          const bucket = client.storage.from("attachments");
          const path = `${chat.id}/a.png`;
          const form = new FormData();
          form.append("metadata", JSON.stringify({ name: file.name }));
          form.append("", file);
          const progress = [];
          const status = await new Promise((resolve) => {
            const request = new XMLHttpRequest();
            request.open("POST", `${url}/storage/v1/object/attachments/${path}`);
            request.setRequestHeader("Authorization", `Bearer ${session.access_token}`);
            request.setRequestHeader("apikey", key);
            request.upload.onprogress = ({ loaded }) => progress.push(loaded);
            request.onloadend = () => resolve(request.status);
            request.send(form);
          });
          const link = await bucket.createSignedUrl(path, 60);
          return {
            status,
            progress,
            direct: (await bucket.upload(`${chat.id}/b.png`, file)).error,
            size: (await bucket.download(path)).data.size,
            name: (await bucket.info(path)).data.metadata.name,
            width: await new Promise((resolve) => {
              const image = new Image();
              image.onload = () => resolve(image.width);
              image.onerror = () => resolve("broken");
              image.src = link.data.signedUrl;
            }),
            refused: (await bucket.upload(`${chat.id}/a.html`, new Blob(["<p>"], { type: "text/html" }))).error.message,
          };
        }
        """,
        given(world, "anon"),
    )
    assert told["status"] == 200
    assert len(told["progress"]) > 1
    assert told["progress"] == sorted(told["progress"])
    assert told["direct"] is None
    assert (told["size"], told["name"], told["width"]) == (len(content), "Grüße.png", 1)
    assert told["refused"] == "The file type is not supported"


@pytest.mark.parametrize("sample", POLYGLOTS, ids=lambda sample: sample.id)
def test_a_file_runs_nothing_however_it_is_opened(browser: Browser, world: World, sample: Sample) -> None:
    person = str(uuid4())
    base_url = world.base_urls[0]
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {world.token(person)}"}) as http:
        chat = http.post("/api/chats", json={"content": "hello", "client_message_id": str(uuid4())}).json()
        path = f"attachments/{chat['id']}/{sample.name}"
        assert http.post(f"/storage/v1/object/{path}", content=sample.content).status_code == 200
        link = (
            base_url
            + "/storage/v1"
            + http.post(f"/storage/v1/object/sign/{path}", json={"expiresIn": 60}).json()["signedURL"]
        )

    def frames(route: Route) -> None:
        route.fulfill(content_type="text/html", body=FRAMES.format(link=link))

    page = browser.new_page()
    page.route(f"{base_url}/test/frames", frames)
    page.goto(f"{base_url}/test/frames", wait_until="load")
    assert {frame.title() for frame in page.frames} <= {"quiet", ""}
    with page.expect_download() as saving, contextlib.suppress(Error):  # a download ends the navigation
        page.goto(link)
    assert saving.value.suggested_filename == sample.name
    assert page.title() == "quiet"
    page.close()
