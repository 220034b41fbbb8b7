"""``dicomnode study demo``: a study of phantoms, served on loopback, to try it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dicomnode.commands.app import complain, configured
from dicomnode.commands.study import making, say, study_app
from dicomnode.store.database import Database
from dicomnode.store.lock import Role

_PEOPLE = (("anna", "viewer"), ("ben", "viewer"), ("olga", "operator"))


@study_app.command("demo")
def study_demo(
    folder: Annotated[Path, typer.Option("--out", "-o", help="Empty, or not there.")] = Path(
        "study-demo"
    ),
    cases: Annotated[int, typer.Option(min=2, max=60, help="Lesions.")] = 6,
    seed: Annotated[int, typer.Option(min=0, help="Of phantoms and orders.")] = 1,
    port: Annotated[int, typer.Option(min=1, max=65535, help="On loopback.")] = 11180,
    serve: Annotated[
        bool, typer.Option(help="Whether it is served afterwards, until Ctrl-C.")
    ] = True,
) -> None:
    """Make a study as that of Wang et al., Figure 3, of phantoms: four readers' masks and a matte.

    Two readers and an operator get tokens, and the folder a configuration of its own.
    """
    from dicomnode.commands.serve import serve as serve_node
    from dicomnode.reader_study.demonstration import demonstration
    from dicomnode.web.access.tokens import TokenFile, tokens_path

    if folder.exists() and any(folder.iterdir()):
        raise complain(f"{folder} is not empty: name another folder")
    config = folder / "node.toml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        store = (folder / "store").absolute()
        store.mkdir()
        config.write_text(
            "# A node for a demonstration of reader studies. Research software.\n"
            f'[store]\npath = "{store}"\n\n[web]\nport = {port}\n',
            encoding="utf-8",
        )
    except OSError as error:
        raise complain(f"{folder}: cannot be written: {error.strerror}") from None
    settings = configured(config)
    database = Database(settings.store.url)
    try:
        database.upgrade()
        made = making(database, settings, demonstration(cases, seed), folder)
    finally:
        database.close()
    tokens = TokenFile(tokens_path(settings.web, settings.store.path))
    say(f"{made.cases} cases. Sign in at http://127.0.0.1:{port}/reader-studies/{made.study_id}")
    for name, role in _PEOPLE:
        say(f"as {name}, {role}, with {tokens.add(name, role)}")
    say("The operator closes the study, and sees its results. Research, not for diagnosis.")
    command = f"dicomnode serve --only web --config {config}"
    if not serve:
        say(f"To serve it: {command}")
        return
    say(f"Ctrl-C ends it; {command} goes on.")
    serve_node(config, [Role.WEB])
