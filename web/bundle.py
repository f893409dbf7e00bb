"""An exported book as a person meets it: the page inside it, the folder on disk, the zip over HTTP.

It refuses to write into a folder that holds anything, and to hold a zip in memory.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from engine.export import File
from web import drawing

_TEMPLATE = resources.files("web").joinpath("templates", "bundle.html")
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The same book gives the same zip: files in it carry no date."""


def page(shown: Mapping[str, Any]) -> bytes:
    """The page that shows and checks a book from the file system alone."""
    text = _TEMPLATE.read_text("utf-8")
    data = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    parts = {"<!--chart-->": drawing.svg(), "/*data*/": _harmless(data)}
    for mark, part in parts.items():
        before, found, after = text.partition(mark)
        assert found, mark
        text = before + part + after
    return text.encode()


def _harmless(data: str) -> str:
    """JSON that no script element can be ended by: a name may hold any visible character."""
    return data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def write(folder: Path, files: Iterable[File]) -> None:
    """Write the files into a new folder; raises FileExistsError when it holds something."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(17, "is not empty", str(folder))
    for name, pieces in files:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.writelines(pieces)


class _Sink:
    """Takes what a zip is made of, and gives it away piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep it until it is taken."""
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def take(self) -> bytes:
        """All that was written since."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def zipped(files: Iterable[File]) -> Iterator[bytes]:
    """A zip of the files, made as it is read; one that breaks off lacks its directory."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as made:  # type: ignore[call-overload]
        for name, pieces in files:
            place = zipfile.ZipInfo(f"strada-book/{name}", _EPOCH)
            place.compress_type = zipfile.ZIP_DEFLATED
            with made.open(place, "w", force_zip64=True) as file:
                for piece in pieces:
                    file.write(piece)
                    yield sink.take()
            yield sink.take()
    yield sink.take()
