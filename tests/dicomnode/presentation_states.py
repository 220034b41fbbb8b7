"""Presentation states as viewers write them, for tests of what is drawn in them."""

from __future__ import annotations

from collections.abc import Sequence

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset


def graphic(points, kind="POLYLINE", units="PIXEL", **kwargs) -> hd.pr.GraphicObject:
    """Something drawn: (column, row) from the outer corner of the first pixel."""
    return hd.pr.GraphicObject(kind, np.array(points, dtype=float), units, **kwargs)


def text(value: str) -> hd.pr.TextObject:
    """A text near a corner."""
    return hd.pr.TextObject(value, "PIXEL", anchor_point=(1.0, 1.0))


def presentation_state(
    images: Sequence[Dataset],
    *annotations: Sequence[hd.pr.GraphicObject | hd.pr.TextObject],
    on: Sequence[Sequence[Dataset]] | None = None,
    series_uid: str = "1.2.3",
    uid: str = "1.2.3.4",
    layer: str = "LAYER",
    description: str | None = None,
) -> hd.pr.GrayscaleSoftcopyPresentationState:
    """One annotation for each list of graphics and texts.

    Parameters
    ----------
    images : sequence of Dataset
        That the state refers to.
    *annotations
        Each on all images, or on those of the same place in `on`.
    on : sequence of sequence of Dataset, optional
    series_uid, uid : str
    layer, description : str
        Of the graphic layer.
    """
    graphic_layer = hd.pr.GraphicLayer(layer, order=1, description=description)
    items = []
    for things, drawn_on in zip(annotations, on or [images] * len(annotations), strict=True):
        graphics = [thing for thing in things if isinstance(thing, hd.pr.GraphicObject)]
        texts = [thing for thing in things if isinstance(thing, hd.pr.TextObject)]
        items.append(
            hd.pr.GraphicAnnotation(
                referenced_images=list(drawn_on),
                graphic_layer=graphic_layer,
                graphic_objects=graphics or None,
                text_objects=texts or None,
            )
        )
    return hd.pr.GrayscaleSoftcopyPresentationState(
        referenced_images=list(images),
        series_instance_uid=series_uid,
        series_number=7,
        sop_instance_uid=uid,
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
        content_label="MARKS",
        graphic_layers=[graphic_layer],
        graphic_annotations=items,
    )
