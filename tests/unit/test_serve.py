"""The page's answers over real sockets on loopback: what is in them, and who gets them."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from rpa_shard.config.settings import Settings
from rpa_shard.extract.runner import make
from rpa_shard.ipc.run_status import RunState, write_status
from rpa_shard.model.arxiv_id import parse
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PREP, Status
from rpa_shard.observe import source
from rpa_shard.observe.serve import contents, live
from rpa_shard.observe.serve.guard import is_loopback
from rpa_shard.observe.serve.papers import WrongQuestionError, id_beginning, wanted_of
from rpa_shard.observe.serve.server import ServeError, Server
from rpa_shard.phases.finished import files_of
from rpa_shard.reading.document import Document, Page
from rpa_shard.reading.quality.figures import measure
from rpa_shard.store.catalogue import PaperMetadata
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed, failed
from tests.finished import write_finished
from tests.statuses import account, host_status, run_status

TOKEN = "a-long-and-secret-token"
HOSTILE = "<script>alert(\"1\")</script> & 'tides'"
DONE, OLD, LINK = "2401.00001", "hep-th/9901001", "https://papers.example/a b/text?x=1%2F2"


@dataclass
class Site:
    """A server on a data folder, and a client."""

    folder: DataFolder
    opened: AsyncExitStack
    url: str = ""
    client: aiohttp.ClientSession = field(init=False)

    async def start(self, token: str | None = None, host: str = "127.0.0.1") -> None:
        made = Server(self.folder, Settings.from_environment({}), host, 0, token)
        self.url = (await self.opened.enter_async_context(made)).url
        self.client = await self.opened.enter_async_context(aiohttp.ClientSession())

    async def ask(self, path: str, **options: Any) -> tuple[int, aiohttp.ClientResponse, bytes]:
        url = URL(self.url.rstrip("/") + path, encoded=True)
        async with self.client.request(options.pop("method", "GET"), url, **options) as answer:
            return answer.status, answer, await answer.read()

    async def json(self, path: str) -> dict[str, Any]:
        code, _, content = await self.ask(path)
        assert code == 200, content
        found: dict[str, Any] = json.loads(content)
        return found

    async def ids(self, question: str) -> list[str]:
        return [each["id"] for each in (await self.json(f"/api/papers?{question}"))["papers"]]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """An empty folder."""
    async with AsyncExitStack() as opened:
        yield Site(DataFolder(tmp_path / "data"), opened)


@pytest.fixture
async def papers(site: Site) -> Site:
    """A folder with finished, failed and queued papers, whose titles are known, and a server for it."""
    engine = engine_of(site.folder)
    with open_ledger(site.folder, Layout(40, 2)) as ledger:
        ledger.add([DONE, OLD, LINK], priority=1)
        ledger.add([f"2402.{number:05}" for number in range(1, 121)])
    for shard in range(2):
        async with engine.open_store(shard, 300.0) as store:
            mine = sum(Layout(40, 2).shard_of(each) == shard for each in (DONE, OLD, LINK))
            for claim in await store.claim(PREP, mine):
                if claim.paper_id == DONE:
                    pages = (Page("One."), Page(HOSTILE))
                    extraction = make(Document(pages, "pdfium", "5"), measure(pages))
                    result = write_finished(files_of(site.folder.papers, parse(DONE)), DONE, extraction)
                    await store.finish(claim, completed(PREP, {**result, "attempts": 1}))
                else:
                    await store.finish(claim, failed(PREP, Failure.NOT_FOUND, f"404 {HOSTILE}"))
    with engine.open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        rows = [(DONE, HOSTILE), (OLD, "Deep tides"), *((f"2402.{n:05}", f"Tides of day {n}") for n in range(1, 121))]
        catalogue.add_metadata(PaperMetadata(each, title, "A", "b", "cs.LG", None, 1) for each, title in rows)
    await site.start()
    return site


async def test_lists_of_papers(papers: Site) -> None:
    assert await papers.ids("query=2401") == [DONE]
    assert await papers.ids("query=arXiv:2401.00001v1") == []
    assert await papers.ids(f"query=https://arxiv.org/abs/{DONE}") == [DONE]
    assert await papers.ids("query=hep-th/") == [OLD]
    assert await papers.ids("query=https://papers") == [LINK]
    assert await papers.ids("status=prepped") == [DONE]
    assert sorted(await papers.ids("status=failed")) == sorted([OLD, LINK])
    assert await papers.ids("reason=not_found") == sorted([OLD, LINK])
    assert await papers.ids("reason=not_found&query=hep-th/99") == [OLD]
    assert await papers.ids("status=done") == []


async def test_titles(papers: Site) -> None:
    found = await papers.json("/api/papers?query=script+alert")
    assert found["by"] == "title"
    assert [(each["id"], each["title"]) for each in found["papers"]] == [(DONE, HOSTILE)]
    assert await papers.ids("query=tides&status=failed") == [OLD]
    assert await papers.ids("query=tides&reason=not_found") == [OLD]
    assert await papers.ids("query=" + quote('") OR title:"tides')) == []
    assert await papers.ids("query=nowhere") == []


@pytest.mark.parametrize("question", ["", "query=24", "query=tides", "status=pending"])
async def test_pages(papers: Site, question: str) -> None:
    whole = await papers.ids(question + "&limit=200")
    found: list[str] = []
    after = ""
    while True:
        page = await papers.json(f"/api/papers?{question}&limit=50&after={quote(after)}")
        found += [each["id"] for each in page["papers"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert found == whole
    assert len(whole) == {"": 123, "query=24": 121, "query=tides": 122, "status=pending": 120}[question]


async def test_one_paper(papers: Site) -> None:
    found = await papers.json(f"/api/papers/{DONE}")
    assert found["row"]["status"] == "prepped"
    assert found["metadata"]["title"] == HOSTILE
    assert [line["event"] for line in found["history"]] == ["prepped"]
    assert [file["path"] for file in found["files"]] == [
        f"papers/2401/{DONE}.{ending}" for ending in ("pdf", "txt", "json")
    ]
    assert found["record"]["pages"] == 2
    for paper_id in (OLD, LINK):
        failed_paper = await papers.json(f"/api/papers/{quote(paper_id, safe='')}")
        assert failed_paper["row"]["paper_id"] == paper_id
        assert failed_paper["row"]["detail"] == f"404 {HOSTILE}"
        assert failed_paper["record"] is None


async def test_text_record_and_references(papers: Site) -> None:
    code, answer, text = await papers.ask(f"/api/papers/{DONE}/text")
    assert (code, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert text.decode().strip().endswith(HOSTILE)
    second = await papers.json(f"/api/papers/{DONE}/text?page=2")
    assert second == {"page": 2, "pages": 2, "text": HOSTILE, "cut": False}
    _, answer, record = await papers.ask(f"/api/papers/{DONE}/record")
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(record)["id"] == DONE
    assert await papers.json(f"/api/papers/{DONE}/references") == {"references": [], "total": 0, "after": 0}
    head, _, nothing = await papers.ask(f"/api/papers/{DONE}/text", method="HEAD")
    assert (head, nothing) == (200, b"")


async def test_a_long_text_comes_in_pieces(papers: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    files = files_of(papers.folder.papers, parse(DONE))
    files.text.write_text("x" * 50_000)
    files.record.write_text("[]")
    assert (await papers.json(f"/api/papers/{DONE}/text?page=3"))["text"] == "x" * 10_000
    monkeypatch.setattr(contents, "MAX_PAGE_CHARACTERS", 10)
    assert await papers.json(f"/api/papers/{DONE}/text?page=1") == {
        "page": 1,
        "pages": 3,
        "text": "x" * 10,
        "cut": True,
    }


@pytest.mark.parametrize(
    ("path", "code", "says"),
    [
        ("/api/papers/2412.00001", 404, "was never added"),
        ("/api/papers/2412.00001/text", 404, "was never added"),
        (f"/api/papers/{quote(OLD, safe='')}/text", 404, "has no text"),
        (f"/api/papers/{quote(OLD, safe='')}/text?page=1", 404, "has no text"),
        (f"/api/papers/{quote(OLD, safe='')}/references", 404, "has no record"),
        (f"/api/papers/{quote('../../manifest.json', safe='')}/text", 404, "was never added"),
        (f"/api/papers/{DONE}/text?page=9", 400, "2 pages"),
        (f"/api/papers/{DONE}/text?page=x", 400, "page is a number"),
        ("/api/papers?status=sleeping", 400, "sleeping"),
        ("/api/papers?limit=100000", 400, "limit is from 1 to 200"),
        ("/api/papers?after=x", 400, "`next` of another page"),
        ("/api/papers?query=tides&after=[1]", 400, "`next` of another page"),
        ("/api/papers?query=" + 301 * "x", 400, "at most 300 characters"),
        ("/nothing", 404, "no such thing"),
    ],
)
async def test_errors_are_one_line(papers: Site, path: str, code: int, says: str) -> None:
    found, _, content = await papers.ask(path)
    assert found == code, content
    message = json.loads(content)["error"]
    assert says in message
    assert "\n" not in message


def test_which_queries_are_ids() -> None:
    for query in ("", "2401", "2401.", "2401.00001v2", "hep-th/99", "math.GT/0309", "https://x", "20"):
        assert id_beginning(query) == query
    assert id_beginning("arXiv:2401.00001") == "2401.00001"
    for query in ("tides", "3d printing", "deep learning 2401", "a/b"):
        assert id_beginning(query) is None
    assert wanted_of({"status": "failed", "limit": "3"}).status is Status.FAILED
    with pytest.raises(WrongQuestionError):
        wanted_of({"limit": "many"})


async def test_without_titles(site: Site) -> None:
    with open_ledger(site.folder, Layout(40, 1)) as ledger:
        ledger.add([DONE])
    await site.start()
    assert await site.ids("query=2401") == [DONE]
    code, _, content = await site.ask("/api/papers?query=tides")
    assert (code, "no titles are known" in content.decode()) == (503, True)


async def test_a_folder_without_papers(site: Site) -> None:
    await site.start()
    status = await site.json("/api/status")
    assert (status["on"], status["run"], "no papers" in status["problem"]) == (False, None, True)
    code, _, content = await site.ask("/api/papers")
    assert (code, "no papers" in json.loads(content)["error"]) == (503, True)


async def test_the_status(papers: Site) -> None:
    found = await papers.json("/api/status")
    assert (found["on"], found["run"]) == (False, None)
    assert found["counts"]["by_status"] == {"pending": 120, "prepped": 1, "failed": 2}
    assert found["account"]["total"] == 123
    write_status(papers.folder.run.status_file, run_status(hosts={"x.example": host_status()}))
    found = await papers.json("/api/status")
    assert (found["on"], found["run"]["state"], found["account"]["total"]) == (True, "running", 12)
    assert found["hosts"]["x.example"]["policy"]
    assert found["run"]["shards"][0]["report"]["work"]["durations"]
    write_status(papers.folder.run.status_file, run_status(state=RunState.ENDED))
    found = await papers.json("/api/status")
    assert (found["on"], found["run"]["state"], found["account"]["total"]) == (False, "ended", 123)


async def test_metrics(papers: Site) -> None:
    for status in (None, run_status(), run_status(state=RunState.ENDED)):
        if status is not None:
            write_status(papers.folder.run.status_file, status)
        code, answer, content = await papers.ask("/metrics")
        assert (code, answer.headers["Content-Type"].split(";")[0]) == (200, "application/openmetrics-text")
        expected = 3 if status is not None and status.state is RunState.RUNNING else 120
        assert f'rpa_papers{{status="pending"}} {expected}\n' in content.decode()


async def next_event(answer: aiohttp.ClientResponse) -> tuple[str, str]:
    """Name and data of the next event."""
    name = "message"
    async with asyncio.timeout(20):
        while True:
            line = (await answer.content.readline()).decode().rstrip("\n")
            assert not answer.content.at_eof(), "the events have ended"
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            if line.startswith("data: "):
                return name, line.removeprefix("data: ")


async def test_events(papers: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(live, "SIGN_OF_LIFE_SECONDS", 0.2)
    looks = 0
    look = source.Source.look

    def counted(self: source.Source) -> source.Seen:
        nonlocal looks
        looks += 1
        return look(self)

    monkeypatch.setattr(source.Source, "look", counted)
    async with papers.client.get(papers.url + "events") as one, papers.client.get(papers.url + "events") as other:
        assert one.headers["Content-Type"].startswith("text/event-stream")
        for answer in (one, other):
            name, data = await next_event(answer)
            assert (name, json.loads(data)["on"]) == ("message", False)
        assert await next_event(one) == ("alive", "1"), "nothing has changed"
        write_status(papers.folder.run.status_file, run_status(account=account(text=HOSTILE)))
        for answer in (one, other):
            name, data = await next_event(answer)
            while name == "alive":
                name, data = await next_event(answer)
            assert json.loads(data)["account"]["text"] == HOSTILE
            assert json.loads(data)["run"]["shards"][0]["report"]["work"]["durations"] == {}, "what is left out"
        write_status(papers.folder.run.status_file, run_status(pid=2**22 - 7, born=1.0))
        while (event := await next_event(one))[0] == "alive":
            pass
        assert (json.loads(event[1])["on"], json.loads(event[1])["run"]["state"]) == (False, "running"), "it was killed"
    before = looks
    deadline = time.monotonic() + 20
    while True:  # nobody looks when no client is left
        await asyncio.sleep(0.2)
        if looks == before:
            break
        before = looks
        assert time.monotonic() < deadline


async def test_it_stops_at_once_with_pages_open(papers: Site) -> None:
    async with papers.client.get(papers.url + "events") as answer:
        await next_event(answer)
        began = time.monotonic()
        await papers.opened.aclose()
        assert time.monotonic() - began < 20
    with pytest.raises(RuntimeError):  # the client is closed as well
        await papers.client.get(papers.url)


async def test_what_a_browser_is_told(papers: Site) -> None:
    for path in ("/", "/page.js", "/page.css", "/icon.svg", "/api/status", "/nothing", f"/api/papers/{DONE}/text"):
        _, answer, content = await papers.ask(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in answer.headers
        if path == "/":
            assert b"http://" not in content
            assert b"https://" not in content
            assert b" on" not in content.split(b"<body>")[0]
            assert content.count(b"<script") == content.count(b'<script src="/page.js"') == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_it_only_reads(papers: Site, method: str) -> None:
    code, answer, _ = await papers.ask("/api/papers", method=method)
    assert (code, set(answer.headers["Allow"].split(","))) == (405, {"GET", "HEAD"})


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("evil.example", 403),
        ("evil.example:80", 403),
        ("localhost:9000", 200),
        ("[::1]", 200),
        ("127.0.0.1", 200),
        ("", 403),
    ],
)
async def test_other_names_are_refused_on_loopback(papers: Site, name: str, code: int) -> None:
    assert (await papers.ask("/api/status", headers={"Host": name}))[0] == code


async def test_a_token(site: Site) -> None:
    await site.start(TOKEN)
    for path in (
        "/",
        "/page.js",
        "/api/status",
        "/events",
        "/metrics",
        "/?token=",
        "/?token=" + TOKEN[:-1],
        "/nothing",
    ):
        code, answer, content = await site.ask(path)
        assert (code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), path
        assert TOKEN not in content.decode()
    for header, code in ((f"Bearer {TOKEN}", 200), (f"bearer {TOKEN}", 200), ("Bearer ü", 401), (TOKEN, 401)):
        assert (await site.ask("/api/status", headers={"Authorization": header}))[0] == code


async def test_a_token_becomes_a_cookie(site: Site) -> None:
    await site.start(TOKEN)
    jar = aiohttp.CookieJar(unsafe=True)  # which keeps cookies of addresses, too
    site.client = await site.opened.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
    code, answer, _ = await site.ask(f"/?token={TOKEN}")
    assert code == 200
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert (await site.ask("/api/status"))[0] == 200
    assert "Set-Cookie" not in (await site.ask("/"))[1].headers


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "papers.example", ""])
def test_other_hosts_need_a_token(tmp_path: Path, host: str) -> None:
    with pytest.raises(ServeError, match="RPA_V2_SERVE_TOKEN"):
        Server(DataFolder(tmp_path), Settings.from_environment({}), host, 0)
    assert not is_loopback(host)
    assert is_loopback("127.8.0.1")


@pytest.mark.parametrize("token", ["short", "", "sixteen letters\nand a line"])
def test_tokens_that_are_too_simple(tmp_path: Path, token: str) -> None:
    with pytest.raises(ServeError, match="at least 16"):
        Server(DataFolder(tmp_path), Settings.from_environment({}), "0.0.0.0", 0, token)


async def test_a_port_that_is_taken(site: Site) -> None:
    await site.start()
    port = int(site.url.rstrip("/").rpartition(":")[2])
    with pytest.raises(ServeError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use") as error:
        await Server(site.folder, Settings.from_environment({}), "127.0.0.1", port).__aenter__()
    assert "\n" not in str(error.value)
    assert os.strerror(98) in str(error.value) or os.name != "posix"
