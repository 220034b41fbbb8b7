"""``dicomnode explain``: why something was, or was not, processed."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Annotated

import typer

from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
    console,
)
from dicomnode.commands.opened import opened
from dicomnode.explain import explain as explain_uid
from dicomnode.explained import CtFolder, ExplainedItem, explain_reading
from dicomnode.explained.report import NOTICE, text_lines, to_json
from dicomnode.logs import start_logging
from dicomnode.marks.mark_file import UnreadableMarkFile, read_mark_file
from dicomnode.settings import NodeSettings
from dicomnode.store.uid import is_valid_uid
from pipelines.errors import SegmentationError


@app.command()
def explain(
    file_or_uid: Annotated[
        str,
        typer.Argument(
            help="A file with marks (DICOM, AIM or LIDC XML, DeepLesion table), "
            "or a SOP, series or study instance UID that the node knows."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
    png: Annotated[
        Path | None, typer.Option(help="Draw each mark on its CT slice; needs --ct.")
    ] = None,
    ct: Annotated[
        Path | None, typer.Option(help="Folder with the CT that a file's marks were drawn on.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Items of a file told as text.")] = 100,
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Say of a file's items, or of a UID, what was found, taken or refused, and why.

    Research only, not for diagnosis. Nothing of the patient is shown.
    """
    path = Path(file_or_uid)
    if path.is_file():
        _explain_file(path, ct, as_json, png, limit)
    elif not is_valid_uid(file_or_uid):
        kind = "a folder" if path.is_dir() else "no such file, and no UID"
        raise complain(f"{file_or_uid}: {kind}; expected one file or a UID")
    elif png is not None or ct is not None:
        raise complain("--png and --ct go with a file, not with a UID")
    else:
        _explain_uid(file_or_uid, configured(config), as_json)


def _explain_file(path: Path, ct: Path | None, as_json: bool, png: Path | None, limit: int) -> None:
    if png is not None and ct is None:
        raise complain("--png needs --ct: the folder with the CT to draw on")
    start_logging("ERROR")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's would quote the file
        try:
            file = read_mark_file(path)
        except UnreadableMarkFile as problem:
            raise complain(f"{path}: {problem}") from None
        except OSError as error:
            raise complain(f"{path}: cannot be read: {error.strerror}") from None
        folder = None if ct is None else _ct_folder(ct)
        items = explain_reading(file.reading, folder)
        if as_json:
            typer.echo(json.dumps(to_json(file, items), indent=1))
        else:
            for line in text_lines(file, items, limit):
                console.print(line, highlight=False, soft_wrap=True)
        if png is not None:
            _draw(items, png, quiet=as_json)


def _ct_folder(folder: Path) -> CtFolder:
    try:
        found = CtFolder.read(folder)
    except NotADirectoryError:
        raise complain(f"{folder}: no such folder") from None
    if not len(found):
        raise complain(f"{folder}: no CT image in this folder")
    return found


def _draw(items: tuple[ExplainedItem, ...], png: Path, *, quiet: bool) -> None:
    # Matplotlib takes a second to import; no other command should wait for it.
    from dicomnode.pictures.marks_on_slices import save_marks_on_slices

    if not any(item.drawing is not None for item in items):
        raise complain(f"{png}: not written: no item of the file lies on a CT slice of the folder")
    try:
        drawn = save_marks_on_slices(items, png)
    except OSError as error:
        raise complain(f"{png}: cannot be written: {error.strerror}") from None
    except SegmentationError as error:
        raise complain(f"{png}: not written: {error}") from None
    if not quiet:
        console.print(f"{drawn} item(s) drawn: {png}", highlight=False, markup=False)


def _explain_uid(uid: str, settings: NodeSettings, as_json: bool) -> None:
    with opened(settings) as session:
        names = [destination.name for destination in settings.destinations]
        lines = list(explain_uid(session, uid, names))
    if not lines:
        raise complain(
            f"{uid}: never received here, and no mark refers to it. "
            "Was it refused? The log then holds the status that its sender was given."
        )
    if as_json:
        typer.echo(json.dumps({"notice": NOTICE, "uid": uid, "lines": lines}, indent=1))
        return
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
