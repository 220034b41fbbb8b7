"""A wrong configuration stops the start with the line and the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomnode.settings import SettingsError, load_settings
from dicomnode.toml_lines import line_of

ROOT = Path(__file__).parents[2]

GOOD = """
[store]
path = "/tmp/somewhere"

[[destinations]]
name = "pacs"
ae_title = "PACS"
host = "pacs.example.org"
port = 104

[[rules]]
name = "all"
destinations = ["pacs"]
"""


def load(tmp_path: Path, text: str):
    path = tmp_path / "node.toml"
    path.write_text(text)
    return load_settings(path)


def test_every_example_configuration_loads():
    examples = sorted((ROOT / "config").glob("node*.toml"))
    assert examples
    for example in examples:
        assert load_settings(example).rules


def test_a_file_gives_its_values_and_defaults_the_rest(tmp_path):
    settings = load(tmp_path, GOOD)
    assert settings.destination("pacs").port == 104
    assert settings.listen.port == 11112
    assert settings.store.url == "sqlite:////tmp/somewhere/node.sqlite"


def test_the_environment_wins(tmp_path, monkeypatch):
    monkeypatch.setenv("DICOMNODE_LISTEN__PORT", "4242")
    settings = load(tmp_path, GOOD + "\n[listen]\nport = 99\nae_title = 'NODE'\n")
    assert settings.listen.port == 4242
    assert settings.listen.ae_title == "NODE"


@pytest.mark.parametrize(
    ("before", "after", "line", "reason"),
    [
        ("port = 104", "port = 70000", 9, "less than or equal to 65535"),
        ("port = 104", "prot = 104", 9, "Extra inputs are not permitted"),
        ('ae_title = "PACS"', 'ae_title = "A TITLE THAT IS TOO LONG"', 7, "at most 16 characters"),
        ('name = "all"', 'name = "all"\nmethod = "magic"', 13, "no method 'magic'"),
        ('name = "all"', 'name = "all"\nparameters = {colour = 1}', 13, "colour"),
        ("port = 104", "port = 104\nconnect_timeout_s = inf", 10, "finite number"),
        ("[store]", "[listen]\nmax_pdu = 33554432\n[store]", 3, "less than or equal"),
        ("[store]", '[store]\ndatabase_url = "nonsense://u:secret@h/d"', 3, "usable database URL"),
        ("[store]", '[store]\ndatabase_url = "mssql+pymssql://u:secret@h/d"', 3, "database"),
        ('["pacs"]', "[]", 1, "names no destination"),
        ('["pacs"]', '["nowhere"]', 1, "the destination 'nowhere'; known are 'pacs'"),
        ('name = "all"', 'name = "all"\nmatch = {mark_sop_class = "Nonsense"}', 13, "Nonsense"),
        ('path = "/tmp/somewhere"', "path = ", 3, "Invalid value"),
        ('name = "all"', 'name = "all"\n[[sources]]\nname = "S"\nkind = "c-mvoe"', 13, "c-move"),
    ],
)
def test_an_error_names_line_and_reason(tmp_path, before, after, line, reason):
    assert before in GOOD
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, GOOD.replace(before, after))
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value)
    assert f":{line}:" in str(caught.value) or f"line {line}" in str(caught.value)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path / "none.toml")


def test_two_of_one_name_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="two rules are named 'all'"):
        load(tmp_path, GOOD + '\n[[rules]]\nname = "all"\n')


def test_lines_are_found_in_nested_arrays_of_tables():
    text = "[[a]]\nx = 1\n[[a.b]]\ny = 2\n[[a]]\n[[a.b]]\ny = 3\n[a.c]\nz.w = 4\n"
    assert line_of(("a", 0, "x"), text) == 2
    assert line_of(("a", 0, "b", 0, "y"), text) == 4
    assert line_of(("a", 1, "b", 0, "y"), text) == 7
    assert line_of(("a", 1, "c", "z", "w"), text) == 9
    assert line_of(("a", 1, "nowhere"), text) == 5
    assert line_of(("nowhere",), text) is None


SOURCE = """
[[sources]]
name = "ARCHIVE"
kind = "c-move"
ae_title = "PACS"
host = "pacs.example.org"
port = 104
"""


def test_the_sources_of_the_example_configuration_load(tmp_path):
    example = (ROOT / "config" / "node.toml").read_text()
    start = example.index("# [[sources]]")
    block = example[start : example.index("\n\n# What is done with a mark.")]
    lines = [line.removeprefix("#").removeprefix(" ") for line in block.splitlines()]
    move, web = load(tmp_path, GOOD + "\n".join(lines)).sources
    assert (move.kind, move.name, move.port) == ("c-move", "ARCHIVE", 4242)
    assert (web.kind, web.url.host) == ("dicomweb", "pacs.example.org")
    assert web.serves("Workstation 7")
    assert not web.serves("SCANNER")


@pytest.mark.parametrize(
    ("before", "after", "line", "reason"),
    [
        ("port = 104", "port = 70000", 20, "less than or equal to 65535"),
        ("port = 104", 'url = "http://pacs"', 20, "Extra inputs are not permitted"),
        ('"ARCHIVE"', '"AN ARCHIVE WITH A LONG NAME"', 16, "at most 16 characters"),
        ("port = 104", 'port = 104\n[listen]\ncalling_ae_titles = ["CT"]', 1, "does not let in"),
        ("port = 104", "port = 104\n" + SOURCE, 1, "two sources are named 'ARCHIVE'"),
        ('kind = "c-move"', 'kind = "dicomweb"\nurl = "ftp://pacs"', 18, "http"),
        ("port = 104", "port = 104\nconnect_timeout_s = 0", 21, "greater than 0"),
        ("port = 104", "port = 104\n[retrieve]\nconcurrent = 0", 22, "greater than or equal"),
    ],
)
def test_an_error_in_a_source_names_line_and_reason(tmp_path, before, after, line, reason):
    assert before in SOURCE
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, GOOD + SOURCE.replace(before, after))
    assert reason in str(caught.value)
    assert f":{line}:" in str(caught.value)


def test_the_further_rules_of_the_example_configuration_load(tmp_path):
    example = (ROOT / "config" / "node.toml").read_text()
    block = example[example.index("# [[rules]]") :]
    lines = [line.removeprefix("#").removeprefix(" ") for line in block.splitlines()]
    _, night = load(tmp_path, GOOD + "\n".join(lines)).routes
    assert night.dry_run
    assert night.results == ("fractional-seg", "secondary-capture")
    assert night.when.clauses == 10


STOW = """
[[destinations]]
name = "web"
kind = "stow-rs"
url = "https://pacs.example.org/dicom-web"
verify = "pixels"
"""

FOLDER = """
[[destinations]]
name = "drop"
kind = "folder"
path = "/srv/results"
subfolders = "series"
"""


def test_destinations_are_of_three_kinds_and_go_by_c_store_unless_they_say(tmp_path):
    store, web, folder = load(tmp_path, GOOD + STOW + FOLDER).destinations
    assert (store.kind, store.commit, store.verify) == ("c-store", False, "none")
    assert (web.kind, web.verify) == ("stow-rs", "pixels")
    assert (folder.kind, folder.path) == ("folder", Path("/srv/results"))


def test_the_destinations_of_the_example_configuration_load(tmp_path):
    example = (ROOT / "config" / "node.toml").read_text()
    start = example.index("# [destinations.dicomweb]")
    block = example[start : example.index("\n\n# Where images that a mark was drawn on")]
    lines = [line.removeprefix("#").removeprefix(" ") for line in block.splitlines()]
    text = GOOD.replace("\n[[rules]]", "\n".join(["", *lines, "", "[[rules]]"]))
    store, web, folder = load(tmp_path, text).destinations
    assert store.dicomweb.url.host == "pacs.example.org"
    assert store.options["parametric-map"] == {"omit_empty_frames": False}
    assert (web.kind, folder.kind) == ("stow-rs", "folder")


@pytest.mark.parametrize(
    ("before", "after", "line", "reason"),
    [
        ('kind = "stow-rs"', 'kind = "ftp"', 15, "'c-store', 'stow-rs' or 'folder'"),
        ('kind = "stow-rs"', 'kind = "stow-rs"\ncommit = true', 18, "Extra inputs"),
        ('"https://pacs.example.org/dicom-web"', '"pacs"', 18, "valid URL"),
        ('verify = "pixels"', 'verify = "all"', 19, "'none', 'find' or 'pixels'"),
        ('"/srv/results"', '"results"', 24, "an absolute path"),
        (
            "port = 104",
            'port = 104\nverify = "pixels"\n[destinations.dicomweb]\nurl = "nowhere"',
            12,
            "valid URL",
        ),
        ("port = 104", 'port = 104\ncommit = true\n[listen]\ncalling_ae_titles = ["CT"]', 1, "let"),
        ("[store]", "[confirm]\nbatch = 0\n[store]", 3, "greater than or equal to 1"),
        (
            "[store]",
            '[[commitment.peers]]\nae_title = "CT1"\nhost = "ct1"\nport = 99999\n[store]',
            5,
            "less than or equal to 65535",
        ),
    ],
)
def test_an_error_in_a_destination_names_line_and_reason(tmp_path, before, after, line, reason):
    good = GOOD + STOW + FOLDER
    assert before in good
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, good.replace(before, after, 1))
    assert reason in str(caught.value)
    assert f":{line}:" in str(caught.value)


OPTIONS = """
[destinations.options.band-seg]
series_description = "Alpha RESEARCH"
bands = [
    { name = "half", low = 0.5, rgb = [0, 255, 0] },
]

[destinations.options.iso-contours]
levels = [0.5]
"""


def test_a_destination_gets_everything_that_suits_most_unless_it_says(tmp_path):
    (destination,) = load(tmp_path, GOOD).destinations
    assert destination.results == "auto"
    assert (destination.references, destination.options) == ("ct", {})


def test_rungs_are_told_in_the_types_of_their_settings(tmp_path):
    (drop,) = load(tmp_path, FOLDER + OPTIONS).destinations
    (band,) = drop.options["band-seg"]["bands"]
    assert (band.name, band.low, band.rgb) == ("half", 0.5, (0, 255, 0))
    assert drop.options["iso-contours"] == {"levels": (0.5,)}


@pytest.mark.parametrize(
    ("before", "after", "line", "reason"),
    [
        ("options.band-seg", "options.band-sgg", 8, "'fractional-seg', 'binary-seg'"),
        ("series_description", "description", 9, "Extra inputs are not permitted"),
        ("series_description", "series_number = 4\nseries_description", 9, "Extra inputs"),
        ("Alpha RESEARCH", "Alpha", 9, "expected a description that says RESEARCH"),
        ("low = 0.5", "low = 1.5", 10, "expected one in (0, 1]"),
        ("low = 0.5", 'low = "half"', 10, "valid number"),
        ("levels = [0.5]", "levels = [0.5, 0.25]", 14, "expected ascending ones"),
        ("levels = [0.5]", "levels = 0.5", 15, "valid tuple"),
        ('"series"', '"series"\nreferences = "none"', 7, "'ct' or 'all'"),
    ],
)
def test_an_error_in_an_option_names_line_and_reason(tmp_path, before, after, line, reason):
    good = FOLDER + OPTIONS
    assert before in good
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, good.replace(before, after, 1))
    assert reason in str(caught.value)
    assert f":{line}:" in str(caught.value)
