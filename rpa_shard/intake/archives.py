"""arXiv's bulk archives, `arXiv_pdf_YYMM_NNN.tar`: which papers they hold, and where.

Guarantee: nothing is unpacked or copied; an archive that is truncated, or whose number of files differs from its
manifest's, is rejected entirely. Limit: plain tar files, as they come from the bucket; a compressed one has no offsets.

Sources: arXiv, "Full text via S3": `pdf/arXiv_pdf_manifest.xml` lists each archive with `num_items` and `size`.
"""

from __future__ import annotations

import re
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rpa_shard.intake.errors import IntakeError
from rpa_shard.model.arxiv_id import InvalidIdError, from_canonical
from rpa_shard.store.catalogue import Member

_OLD_NAME = re.compile(r"([a-z-]+)(\d{7}(?:v\d+)?)")


@dataclass(frozen=True, slots=True)
class Archive:
    """The contents of one archive; `others` counts members that are not papers."""

    path: Path
    members: tuple[Member, ...]
    others: int


def read_archive(path: Path, expected_members: Mapping[str, int] | None = None) -> Archive:
    """Lists the members of an archive. Raises IntakeError."""
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            infos = [info for info in tar if info.isfile()]
            # tarfile takes damage between two members, or a truncation there, for the end.
            file.seek(tar.offset)
            is_complete = file.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)
    except OSError as error:
        raise IntakeError(f"{path}: {error.strerror or error}") from None
    except tarfile.TarError as error:
        raise IntakeError(f"{path}: not a plain tar file, or cut short: {error}") from None
    if not is_complete:
        last = f" at {infos[-1].name}" if infos else ""
        raise IntakeError(f"{path}: cut short, or damaged{last}: fetch it again")
    expected = (expected_members or {}).get(path.name)
    if expected is not None and expected != len(infos):
        raise IntakeError(f"{path}: has {len(infos)} files, but the manifest says {expected}: fetch it again")
    papers = [(id_of_member(info.name), info) for info in infos]
    members = {paper_id: Member(paper_id, info.offset_data, info.size) for paper_id, info in papers if paper_id}
    return Archive(path.absolute(), tuple(members.values()), others=sum(paper_id is None for paper_id, _ in papers))


def id_of_member(name: str) -> str | None:
    """The canonical id of a member's name (`2401/2401.00001v1.pdf`, `9901/hep-th9901001.pdf`), or None."""
    folder_and_stem = name.removesuffix(".pdf")
    if folder_and_stem == name:
        return None
    stem = folder_and_stem.rsplit("/", 1)[-1]
    old = _OLD_NAME.fullmatch(stem)
    try:
        paper = from_canonical(f"{old[1]}/{old[2]}" if old else stem)
    except InvalidIdError:
        return None
    return paper.canonical if paper.kind == "arxiv" else None


def read_manifest(path: Path) -> dict[str, int]:
    """How many members each archive has, by its file name. Raises IntakeError."""
    try:
        root = ElementTree.parse(path).getroot()  # noqa: S314  # arXiv's own file, from the person's own disk
        return {
            Path(entry.findtext("filename") or "").name: int(entry.findtext("num_items") or "")
            for entry in root.iter("file")
        }
    except OSError as error:
        raise IntakeError(f"{path}: {error.strerror}") from None
    except (ElementTree.ParseError, ValueError) as error:
        raise IntakeError(f"{path}: not a manifest of arXiv's archives: {error}") from None
