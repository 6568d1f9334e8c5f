"""The download alone, with Scrapy: `python spider.py URLS FOLDER AT_A_TIME`.

Guarantee: every PDF is written into the folder. Limit: not fsynced, not checked; runs in the benchmark's own
environment, and imports none of our modules.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import scrapy
from scrapy.crawler import CrawlerProcess

LIST, FOLDER, AT_A_TIME = sys.argv[1:]
URLS = Path(LIST).read_text().split()


class Spider(scrapy.Spider):  # type: ignore[misc]  # a class of a package that only the benchmark installs
    """Requests every URL and writes the responses."""

    name = "papers"

    async def start(self) -> Any:
        for url in URLS:
            yield scrapy.Request(url)

    def parse(self, response: Any) -> Iterator[Any]:
        (Path(FOLDER) / f"{response.url.rsplit('/', 1)[-1]}.pdf").write_bytes(response.body)
        yield from ()


process = CrawlerProcess(
    {
        "CONCURRENT_REQUESTS": int(AT_A_TIME),
        "CONCURRENT_REQUESTS_PER_DOMAIN": int(AT_A_TIME),
        "LOG_LEVEL": "ERROR",
        "TELNETCONSOLE_ENABLED": False,
        "DOWNLOAD_DELAY": 0,
        "ROBOTSTXT_OBEY": False,
    }
)
process.crawl(Spider)
process.start()
