"""The page as a person uses it: a real browser, a real server, and the command that starts it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from rpa_shard.config.settings import Settings
from rpa_shard.extract.runner import make
from rpa_shard.ipc.model_status import BudgetStatus
from rpa_shard.ipc.run_status import Rates, RunState, write_status
from rpa_shard.ipc.shard_report import FailedAttempt
from rpa_shard.model.arxiv_id import parse
from rpa_shard.model.phase import PREP
from rpa_shard.observe.serve import live
from rpa_shard.observe.serve.server import Server
from rpa_shard.phases.finished import files_of
from rpa_shard.reading.document import Document, Page
from rpa_shard.reading.quality.figures import measure
from rpa_shard.reading.references import Reference
from rpa_shard.store.catalogue import PaperMetadata
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed
from tests.browser import CHROMIUM, Browser
from tests.finished import write_finished
from tests.rig import Rig
from tests.statuses import account, model_status, run_status, shard_report, shard_status

DONE, WAITING = "2401.00001", "hep-th/9901001"
HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\"> & 'tides'"
TOKEN = "a-long-and-secret-token"

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@pytest.fixture
async def folder(tmp_path: Path) -> DataFolder:
    """A finished paper whose title, text and references are hostile, and many that wait."""
    made = DataFolder(tmp_path / "data")
    engine = engine_of(made)
    with open_ledger(made, Layout(40, 1)) as ledger:
        ledger.add([DONE], priority=1)
        ledger.add([WAITING, *(f"2402.{number:05}" for number in range(1, 121))])
    files = files_of(made.papers, parse(DONE))
    pages = (Page(HOSTILE), Page("The second page."))
    found = make(Document(pages, "pdfium", "5"), measure(pages))
    references = (
        Reference(1, "[1]", HOSTILE, 1, 9, 13, (WAITING,), ("10.5555/x",), ("javascript:document.title='taken'",)),
    )
    async with engine.open_store(0, 300.0) as store:
        (claim,) = await store.claim(PREP, 1)
        result = write_finished(files, DONE, replace(found, references=references))
        await store.finish(claim, completed(PREP, {**result, "attempts": 1}))
    with engine.open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        catalogue.add_metadata([PaperMetadata(DONE, HOSTILE, HOSTILE, HOSTILE, "cs.LG", None, 1)])
    return made


@pytest.fixture
async def url(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.1)
    async with Server(folder, Settings.from_environment({}), "127.0.0.1", 0) as server:
        yield server.url


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with Browser(tmp_path / "profile") as opened:
        yield opened


def text_of(element: str) -> str:
    return f"document.getElementById('{element}')?.textContent"


@needs_browser
async def test_a_run_is_seen_live(folder: DataFolder, url: str, browser: Browser) -> None:
    await browser.open(url)
    await browser.until(f"{text_of('state')}.includes('No run was made')")
    failure = FailedAttempt(time.time(), WAITING, "prep", 2, "not_found", HOSTILE, True)
    status = run_status(
        account=account(text=f"58 % · {HOSTILE}"), failures=(failure,), rates=Rates(3.0, 3.0, 3.0, 0.1, (1.0, 5.0, 3.0))
    )
    write_status(folder.run.status_file, status)
    await browser.until(f"{text_of('account')} === {json.dumps(f'58 % · {HOSTILE}')}")
    await browser.until(f"{text_of('connection')} === 'live'")
    assert await browser.value("document.querySelectorAll('.workers i').length") == 3
    assert await browser.value("document.querySelector('svg.pace path').getAttribute('d')")
    assert await browser.value(f"document.querySelector('[href=\"#/paper/{quote(WAITING, safe='')}\"]').textContent")

    # What has the focus keeps it while figures change.
    await browser.value("document.querySelector('section a').focus()")
    fifty = tuple(shard_status(number=n, report=shard_report(workers=("idle", "download"))) for n in range(50))
    write_status(folder.run.status_file, run_status(shards=fifty, shard_count=50))
    await browser.until("document.querySelectorAll('.workers i').length === 100")
    assert await browser.value("document.activeElement.tagName") == "A"

    write_status(folder.run.status_file, run_status(pid=2**22 - 7, born=1.0))
    await browser.until(f"{text_of('state')}.includes('The run is gone')")
    write_status(folder.run.status_file, run_status(state=RunState.ENDED))
    await browser.until(f"{text_of('state')}.includes('The last one ended')")
    assert await browser.value("document.title") != "taken"
    assert browser.messages == []


@needs_browser
async def test_papers_are_found_and_shown_as_text(url: str, browser: Browser) -> None:
    await browser.open(url + "#/papers")
    await browser.until(f"{text_of('found')} === '50 papers shown, there are more'")
    await browser.value("document.getElementById('more').click()")
    await browser.until(f"{text_of('found')} === '100 papers shown, there are more'")
    await browser.value("document.getElementById('query').focus()")
    await browser.type("tides script")
    await browser.until(f"{text_of('found')} === '1 paper shown'")
    assert await browser.value("document.querySelector('.results .title').textContent") == HOSTILE
    assert await browser.value("location.hash") == "#/papers?query=tides+script"

    await browser.value("document.querySelector('.results a').click()")
    await browser.until("document.querySelector('#paper h2').textContent.includes('tides')")
    await browser.until(f"{text_of('text')}.includes('onerror')")
    await browser.until("document.querySelector('.references li')")
    assert await browser.value("document.querySelectorAll('main img, main script').length") == 0
    assert await browser.value("[...document.querySelectorAll('a')].every(a => /^https?:/.test(a.href))")
    await browser.value("[...document.querySelectorAll('button')].find(b => b.textContent === 'Next page').click()")
    await browser.until(f"{text_of('text')} === 'The second page.'")

    await browser.value(f"document.querySelector('.references a[href=\"#/paper/{quote(WAITING, safe='')}\"]').click()")
    await browser.until(f"document.querySelector('#paper h2').textContent === '{WAITING}'")
    await browser.until("document.querySelector('#paper dl')")
    await browser.value("history.back()")
    await browser.until("document.querySelector('#paper h2').textContent.includes('tides')")
    await browser.open(url + "#/paper/2412.00001")
    await browser.until("document.querySelector('#paper .note')?.textContent.includes('was never added')")
    assert await browser.value("document.title") != "taken"
    assert [each for each in browser.messages if "404" not in each] == []


@needs_browser
async def test_both_themes_and_a_phone(folder: DataFolder, url: str, browser: Browser) -> None:
    failure = FailedAttempt(time.time(), "https://papers.example/" + 80 * "a", "prep", 1, "network", 300 * "x", False)
    models = {f"{HOSTILE} at api.example": model_status(blocked=300 * "x"), "qwen3 at 127.0.0.1:8000": model_status()}
    budget = BudgetStatus(budget="usd=5", spent_seconds=600.0)
    write_status(folder.run.status_file, run_status(failures=(failure,), models=models, llm_budget=budget))
    colours = []
    await browser.open(url)
    for theme in ("light", "dark"):
        await browser.theme(theme)
        await browser.until("document.querySelector('.workers')")
        colours.append(await browser.value("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(17, 22, 28)"]
    assert (await browser.value(text_of("today"))).endswith("of a budget of usd=5")
    await browser.size(360, 740, phone=True)
    views = {
        "": "document.querySelector('.workers')",
        "#/papers": "document.querySelector('.results a')",
        f"#/paper/{DONE}": text_of("text"),
    }
    for view, shown in views.items():
        await browser.open(url + view)
        await browser.until(shown)
        assert await browser.value("document.documentElement.scrollWidth") == 360, view


@needs_browser
async def test_a_token_is_needed_and_forgotten(folder: DataFolder, browser: Browser) -> None:
    async with Server(folder, Settings.from_environment({}), "127.0.0.1", 0, TOKEN) as server:
        await browser.open(server.url)
        await browser.until("document.body.innerText.includes('a token is needed')")
        await browser.open(f"{server.url}?token={TOKEN}")
        await browser.until(text_of("state"))
        assert await browser.value("location.href") == server.url
        assert await browser.value("document.cookie") == ""
        await browser.open(server.url + "#/papers")
        await browser.until("document.querySelector('.results a')")


@needs_browser
async def test_it_says_when_it_is_not_connected_and_comes_back(folder: DataFolder, browser: Browser) -> None:
    settings = Settings.from_environment({})
    async with Server(folder, settings, "127.0.0.1", 0) as server:
        port = int(server.url.rstrip("/").rpartition(":")[2])
        await browser.open(server.url)
        await browser.until(f"{text_of('connection')}.startsWith('live')")
    await browser.until(f"{text_of('connection')}.startsWith('not connected')")
    async with Server(folder, settings, "127.0.0.1", port):
        await browser.until(f"{text_of('connection')}.startsWith('live')")


def test_the_command(rig: Rig, tmp_path: Path) -> None:
    """Says where the page is; ends with 0 at Ctrl-C, and with one line where the port is taken or a token is needed."""
    with open_ledger(rig.folder, Layout(40, 1)) as ledger:
        ledger.add([DONE])
    process = rig.start("serve", "--port", "0")
    assert process.stdout is not None
    line = process.stdout.readline()
    address = next(word for word in line.split() if word.startswith("http://")).rstrip(",")
    port = address.rstrip("/").rpartition(":")[2]
    code, _, errors = rig.run("serve", "--port", port)
    assert (code, errors.count("\n"), "choose another --port" in errors) == (2, 1, True)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (0, "", "")

    code, _, errors = rig.run("serve", "--port", "0", "--host", "0.0.0.0")
    assert (code, errors.count("\n"), "RPA_V2_SERVE_TOKEN" in errors) == (2, 1, True)
    secret = tmp_path / "token"
    secret.write_text(TOKEN + "\n")
    process = rig.start("serve", "--port", "0", "--host", "0.0.0.0", "--token-file", str(secret))
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "?token=…" in line
    assert TOKEN not in line
    process.terminate()
    assert process.wait(timeout=30) == 0
