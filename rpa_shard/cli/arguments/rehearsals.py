"""Arguments of the commands for trying everything without a source.

Guarantee: as `rpa_shard.cli.arguments` says. Limit: likewise.
"""

from __future__ import annotations

from pathlib import Path

from rpa_shard.cli.arguments.parsing import AddCommand
from rpa_shard.cli.arguments.values import MOST, REPEATED, count, minutes, seconds, whole_number


def add_commands(command: AddCommand) -> None:
    """Commands for trying everything without a source."""
    _add_mirror(command)
    _add_llm_mirror(command)
    _add_chaos(command)

    sub = command("demo", "run everything on papers made here, without a network", "demo")
    sub.add_argument("--folder", type=Path, default=Path("demo-data"), metavar="F", help="default ./demo-data")
    sub.add_argument(
        "--papers", type=whole_number(1, MOST), default=200, metavar="N", help="how many papers (default 200)"
    )
    sub.add_argument("--analyze", action="store_true", help="analyze and wrap them too, with made-up answers")


def _add_mirror(command: AddCommand) -> None:
    sub = command("mirror", "serve a folder of PDFs at /pdf/<id>, like arXiv", "mirror ~/pdfs")
    sub.add_argument("folder", type=Path, metavar="FOLDER")
    sub.add_argument(
        "--port", type=whole_number(0, 65_535), default=8765, metavar="P", help="default 8765; 0 chooses a free one"
    )
    sub.add_argument("--host", default="127.0.0.1", metavar="H", help="default 127.0.0.1")
    sub.add_argument(
        "--faults", **REPEATED, metavar="SPEC", help="which faults to inject, such as 429=5:2%%,html:3%%,reset:5%%"
    )
    sub.add_argument(
        "--seed",
        type=whole_number(-MOST, MOST),
        default=0,
        metavar="S",
        help="chooses which papers meet which fault (default 0)",
    )
    sub.add_argument("--log", type=Path, metavar="F", help="write a JSON line to F for every request")


def _add_llm_mirror(command: AddCommand) -> None:
    sub = command(
        "llm-mirror",
        "serve made-up answers like an endpoint of a model, with limits and faults",
        "llm-mirror --latency 2 --faults 429=5:2%,cut:3%",
    )
    sub.add_argument(
        "--port", type=whole_number(0, 65_535), default=8766, metavar="P", help="default 8766; 0 chooses a free one"
    )
    sub.add_argument("--host", default="127.0.0.1", metavar="H", help="default 127.0.0.1")
    sub.add_argument(
        "--latency", type=seconds, default=0.0, metavar="S", help="seconds before an answer begins (default 0)"
    )
    sub.add_argument("--speed", type=count, metavar="N", help="tokens per second of an answer (default: all at once)")
    sub.add_argument(
        "--limits",
        default="",
        metavar="L",
        help="what a minute may have, such as 'requests=60 input_tokens=90000 output_tokens=9000 in_flight=8'",
    )
    sub.add_argument(
        "--structured",
        choices=("json_schema", "json_object", "none"),
        default="json_schema",
        help="which response_format it has (default json_schema)",
    )
    sub.add_argument(
        "--faults", **REPEATED, metavar="SPEC", help="which faults to inject, such as 429=5:2%%,cut:3%%,drop:1%%"
    )
    sub.add_argument(
        "--seed",
        type=whole_number(-MOST, MOST),
        default=0,
        metavar="S",
        help="chooses which questions meet which fault (default 0)",
    )
    sub.add_argument("--log", type=Path, metavar="F", help="write a JSON line to F for every request")
    sub.add_argument(
        "--batch",
        nargs=2,
        type=Path,
        metavar=("IN", "OUT"),
        help="answer the requests of the file IN, write the answers to OUT, and end",
    )


def _add_chaos(command: AddCommand) -> None:
    sub = command(
        "chaos",
        "kill, stop, resize and starve a run of its own, and verify that the promise holds",
        "chaos --kills 100 --seed 7",
    )
    sub.add_argument(
        "--on",
        choices=("nodes", "ray"),
        metavar="WHERE",
        help="nodes: a run on several nodes, over a PostgreSQL and an S3 server of its own; ray: placed by Ray",
    )
    sub.add_argument("--kills", type=count, default=25, metavar="N", help="how many processes to kill (default 25)")
    sub.add_argument("--papers", type=count, metavar="P", help="how many papers (default 40 per kill)")
    sub.add_argument(
        "--minutes", type=minutes, metavar="M", help="stop disturbing after M minutes, and let the run finish"
    )
    sub.add_argument(
        "--seed",
        type=whole_number(-MOST, MOST),
        metavar="S",
        help="repeat the disruptions of this seed (default: a new seed)",
    )
    sub.add_argument(
        "--faults",
        **REPEATED,
        metavar="SPEC",
        help="faults of its mirror, as in `mirror --faults` (default: some of most kinds)",
    )
    sub.add_argument(
        "--phases",
        dest="phases_of_trial",  # `phases` is a knob
        choices=("prep", "all"),
        default="prep",
        help="all: papers are analyzed and wrapped too (default prep)",
    )
    sub.add_argument(
        "--llm-faults",
        **REPEATED,
        metavar="SPEC",
        help="faults of its endpoint of models, as in `llm-mirror --faults` (default: some of most kinds)",
    )
    sub.add_argument("--keep-pdf", choices=("0", "1"), default="1", help="as RPA_V2_KEEP_PDF (default 1)")
    sub.add_argument("--tar", action="store_true", help="papers come from an archive instead of its mirror")
    sub.add_argument("--folder", type=Path, metavar="F", help="where to make its temporary folder")
