"""Every way in which a download can end, each against the real client over loopback."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import os
import socket
import ssl
import tarfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import aiohttp.abc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rpa_shard.config.host_policy import host_of
from rpa_shard.config.settings import Settings
from rpa_shard.fetch import body as body_module
from rpa_shard.fetch import download as download_module
from rpa_shard.fetch import pieces as pieces_module
from rpa_shard.fetch.address_guard import AddressGuard
from rpa_shard.fetch.body import Body
from rpa_shard.fetch.download import Downloader, DownloadLimits
from rpa_shard.fetch.permits import Permits
from rpa_shard.fetch.transport import open_client, trusted_certificates
from rpa_shard.fetch.unkept import Memory
from rpa_shard.ipc.messages import (
    HostBlocked,
    HostLimited,
    NoPdf,
    NoPdfNoted,
    PermitMessage,
    PermitReturned,
    PermitsGranted,
    PermitsWanted,
    RequestAnswered,
)
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.store.lease_validity import LeaseValidity
from rpa_shard.system.content import InMemory
from rpa_shard.system.files import Fingerprint, fingerprint_of, temporaries_in
from rpa_shard.system.threads import run_to_its_end
from rpa_shard.testing.faults import parse_faults
from rpa_shard.testing.mirror import Behaviour, Mirror
from rpa_shard.testing.sample_papers import Kind, sample_pdf
from tests.doubted_leases import DoubtedOnce

PDF = sample_pdf(Kind.TWO_COLUMNS, "2401.00001")
PDF = PDF[:9] + b"%" + b"large enough to travel in several pieces " * 5000 + b"\n" + PDF[9:]


class CountedMemory(Memory):
    """Memory that tells how much of it is taken."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.limit_bytes = limit_bytes
        self.taken_bytes = self.most_bytes = 0

    def take(self, size_bytes: int) -> bool:
        is_free = super().take(size_bytes)
        self.taken_bytes += size_bytes if is_free else 0
        self.most_bytes = max(self.most_bytes, self.taken_bytes)
        return is_free

    def give_back(self, size_bytes: int) -> None:
        super().give_back(size_bytes)
        self.taken_bytes -= size_bytes


@dataclass
class Bench:
    """A downloader, where it puts files, and its messages to the supervisor. With `memory` nobody keeps the PDFs."""

    downloader: Downloader
    folder: Path
    messages: list[PermitMessage]
    memory: CountedMemory | None = None

    @property
    def final(self) -> Path:
        return self.folder / "papers" / "paper.pdf"

    async def download(self, url: str) -> Fingerprint:
        if self.memory is None:
            return await self.downloader.download(url, self.final)
        with closing(await self.downloader.download_unkept(url, self.final, self.memory)) as unkept:
            assert not self.final.exists()
            assert isinstance(unkept.content, InMemory) == (self.memory.limit_bytes > 0) == (self.leftovers() == [])
            unkept.keep_as(self.final)
        return unkept.pdf

    async def get(self, url: str) -> None:
        assert await self.download(url) == fingerprint_of(PDF)
        assert self.final.read_bytes() == PDF
        self.assert_nothing_held()

    async def fails(self, url: str) -> PaperError:
        with pytest.raises(PaperError) as raised:
            await self.download(url)
        assert not self.final.exists()
        self.assert_nothing_held()
        return raised.value

    def assert_nothing_held(self) -> None:
        assert self.leftovers() == [], "no half-written file is left behind"
        assert self.memory is None or self.memory.taken_bytes == 0

    def leftovers(self) -> list[Path]:
        return temporaries_in(self.final.parent)


@asynccontextmanager
async def open_bench(
    folder: Path,
    *,
    timeout_seconds: float = 5.0,
    guard: AddressGuard | None = None,
    leases: LeaseValidity | None = None,
) -> AsyncIterator[Bench]:
    settings = Settings(shard_count=1, download_timeout_seconds=timeout_seconds)
    guard = guard or AddressGuard(())
    leases = leases or LeaseValidity(300.0)
    client = open_client(settings, settings.share(0), guard, leases.check)
    messages: list[PermitMessage] = []
    limits = DownloadLimits(max_bytes=5_000_000, deadline_seconds=30.0, min_bytes_per_second=0.0)
    with ThreadPoolExecutor(4) as disk:
        permits = Permits((), lambda message: note(permits, messages, message), leases)
        yield Bench(Downloader(client, disk, "shard-000", limits, permits, guard), folder, messages)
        await client.aclose()


def note(permits: Permits, messages: list[PermitMessage], message: PermitMessage) -> None:
    """A supervisor that notes every report and does nothing."""
    messages.append(message)
    if isinstance(message, NoPdf):
        asyncio.get_running_loop().call_soon(permits.handle, NoPdfNoted(message.number))


@pytest.fixture(params=["kept", "in memory", "in a temporary file"])
async def bench(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    limits_bytes = {"in memory": 10**7, "in a temporary file": 0}
    async with open_bench(tmp_path) as made:
        if request.param in limits_bytes:
            made.memory = CountedMemory(limits_bytes[request.param])
        yield made


Faulty = Callable[[str], AbstractAsyncContextManager[Mirror]]


@pytest.fixture
def faulty(tmp_path: Path) -> Faulty:
    """Mirrors of one paper with the faults of a specification; arrivals are logged."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "2401.00001.pdf").write_bytes(PDF)
    return lambda faults: Mirror(shelf, behaviour=Behaviour(parse_faults(faults), tmp_path / "arrivals"))


def arrivals(bench: Bench) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (bench.folder / "arrivals").read_text().splitlines()]


async def test_a_good_mirror(bench: Bench, faulty: Faulty) -> None:
    async with faulty("") as mirror:
        await bench.get(f"{mirror.url}/pdf/2401.00001")
    assert bench.messages == [], "a host without a policy costs no message"


@pytest.mark.parametrize(
    ("faults", "failure"),
    [
        ("400*always", Failure.UNEXPECTED),
        ("401*always", Failure.BLOCKED),
        ("403*always", Failure.BLOCKED),
        ("404*always", Failure.NOT_FOUND),
        ("410*always", Failure.GONE),
        ("429*always", Failure.RATE_LIMITED),
        ("451*always", Failure.LEGAL),
        ("500*always", Failure.SERVER_ERROR),
        ("502*always", Failure.SERVER_ERROR),
        ("503*always", Failure.RATE_LIMITED),
        ("204*always", Failure.UNEXPECTED),
        ("html*always", Failure.NOT_A_PDF),
        ("captcha*always", Failure.NOT_A_PDF),
        ("login*always", Failure.NOT_A_PDF),
        ("json*always", Failure.NOT_A_PDF),
        ("empty*always", Failure.NOT_A_PDF),
        ("making*always", Failure.NOT_A_PDF),
        ("building*always", Failure.NOT_A_PDF),
        ("202*always", Failure.NOT_A_PDF),
        ("300*always", Failure.UNEXPECTED),
        ("302*always", Failure.UNEXPECTED),
        ("304*always", Failure.UNEXPECTED),
        ("406*always", Failure.UNEXPECTED),
        ("407*always", Failure.BLOCKED),
        ("418*always", Failure.UNEXPECTED),
        ("501*always", Failure.UNEXPECTED),
        ("511*always", Failure.BLOCKED),
        ("520*always", Failure.SERVER_ERROR),
        ("withdrawn*always", Failure.WITHDRAWN),
        ("truncate*always", Failure.TRUNCATED),
        ("loop*always", Failure.REDIRECT_LOOP),
        ("inside*always", Failure.FORBIDDEN_REDIRECT),
        ("scheme*always", Failure.FORBIDDEN_REDIRECT),
        ("endless*always", Failure.TOO_LARGE),
        ("bomb*always", Failure.TOO_LARGE),
        ("garbled*always", Failure.SERVER_ERROR),
        ("badchunk*always", Failure.TRUNCATED),
        ("length*always,norange", Failure.TRUNCATED),
    ],
)
async def test_each_fault_has_its_class(bench: Bench, faulty: Faulty, faults: str, failure: Failure) -> None:
    async with faulty(faults) as mirror:
        error = await bench.fails(f"{mirror.url}/pdf/2401.00001")
        assert error.failure is failure, error
        assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(("faults", "requests"), [("gzip", 1), ("hops", 4), ("slow", 1)])
async def test_what_is_no_failure(bench: Bench, faulty: Faulty, faults: str, requests: int) -> None:
    async with faulty(faults) as mirror:
        await bench.get(f"{mirror.url}/pdf/2401.00001")
    assert len(arrivals(bench)) == requests


@pytest.mark.parametrize("fault", ["length", "reset"])
async def test_an_interrupted_body_is_resumed_where_it_stopped(bench: Bench, faulty: Faulty, fault: str) -> None:
    async with faulty(fault) as mirror:
        await bench.get(f"{mirror.url}/pdf/2401.00001")
    # The mirror sent one half; the second request asked only for the other.
    assert [each["range"] for each in arrivals(bench)] == [None, f"bytes={len(PDF) // 2}-"]


async def test_a_body_that_has_changed_meanwhile_starts_over(bench: Bench) -> None:
    async def other_each_time(request: bytes, number: int) -> bytes:
        if number == 1:
            return _head(len(PDF), 'ETag: "one"') + PDF[: len(PDF) // 2]
        assert b'if-range: "one"' in request.lower()
        return _head(len(PDF), 'ETag: "two"') + PDF

    async with raw_server(other_each_time) as url:
        await bench.get(url)


@pytest.mark.parametrize("validator", ['ETag: "\udcff"', "Last-Modified: \udcff", 'ETag: W/"weak"', ""])
async def test_without_a_usable_validator_nothing_is_resumed(bench: Bench, validator: str) -> None:
    requests = []

    async def cut(request: bytes, number: int) -> bytes:
        requests.append(request)
        return _head(len(PDF), validator) + PDF[: len(PDF) // 2]

    async with raw_server(cut) as url:
        assert (await bench.fails(url)).failure is Failure.TRUNCATED
    assert len(requests) == 1, "not asked again"


async def test_a_part_that_was_asked_for(bench: Bench) -> None:
    sent = []

    async def in_parts(request: bytes, number: int) -> bytes:
        half = len(PDF) // 2
        if number == 1:
            sent.append(half)
            return _head(len(PDF), 'ETag: "one"') + PDF[:half]
        assert f"range: bytes={half}-".encode() in request.lower()
        assert b'if-range: "one"' in request.lower()
        rest = PDF[half:]
        sent.append(len(rest))
        return _head(len(rest), f"Content-Range: bytes {half}-{len(PDF) - 1}/{len(PDF)}", status="206 Partial") + rest

    async with raw_server(in_parts) as url:
        await bench.get(url)
    assert sum(sent) == len(PDF), "no byte was sent twice"


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        ("416 Range Not Satisfiable", ["Content-Range: bytes */7"]),
        ("206 Partial", ["Content-Range: bytes 7-11/12"]),
        ("206 Partial", []),
        ("206 Partial", [f"Content-Range: bytes {len(PDF) // 2}-{len(PDF) - 1}/{len(PDF)}", 'ETag: "two"']),
        ("206 Partial", [f"Content-Range: bytes {len(PDF) // 2}-{len(PDF) - 1}/{len(PDF)}", "Content-Encoding: gzip"]),
    ],
)
async def test_a_part_of_something_else_starts_over(bench: Bench, status: str, lines: list[str]) -> None:
    async def changed(request: bytes, number: int) -> bytes:
        if number == 1:
            return _head(len(PDF), 'ETag: "one"') + PDF[: len(PDF) // 2]
        if number == 2:
            return _head(5, *lines, status=status) + b"other"
        assert b"range:" not in request.lower()
        return _head(len(PDF)) + PDF

    async with raw_server(changed) as url:
        await bench.get(url)


async def test_a_part_that_ends_early_is_not_the_rest(bench: Bench) -> None:
    """Each response has the length that it announces; only the total length shows that bytes are missing."""
    answers = []

    async def short(request: bytes, number: int) -> bytes:
        answers.append(number)
        half, total = len(PDF) // 2, len(PDF)
        if number == 1:
            return _head(total, 'ETag: "one"') + PDF[:half]
        if number == 2:
            part = b"x" * 100 + b"%%EOF"
            return _head(len(part), f"Content-Range: bytes {half}-{half + 104}/{total}", status="206 Partial") + part
        return _head(0, status="404 Not Found")

    async with raw_server(short) as url:
        assert (await bench.fails(url)).failure is Failure.NOT_FOUND
    assert answers == [1, 2, 3], "it went on to ask for the rest"


async def test_a_server_that_always_offers_parts_and_refuses_them(bench: Bench) -> None:
    requests = []

    async def fickle(request: bytes, number: int) -> bytes:
        requests.append(request)
        if b"range:" in request.lower():
            return _head(0, status="416 Range Not Satisfiable")
        return _head(len(PDF), 'ETag: "one"') + PDF[: len(PDF) // 2]

    async with raw_server(fickle) as url:
        assert (await bench.fails(url)).failure is Failure.TRUNCATED
    assert sum(b"range:" in each.lower() for each in requests) == download_module.MAX_RESUMPTIONS


async def test_a_body_that_ends_with_the_connection(bench: Bench) -> None:
    async def old(request: bytes, number: int) -> bytes:
        return b"HTTP/1.0 200 OK\r\n\r\n" + PDF

    async with raw_server(old) as url:
        await bench.get(url)


@pytest.mark.parametrize(
    ("before", "after", "is_valid"),
    [
        (b"", b"", True),
        (b"x" * 60_000, b"", True),
        (b"x" * 70_000, b"", False),
        (b"<p>" * 339 + b"\n\n", b"", True),
        (b"<p>" * 340, b"", False),
        (b"", b"\0" * 70_000 + b" \n" * 5000, True),
        (b"", b"x" * 2000, True),
        (b"", b"x" * 4000, True),
        (b"", b"\n1 0 obj " + b"x" * 4000, False),
    ],
)
async def test_where_the_marks_are(bench: Bench, tmp_path: Path, before: bytes, after: bytes, is_valid: bool) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(before + PDF + after)
    if is_valid:
        await bench.download(path.as_uri())
        assert bench.final.read_bytes() == before + PDF + after, "no byte is changed"
    else:
        error = await bench.fails(path.as_uri())
        assert error.failure is (Failure.NOT_A_PDF if before else Failure.TRUNCATED)


async def test_a_whole_file_without_its_end_marker(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    whole = sample_pdf(Kind.TWO_COLUMNS, "2401.00001").rstrip().removesuffix(b"%%EOF")
    path.write_bytes(whole)
    await bench.download(path.as_uri())
    assert bench.final.read_bytes() == whole


@pytest.mark.parametrize("tenths", range(1, 10))
async def test_a_file_that_was_cut_is_refused(bench: Bench, tmp_path: Path, tenths: int) -> None:
    path = tmp_path / "a.pdf"
    whole = sample_pdf(Kind.TWO_COLUMNS, "2401.00001")
    path.write_bytes(whole[: len(whole) * tenths // 10])
    assert (await bench.fails(path.as_uri())).failure is Failure.TRUNCATED


@pytest.mark.parametrize("content_range", ["", "Content-Range: bytes 5-9/10"])
async def test_a_part_that_was_not_asked_for(bench: Bench, content_range: str) -> None:
    async def part(request: bytes, number: int) -> bytes:
        return _head(5, content_range, status="206 Partial") + b"%PDF-"

    async with raw_server(part) as url:
        assert (await bench.fails(url)).failure is Failure.SERVER_ERROR


async def test_a_stall_and_a_server_that_never_answers(tmp_path: Path, faulty: Faulty) -> None:
    async def silence(request: bytes, number: int) -> bytes:
        await asyncio.sleep(60)
        return b""

    async with open_bench(tmp_path, timeout_seconds=0.3) as bench:
        async with faulty("stall*always") as mirror:
            assert (await bench.fails(f"{mirror.url}/pdf/2401.00001")).failure is Failure.TIMEOUT
        async with raw_server(silence) as url:
            assert (await bench.fails(url)).failure is Failure.TIMEOUT


async def test_a_trickle_is_given_up(bench: Bench, faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces_module, "SPEED_WINDOW_SECONDS", 0.5)
    limits = replace(bench.downloader.limits, min_bytes_per_second=10_000.0)
    patient = replace(bench, downloader=replace(bench.downloader, limits=limits))
    async with faulty("trickle*always") as mirror:
        error = await patient.fails(f"{mirror.url}/pdf/2401.00001")
    assert (error.failure, "bytes per second" in error.detail) == (Failure.TOO_SLOW, True)


async def test_the_complete_download_has_a_limit(bench: Bench, faulty: Faulty) -> None:
    hasty = replace(bench, downloader=replace(bench.downloader, limits=DownloadLimits(10**9, 0.4, 0.0)))
    async with faulty("trickle*always") as mirror:
        error = await hasty.fails(f"{mirror.url}/pdf/2401.00001")
    assert (error.failure, error.detail) == (Failure.TOO_SLOW, "took more than 0.4 s")


def test_a_system_without_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    assert trusted_certificates.__wrapped__().cert_store_stats()["x509_ca"] > 50


async def test_certificates_are_read_for_the_first_https_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faulty: Faulty
) -> None:
    trusted_certificates.cache_clear()
    certificate = own_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificate)
    try:
        async with open_bench(tmp_path) as bench, faulty("") as mirror:
            await bench.downloader.download(f"{mirror.url}/pdf/2401.00001", bench.final)
            assert not trusted_certificates.cache_info().currsize
            server = await asyncio.start_server(answer_with_pdf, "127.0.0.1", 0, ssl=serving)
            async with server:
                port = server.sockets[0].getsockname()[1]
                urls = [f"https://127.0.0.1:{port}/{name}.pdf" for name in "abc"]
                finals = [tmp_path / f"{name}.pdf" for name in "abc"]
                await asyncio.gather(*map(bench.downloader.download, urls, finals))
            assert all(final.read_bytes() == PDF for final in finals)
            assert trusted_certificates.cache_info().misses == 1
    finally:
        trusted_certificates.cache_clear()


def own_certificate(folder: Path) -> Path:
    """A file with a new key and a certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encodings = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "certificate.pem"
    file.write_bytes(signed.public_bytes(Encoding.PEM) + key.private_bytes(*encodings))
    return file


async def answer_with_pdf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(PDF)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + PDF)
    await writer.drain()
    writer.close()


async def test_an_announced_size_over_the_cap_is_not_fetched(bench: Bench) -> None:
    async def huge(request: bytes, number: int) -> bytes:
        return _head(10**12) + b"%PDF-"

    async with raw_server(huge) as url:
        error = await bench.fails(url)
    assert (error.failure, "1000000000000 bytes" in error.detail) == (Failure.TOO_LARGE, True)


async def test_nobody_listens(bench: Bench) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = await bench.fails(f"http://127.0.0.1:{unused.getsockname()[1]}/paper.pdf")
    assert error.failure is Failure.NETWORK


async def test_a_name_that_does_not_resolve(bench: Bench) -> None:
    assert (await bench.fails("http://no-such-host.invalid/paper.pdf")).failure is Failure.NETWORK


async def test_a_reset_before_the_answer(bench: Bench) -> None:
    async def reset(request: bytes, number: int) -> bytes:
        raise ConnectionResetError

    async with raw_server(reset) as url:
        assert (await bench.fails(url)).failure is Failure.NETWORK


async def test_a_kept_connection_that_the_server_closes(bench: Bench) -> None:
    """The second request on a kept connection meets its end; that is not a failure of the paper."""
    requests_per_connection: list[int] = []

    async def answer_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = len(requests_per_connection)
        requests_per_connection.append(0)
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                requests_per_connection[connection] += 1
                if requests_per_connection[connection] > 1:
                    break
                writer.write(_head(len(PDF)) + PDF)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer_one, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/paper.pdf"
    await bench.get(url)
    bench.final.unlink()
    await bench.get(url)
    assert requests_per_connection == [2, 1]
    server.close()


async def test_an_encoding_that_was_not_requested(bench: Bench) -> None:
    async def brotli(request: bytes, number: int) -> bytes:
        return _head(4, "Content-Encoding: br") + b"abcd"

    async with raw_server(brotli) as url:
        error = await bench.fails(url)
    assert (error.failure, "'br'" in error.detail) == (Failure.SERVER_ERROR, True)


@pytest.mark.parametrize("cut", [-40, None])
async def test_damaged_compression(bench: Bench, cut: int | None) -> None:
    packed = gzip.compress(PDF)
    packed = packed[:cut] if cut else packed[:200] + b"garbage" + packed[207:]

    async def damaged(request: bytes, number: int) -> bytes:
        return _head(len(packed), "Content-Encoding: gzip") + packed

    async with raw_server(damaged) as url:
        assert (await bench.fails(url)).failure is Failure.TRUNCATED


@pytest.mark.parametrize(
    ("location", "failure"),
    [
        ("", Failure.UNEXPECTED),
        ("http://[bad", Failure.FORBIDDEN_REDIRECT),
        ("ftp://example.org/x", Failure.FORBIDDEN_REDIRECT),
        ("http://10.1.2.3/x", Failure.FORBIDDEN_REDIRECT),
        ("http://[::1]/x", Failure.FORBIDDEN_REDIRECT),
        ("http://[::ffff:127.0.0.1]/x", Failure.FORBIDDEN_REDIRECT),
        ("http://0177.0.0.1/x", Failure.FORBIDDEN_REDIRECT),
        ("http://2130706433/x", Failure.FORBIDDEN_REDIRECT),
        ("http://0x7f000001/x", Failure.FORBIDDEN_REDIRECT),
        ("http://localhost/x", Failure.FORBIDDEN_REDIRECT),
        ("http://[64:ff9b::7f00:1]/x", Failure.FORBIDDEN_REDIRECT),
        ("http://[2002:7f00:1::]/x", Failure.FORBIDDEN_REDIRECT),
        ("http://x.example/\udcff", Failure.FORBIDDEN_REDIRECT),
    ],
)
async def test_redirects_to_where_we_must_not_go(bench: Bench, location: str, failure: Failure) -> None:
    async def redirect(request: bytes, number: int) -> bytes:
        return _head(0, f"Location: {location}", status="302 Found")

    async with raw_server(redirect) as url:
        assert (await bench.fails(url)).failure is failure


async def test_a_public_name_that_resolves_inside(tmp_path: Path) -> None:
    """A redirect to a name whose DNS answer is one of our own addresses."""
    guard = AddressGuard((), Pointing("127.0.0.1"))

    async with open_bench(tmp_path, guard=guard) as bench, raw_server(_complete) as inner:
        port = inner.split(":")[2].split("/")[0]

        async def redirect(request: bytes, number: int) -> bytes:
            return _head(0, f"Location: http://evil.example:{port}/secret", status="302 Found")

        async with raw_server(redirect) as url:
            error = await bench.fails(url)
            assert (error.failure, "private address" in error.detail) == (Failure.FORBIDDEN_REDIRECT, True)
            guard.name("evil.example")
            await bench.get(url)


def test_a_disk_that_takes_a_little_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write, real_writev = os.write, os.writev
    monkeypatch.setattr(os, "write", lambda descriptor, content: real_write(descriptor, content[:1000]))
    monkeypatch.setattr(
        os, "writev", lambda descriptor, pieces: real_writev(descriptor, [b"".join(pieces)[:7001] or b""])
    )
    body = Body("me", tmp_path / "paper.pdf", 10**9)
    sizes = [1, 7000, 10_000, 3, *[8] * 5000]
    place = 0
    for size in sizes:
        body.take(PDF[place : place + size])
        place += size
    body.take(PDF[place:])
    assert body.finish() == fingerprint_of(PDF)
    assert (tmp_path / "paper.pdf").read_bytes() == PDF


async def test_files_and_parts_of_archives(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "a paper.pdf").write_bytes(PDF)
    await bench.get((tmp_path / "a paper.pdf").as_uri())
    bench.final.unlink()
    archive = tmp_path / "all.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(tmp_path / "a paper.pdf", "2401/2401.00001.pdf")
    with tarfile.open(archive) as tar:
        place = f"tar://{archive}#offset={tar.getmembers()[0].offset_data}&size={len(PDF)}"
    await bench.get(place)
    bench.final.unlink()
    for wrong in (place.replace("offset=", "offset=1"), place.replace("size=", "size=1"), f"{place}0"):
        error = await bench.fails(wrong)
        assert (error.failure, "add it again" in error.detail) == (Failure.NOT_FOUND, True)
    os.truncate(archive, len(PDF))
    assert (await bench.fails(place)).failure is Failure.NOT_FOUND
    assert (await bench.fails((tmp_path / "none.pdf").as_uri())).failure is Failure.NOT_FOUND
    assert (await bench.fails(tmp_path.as_uri())).failure is Failure.NOT_FOUND


@pytest.mark.parametrize(
    ("content", "failure"),
    [(PDF[: len(PDF) // 2], Failure.TRUNCATED), (b"", Failure.NOT_A_PDF), (b"<html>no</html>", Failure.NOT_A_PDF)],
)
async def test_what_is_wrong_with_a_local_file_is_final(
    bench: Bench, tmp_path: Path, content: bytes, failure: Failure
) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(content)
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as packing:
        packing.add(path, "a.pdf")
    with tarfile.open(archive) as packed:
        offset = packed.getmember("a.pdf").offset_data
    for url in (path.as_uri(), f"tar:{archive}#offset={offset}&size={len(content)}"):
        error = await bench.fails(url)
        assert (error.failure, error.final) == (failure, True)
        assert str(path.parent) in error.detail
        assert content or error.detail.endswith(": nothing in it")
    assert bench.messages == []


async def test_a_local_path_that_is_no_file_is_final(bench: Bench, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pdf")
    (tmp_path / "loop.pdf").symlink_to("loop.pdf")
    paths = [tmp_path, tmp_path / "none.pdf", tmp_path / "pipe.pdf", tmp_path / "loop.pdf", tmp_path / ("x" * 300)]
    for url in [path.as_uri() for path in paths] + [f"file://{tmp_path}/a%00b.pdf", "file:///dev/zero"]:
        error = await asyncio.wait_for(bench.fails(url), 10.0)
        assert (error.failure, error.final) == (Failure.NOT_FOUND, True), url
        assert str(error).isprintable()
    if os.geteuid() != 0:
        (tmp_path / "locked.pdf").write_bytes(PDF)
        (tmp_path / "locked.pdf").chmod(0)
        error = await bench.fails((tmp_path / "locked.pdf").as_uri())
        assert (error.failure, "Permission denied" in error.detail) == (Failure.NOT_FOUND, True)


def reports(bench: Bench) -> list[NoPdf]:
    return [each for each in bench.messages if isinstance(each, NoPdf)]


@pytest.mark.parametrize(
    ("status", "lines", "instead"),
    [
        ("200 OK", [], "page"),
        ("202 Accepted", [], "promise"),
        ("202 Accepted", ["X-Amzn-Waf-Action: challenge"], "page"),
        ("405 Method Not Allowed", ["X-Amzn-Waf-Action: captcha"], "page"),
        ("500 Internal Server Error", [], "error"),
        ("451 Unavailable", [], "page"),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True])
async def test_what_is_reported_of_a_page(
    bench: Bench, status: str, lines: list[str], instead: str, is_packed: bool
) -> None:
    page = b"<html>" + b" " * 3000 + b"<title>So it is</title></html>"
    page = gzip.compress(page) if is_packed else page
    lines = [*lines, "Content-Encoding: gzip"] if is_packed else lines

    async def answer(request: bytes, number: int) -> bytes:
        return _head(len(page), *lines, status=status) + page

    async with raw_server(answer) as url:
        await bench.fails(url)
    (report,) = reports(bench)
    assert (report.host, report.permit, report.instead) == (host_of(url), None, instead)
    assert report.says == f"HTTP {status[:3]}: So it is"


async def test_the_host_that_led_elsewhere_is_the_one_that_gave_no_pdf(bench: Bench) -> None:
    """A login page of another host, whether it answers with a page or refuses us, or turns us in a circle."""
    bench.downloader.guard.name("localhost")
    permits = Granting({"127.0.0.1"})
    led = replace(bench, downloader=replace(bench.downloader, permits=permits))

    async def login(request: bytes, number: int) -> bytes:
        port = request.split(b"Host: ")[1].split(b"\r\n")[0].split(b":")[1].decode()
        if b"Host: localhost" not in request:
            return _head(0, f"Location: http://localhost:{port}/login", status="302 Found")
        if number <= 2:
            return _head(6) + b"log in"
        return _head(6, status="403 Forbidden") + b"log in"

    async with raw_server(login) as url:
        assert (await led.fails(url)).failure is Failure.NOT_A_PDF
        for _ in range(2):  # the second time, it is known already that localhost refuses us
            error = await led.fails(url)
            assert (error.failure, error.host) == (Failure.BLOCKED, "localhost")
    assert permits.endings == ["undecided"] * 3
    found = [each for each in permits.sent if isinstance(each, NoPdf)]
    assert [(each.host, each.permit) for each in found] == [("127.0.0.1", 1)] * 3
    assert len({each.paper for each in found}) == 1


async def test_a_governed_host_that_gives_a_short_page_is_not_said_to_be_well(bench: Bench, faulty: Faulty) -> None:
    async with faulty("json") as mirror:
        url = f"{mirror.url}/pdf/2401.00001"
        permits = Granting({host_of(url)})
        await replace(bench, downloader=replace(bench.downloader, permits=permits)).fails(url)
    assert permits.endings == ["undecided"]


async def test_a_proxy_that_has_changed_something(bench: Bench) -> None:
    async def proxied(request: bytes, number: int) -> bytes:
        return _head(len(PDF), status="203 Non-Authoritative Information") + PDF

    async with raw_server(proxied) as url:
        await bench.get(url)


async def test_a_proxy_that_wants_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(request: bytes, number: int) -> bytes:
        return _head(0, 'Proxy-Authenticate: Basic realm="x"', status="407 Proxy Authentication Required")

    async with raw_server(refuse) as url:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, url.removesuffix("/paper.pdf"))
        monkeypatch.delenv("no_proxy", raising=False)
        async with open_bench(tmp_path) as bench:
            for scheme in ("http", "https"):
                error = await bench.fails(f"{scheme}://{scheme}.source.example/paper.pdf")
                assert (error.failure, "407" in error.detail) == (Failure.BLOCKED, True)


async def test_a_proxy_has_a_name_with_a_private_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(_complete) as url:
        monkeypatch.setenv("http_proxy", url.removesuffix("/paper.pdf").replace("127.0.0.1", "localhost"))
        monkeypatch.delenv("no_proxy", raising=False)
        async with open_bench(tmp_path) as bench:
            await bench.get("http://source.example/paper.pdf")


async def test_a_refusal_quotes_the_page_and_informs_the_supervisor(bench: Bench, faulty: Faulty) -> None:
    async with faulty("403*always") as mirror:
        url = f"{mirror.url}/pdf/2401.00001"
        error = await bench.fails(url)
        assert "Too many requests. Write to help@mirror.example." in error.detail
        (message,) = bench.messages
        assert message == HostBlocked(host_of(url), error.detail)
        assert (await bench.fails(url)).failure is Failure.BLOCKED
    assert len(arrivals(bench)) == 1, "no further request"


async def test_a_governed_host_sees_no_more_connections_than_permits(bench: Bench) -> None:
    """An idle connection is open, too: other shards' requests would come on top of it."""
    seen = []

    async def keep(request: bytes, number: int) -> bytes:
        seen.append(b"connection: close" in request.lower())
        return await _complete(request, number)

    async with raw_server(keep) as url:
        permits = Granting({host_of(url)})
        for used in (permits, bench.downloader.permits):
            downloader = replace(bench.downloader, permits=used)
            await replace(bench, downloader=downloader).get(url)
            bench.final.unlink()
    assert seen == [True, False]


@pytest.mark.parametrize(
    ("argument", "low", "high"), [("=7", 7, 7), ("=date", 0.5, 2.5), ("=0", None, None), ("", None, None)]
)
async def test_a_limit_reaches_the_supervisor_with_its_duration(
    bench: Bench, faulty: Faulty, argument: str, low: float | None, high: float | None
) -> None:
    async with faulty(f"429{argument}") as mirror:
        await bench.fails(f"{mirror.url}/pdf/2401.00001")
    (message,) = bench.messages
    assert isinstance(message, HostLimited)
    if low is None or high is None:
        assert message.retry_after_seconds is None
    else:
        assert message.retry_after_seconds is not None
        assert low <= message.retry_after_seconds <= high


async def test_a_cancelled_download_leaves_nothing(
    bench: Bench, faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module, "SPILL_BYTES", 1000)  # so that there is a half-written file
    async with faulty("stall*always") as mirror:
        task = asyncio.create_task(bench.download(f"{mirror.url}/pdf/2401.00001"))
        async with asyncio.timeout(10.0):
            while not bench.leftovers() and not (bench.memory and bench.memory.taken_bytes):
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    bench.assert_nothing_held()
    assert not bench.final.exists()


async def test_what_a_thread_raises_for_a_cancelled_caller_is_not_logged() -> None:
    logged: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: logged.append(context))
    begun, told = threading.Event(), threading.Event()

    def fail() -> None:
        begun.set()
        assert told.wait(10)
        raise PaperError(Failure.TRUNCATED, "")

    with ThreadPoolExecutor(1) as threads:
        task = asyncio.create_task(run_to_its_end(threads, fail))
        assert await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        told.set()
        await asyncio.wait([task])
        assert task.cancelled()
        del task
    gc.collect()
    assert not logged


async def test_each_hop_has_a_permit_of_its_own_host(bench: Bench) -> None:
    """From a governed host to another and back: no permit is held during a request to another host."""
    bench.downloader.guard.name("localhost")

    async def to_and_fro(request: bytes, number: int) -> bytes:
        port = request.split(b"Host: ")[1].split(b"\r\n")[0].split(b":")[1].decode()
        permits.message_types.append(f"request {number}")
        host = {1: "localhost", 2: "127.0.0.1"}.get(number)
        return (
            _head(0, f"Location: http://{host}:{port}/x", status="302 Found") if host else await _complete(request, 3)
        )

    async with raw_server(to_and_fro) as url:
        permits = Granting({host_of(url)})
        await replace(bench, downloader=replace(bench.downloader, permits=permits)).get(url)
    asked = [f"{types} answered back" for types in ("want request 1", "request 2 want request 3")]
    assert " ".join(permits.message_types) == " ".join(asked)


async def test_a_request_is_not_sent_at_the_last_moment_if_a_lease_may_have_run_out(tmp_path: Path) -> None:
    leases, requests = DoubtedOnce(1), []

    async def note_request(request: bytes, number: int) -> bytes:
        requests.append(number)
        return await _complete(request, number)

    async with open_bench(tmp_path, leases=leases) as bench, raw_server(note_request) as url:
        permits = Granting({host_of(url)})
        await replace(bench, downloader=replace(bench.downloader, permits=permits)).get(url)
    assert (leases.looks, requests) == (2, [1])
    assert permits.endings == ["unused", "ok"]


SHORT = {PermitsWanted: "want", RequestAnswered: "answered", PermitReturned: "back"}


class Granting(Permits):
    """Permits of a supervisor that grants every request at once."""

    def __init__(self, governed: set[str]) -> None:
        super().__init__(governed, self._grant, LeaseValidity(300.0))
        self.message_types: list[str] = []
        self.sent: list[PermitMessage] = []

    @property
    def endings(self) -> list[str]:
        return [each.ending for each in self.sent if isinstance(each, PermitReturned)]

    def _grant(self, message: PermitMessage) -> None:
        note(self, self.sent, message)
        self.message_types.append(SHORT.get(type(message), ""))
        if isinstance(message, PermitsWanted):
            granted = PermitsGranted(message.host, (1,), time.monotonic())
            asyncio.get_running_loop().call_soon(self.handle, granted)


class Pointing(aiohttp.abc.AbstractResolver):
    """A resolver that gives every name one address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        return [
            aiohttp.abc.ResolveResult(
                hostname=host, host=self._address, port=port, family=socket.AF_INET, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        pass


Answer = Callable[[bytes, int], Any]


@asynccontextmanager
async def raw_server(answer: Answer) -> AsyncIterator[str]:
    """A server that writes `answer`'s bytes for a request and its number; a ConnectionResetError resets."""
    number = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal number
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            number += 1
            writer.write(await answer(request, number))
            await writer.drain()
            writer.close()
        except (ConnectionResetError, asyncio.CancelledError):
            writer.transport.abort()
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/paper.pdf"
    finally:
        server.close()


def _head(length: int, *lines: str, status: str = "200 OK") -> bytes:
    headers = [f"HTTP/1.1 {status}", f"Content-Length: {length}", *filter(None, lines)]
    return ("\r\n".join(headers) + "\r\n\r\n").encode("utf-8", "surrogateescape")


async def _complete(request: bytes, number: int) -> bytes:
    return _head(len(PDF)) + PDF
