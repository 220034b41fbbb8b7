"""A node that deletes what it has delivered, and makes nothing twice when it comes again."""

from __future__ import annotations

from sqlalchemy import select

from dicomnode.demo.recist_sr import DrawnMark, recist_report
from dicomnode.node import Node
from dicomnode.store.states import DeliveryState, LesionState, StudyState
from dicomnode.store.tables import Purge
from tests.dicomnode.studies import send_to, study
from tests.dicomnode.test_node import deliveries, explained, lesions, settings, until

AT_ONCE = {"delivered_days": 1e-5, "at_least_h": 0, "every_h": 1e-4}
"""After 0.9 s; looked at every 0.4 s."""


def purges(node: Node) -> list[Purge]:
    """Those whose files are gone."""
    with node.database.read() as session:
        finished = select(Purge).where(Purge.finished_at.is_not(None)).order_by(Purge.id)
        return list(session.scalars(finished))


def test_a_delivered_study_goes_and_its_mark_makes_nothing_twice(tmp_path):
    made = study("purged", centres=((12, 20, 32), (12, 44, 32)))
    first, second = (
        recist_report([DrawnMark(axes, "lesion")], made.ct, f"purged {number}")
        for number, axes in enumerate(made.axes)
    )
    objects = [*made.ct, first]
    archive = {"name": "pacs", "kind": "folder", "path": tmp_path / "archive"}
    archive["path"].mkdir()
    told = {
        "destinations": [archive | {"results": ["fractional-seg", "report"]}],
        "publish": {"gather_s": 0.1},
    }
    with Node(settings(tmp_path, 0, retention=AT_ONCE, **told)) as node:
        send_to(node.port, objects, tmp_path / "first")
        until(lambda: purges(node), "delivered and deleted")
        files = [p for p in (tmp_path / "store").rglob("*") if p.suffix in (".dcm", ".npz")]
        assert files == []
        assert [d.state for d in deliveries(node)] == [DeliveryState.ACCEPTED] * 2
        said = explained(node, made.ct[0].StudyInstanceUID)
        assert "by retention, because: delivered for" in said
        (purge,) = purges(node)
        assert (purge.state, purge.instances) == (StudyState.DELIVERED, len(objects))
        # It all comes again, and another mark before it.
        send_to(node.port, [second, *objects], tmp_path / "second")
        until(lambda: len(purges(node)) == 2, "delivered and deleted again")
        assert [x.state for x in lesions(node)] == [LesionState.PUBLISHED] * 2
        assert [d.state for d in deliveries(node)] == [DeliveryState.ACCEPTED] * 4
        assert [d.attempts for d in deliveries(node)] == [1] * 4
        assert purges(node)[1].instances == len(objects) + 1
    assert len(list((tmp_path / "archive").glob("*.dcm"))) == 4
