"""Each table against what one computes by hand from scores that one can see."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.evaluation.answers import MARKING_READER
from pipelines.evaluation.binary_tables import (
    doctor_table,
    energy_table,
    overlap_table,
    size_table,
)
from pipelines.evaluation.cases import NoduleCase, PhantomCase
from pipelines.evaluation.cost import Cost
from pipelines.evaluation.cost_table import cost_table
from pipelines.evaluation.scores import (
    MarkScore,
    NoduleScore,
    Overlap,
    PhantomScore,
    SampleMark,
    SampleScore,
)
from pipelines.evaluation.soft_tables import READER_ROW, label_table, phantom_table, reader_table
from pipelines.evaluation.table import as_markdown
from pipelines.evaluation.weak_points import weak_points
from pipelines.metrics import MattingScores


def mark(reader: int, dice: float, **said: object) -> MarkScore:
    usual = dict(
        quantity="occupancy",
        failed=None,
        soft=MattingScores(100 * dice, 0.002, 50.0, 300.0),
        label=MattingScores(10 * dice, 0.001, 40.0, 200.0),
        volume_error=-0.1,
        whole=(Overlap(dice, 0.5, None), Overlap(dice / 2, 0.25, 0.75)),
        key=(Overlap(dice / 4, None, 1.0), Overlap(1.0, 1.0, 1.0)),
        energy_distance=0.3,
        best_dice=0.9,
        readers=(0.5, 0.6, 0.7, 0.8),
        others=0.4,
    )
    return MarkScore(reader=reader, **(usual | said))


def nodules(*by_nodule: tuple[str, float, tuple[MarkScore, ...]]) -> dict:
    return {
        NoduleCase(Path(f"{number}.npz")): NoduleScore(patient, long_mm, marks)
        for number, (patient, long_mm, marks) in enumerate(by_nodule)
    }


FOUND = {
    "occupancy": nodules(
        ("a", 5.0, (mark(0, 0.8), mark(1, 0.6))),
        ("a", 8.0, (mark(1, 0.4), mark(0, 0.2))),
        ("b", 30.0, (mark(2, 0.9, failed="TrimapError"), mark(3, 0.7, others=None))),
    ),
    "knn+": nodules(
        ("a", 5.0, (mark(0, 0.9, quantity=""),)),
        ("b", 30.0, (mark(2, 0.9, quantity="density-weighted"),)),
    ),
    MARKING_READER: nodules(
        ("a", 5.0, (mark(0, 0.95, readers=(1.0, 0.6, None, 0.8)),)),
        ("b", 30.0, (mark(0, 0.85, readers=(1.0, 0.4, 0.2, 0.8)), mark(3, 0.5))),
    ),
}


def cells(table, name: str) -> tuple:
    (row,) = [row for row in table.rows if row.name == name][:1]
    return row.cells


def test_phantoms():
    by_case = {
        PhantomCase("solid", thickness, seed): PhantomScore(
            MattingScores(*soft), size, error, "probability", None
        )
        for thickness, seed, soft, size, error in (
            (2.5, 1, (200, 0.001, 10, 30), 1000, -0.2),
            (2.5, 2, (100, 0.003, 30, 50), 2000, 0.1),
            (5.0, 2, (900, 0.9, 90, 90), 100, 5.0),
        )
    }
    table = phantom_table({"occupancy": by_case}, 2.5)
    assert [c.mean for c in table.rows[0].cells] == pytest.approx(
        [1.5, 2.0, 0.2, 0.4, (20 + 5) / 2, (-20 + 10) / 2, (20 + 10) / 2]
    )
    assert (table.rows[0].count, table.rows[0].about) == (2, "probability")
    assert [len(phantom_table({"knn": {}}, 2.5).rows)] == [0]


def test_soft_masks_against_the_papers_label_of_nodules_that_have_one():
    found = {
        "knn": nodules(
            ("a", 5.0, (mark(0, 0.8), mark(1, 0.6))),
            ("b", 8.0, (mark(1, 0.4, label=None), mark(0, 0.2, label=None))),
        ),
        "bayesian": nodules(("b", 8.0, (mark(1, 0.4, label=None),))),
    }
    table = label_table(found)
    (row,) = table.rows
    assert (row.name, row.count, row.clusters) == ("knn", 1, 1)
    sad, mse, grad, conn = row.cells
    assert (sad.mean, mse.mean, grad.mean, conn.mean) == pytest.approx((0.07, 1.0, 0.4, 2.0))


def test_soft_masks_against_readers():
    table = reader_table(FOUND)
    sad, mse, grad, conn, error, size = cells(table, "occupancy")
    assert sad.mean == pytest.approx((70 + 30 + 80) / 3 / 100)
    # First marks 80, 40, 90; second marks 60, 20, 70.
    assert sad.sd == pytest.approx(((70 - 50) / 2**0.5) / 100)
    assert (mse.mean, grad.mean, conn.mean) == pytest.approx((2, 0.5, 3))
    assert (error.mean, size.mean) == pytest.approx((-10, 10))
    assert [(row.name, row.count, row.clusters) for row in table.rows] == [
        ("occupancy", 3, 2),
        ("knn+", 2, 2),
        (READER_ROW, 2, 2),
    ]


def test_overlap_at_both_levels():
    table = overlap_table("k", "t", FOUND, lambda m: m.whole)
    assert [(row.name, row.about) for row in table.rows] == [
        ("occupancy", "occupancy ≥ 0.35"),
        ("occupancy", "occupancy ≥ 0.5"),
        ("knn+", "density-weighted ≥ 0.35"),
        ("knn+", "density-weighted ≥ 0.5"),
        (READER_ROW, "binary"),
    ]
    low, half = table.rows[0].cells, table.rows[1].cells
    assert low[0].mean == pytest.approx(100 * (0.7 + 0.3 + 0.8) / 3)
    assert half[0].mean == pytest.approx(50 * (0.7 + 0.3 + 0.8) / 3)
    assert low[1].mean == pytest.approx(50)
    assert low[2] is None  # PPV is not defined in any of them
    assert overlap_table("k", "t", FOUND, lambda m: m.key).rows[0].cells[2].mean == 100


def test_sizes():
    table = size_table(FOUND)
    small, middle, large, largest = cells(table, "occupancy")
    assert small.mean == pytest.approx(70)
    assert middle.mean == pytest.approx(30)
    assert large is None
    assert largest.mean == pytest.approx(80)
    assert [c.name for c in table.columns] == [
        "up to 6 mm (n = 1)",
        "6 to 10 mm (n = 1)",
        "10 to 20 mm (n = 0)",
        "over 20 mm (n = 1)",
    ]


def test_samples():
    drawn = {"region-aware": {NoduleCase(Path("1")): SampleScore("p", (SampleMark(0, 0.2, 0.8),))}}
    table = energy_table(FOUND, drawn)
    ged, best = cells(table, "occupancy")
    assert (ged.mean, best.mean) == pytest.approx((0.3, 90))
    assert table.rows[-1].about == "8 samples of the prior"
    assert [cell.mean for cell in cells(table, "region-aware")] == pytest.approx([0.2, 80])


def test_readers_and_methods():
    table = doctor_table(FOUND)
    d1 = cells(table, "D1")
    assert d1[0] is None  # with himself
    assert d1[1].mean == pytest.approx(50)
    assert d1[2].mean == pytest.approx(20)  # on one nodule the third marked nothing
    assert d1[4].mean == pytest.approx(90)
    assert d1[5].mean == pytest.approx(40)
    assert cells(table, "D2") == (None,) * 6
    occupancy = cells(table, "occupancy")
    # Told by D1's marks it is not compared with D1: of the first nodule the second mark counts.
    assert occupancy[0].count == 3
    assert occupancy[0].mean == pytest.approx(50)
    assert occupancy[4].mean == pytest.approx(100 * (0.7 + 0.3 + 0.8) / 3)
    only_own = {"occupancy": nodules(("a", 5.0, (mark(0, 0.8),)))}
    assert cells(doctor_table(only_own), "occupancy")[0] is None


def test_cost():
    costs = [
        Cost("occupancy", None, None, None, 40.4, 30.0, 500.0, None),
        Cost("3dmm", 2940327, 342457141248, None, None, None, None, "no weights"),
    ]
    text = as_markdown(cost_table(costs))
    assert "| `3dmm` | no weights | 2,940,327 | 342.46 |  |  |  |  |" in text
    assert "| `occupancy` |  |  |  |  | 40 | 30 | 500 |" in text


def test_the_best_is_bold_and_the_reader_takes_no_part():
    lines = as_markdown(overlap_table("k", "t", FOUND, lambda m: m.whole)).splitlines()
    bold = [
        [number for number, cell in enumerate(line.split("|")) if "**" in cell] for line in lines
    ]
    # SEN is best at the low level and PPV at the high one, in both methods alike; DICE in one row.
    assert bold == [[], [], [6], [7], [5, 6], [7], []]
    assert READER_ROW in lines[-1]
    assert lines[0] == "|  | mask | n | patients | DICE, % | SEN, % | PPV, % |"


def test_where_it_loses_is_read_off_the_tables():
    tables = [
        reader_table(FOUND),
        overlap_table("readers-overlap-3d", "3D", FOUND, lambda m: m.whole),
    ]
    said = " ".join(weak_points(tables, FOUND, {"occupancy": 1, "knn+": 0}))
    assert "3D: the default `occupancy` is not the best in DICE 60.0, `knn+` 90.0." in said
    assert "its long axis): `occupancy` 30.0 % (8.0 mm), `knn+` 90.0 % (5.0 mm)." in said
    assert "`occupancy` made no mask of 1 marks" in said
    assert "`knn+` made no" not in said


def test_a_reader_whom_no_method_reaches_is_told():
    weak = {name: nodules(("a", 5.0, (mark(0, 0.5),))) for name in ("occupancy", "knn")} | {
        MARKING_READER: nodules(("a", 5.0, (mark(0, 0.9),)))
    }
    table = overlap_table("readers-overlap-3d", "3D", weak, lambda m: m.whole)
    assert any(
        "the reader who drew the mark" in s and "90.0" in s for s in weak_points([table], {}, {})
    )
