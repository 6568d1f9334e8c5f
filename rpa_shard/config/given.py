"""The knobs that a person gave, and where: by options, in the environment, in a file beside the data.

Guarantee: each knob has one value, from the first of these places that gives it; a name that is no knob is refused, as
is a file that cannot be read. Limit: whether a value is allowed is checked where it becomes a setting
(`rpa_shard.config.settings`).

The file is `rpa_shard.toml` in the folder that holds the data folder. Where neither an option nor the environment says
which folder that is, it is the one in the working folder, and may say it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpa_shard.config.errors import SettingsError
from rpa_shard.system.suggestions import closest

PREFIX = "RPA_V2_"
DATA_DIR = "RPA_V2_DATA_DIR"
FILE_NAME = "rpa_shard.toml"
OPTION, ENVIRONMENT, DEFAULT = "option", "environment", "default"
# A file of knobs is a page at most; anything larger is something else.
MAX_FILE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Given:
    """One knob's value as text, and where it comes from: OPTION, ENVIRONMENT, or the path of a file."""

    text: str
    origin: str

    @property
    def file(self) -> Path | None:
        """The file that gives it, if one does."""
        return None if self.origin in (OPTION, ENVIRONMENT) else Path(self.origin)


def given_knobs(
    options: Mapping[str, str], environment: Mapping[str, str], names: Collection[str]
) -> Mapping[str, Given]:
    """What is given of the knobs called `names`. Raises SettingsError.

    Reads the file beside the data folder, if there is one. Empty texts count as not given.
    """
    found = {name: Given(text, ENVIRONMENT) for name, text in _of_environment(environment, names)}
    found |= {name: Given(text, OPTION) for name, text in options.items()}
    return {**_of_file(file_beside(found.get(DATA_DIR)), names), **found}


def file_beside(data_dir: Given | None) -> Path:
    """Where the file of knobs may be. Raises SettingsError."""
    try:
        folder = Path.cwd() if data_dir is None else Path(data_dir.text).expanduser().absolute().parent
    except (OSError, RuntimeError):  # the working folder is gone, or there is no such user: said by what needs it
        return Path(FILE_NAME)
    return folder / FILE_NAME


def _of_environment(environment: Mapping[str, str], names: Collection[str]) -> Iterator[tuple[str, str]]:
    for name, value in environment.items():
        text = value.strip()
        if name.startswith(PREFIX) and text:
            if name not in names:
                raise SettingsError(_no_knob(name, names))
            yield name, text


def _of_file(path: Path, names: Collection[str]) -> dict[str, Given]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError(f"{path} is too large for a file of knobs")
    import tomllib  # takes a while to load, and is rarely needed

    try:
        values = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{path} is no TOML: {error}; a line of it is such as {PREFIX}SHARD_COUNT = 4") from None
    found = {name: Given(_as_text(path, name, value, names), str(path)) for name, value in values.items()}
    return {name: given for name, given in found.items() if given.text}


def _as_text(path: Path, name: str, value: Any, names: Collection[str]) -> str:
    """The value as it would be written in the environment. Raises SettingsError."""
    if name not in names:
        raise SettingsError(f"{path}: {_no_knob(name, names)}")
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value).strip()
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return " ".join(value)
    raise SettingsError(f"{path}: {name}: give a number, a text in quotes, true, false, or a list of texts")


def _no_knob(name: str, names: Collection[str]) -> str:
    """What is said of a name that is none of the knobs'."""
    meant = closest(name.upper().removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in names])
    return f"{name} is no knob: " + ("`knobs` lists them all" if meant is None else f"did you mean {PREFIX}{meant}?")
