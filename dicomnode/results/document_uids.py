"""UIDs of objects that are made of several lesions of one CT series, and why there are none."""

from __future__ import annotations

from collections.abc import Sequence

from dicomnode.results.lesion_result import LesionResult, ResultUids
from dicomnode.results.uids import derive_uid


class MixedSeries(ValueError):
    """The lesions are not of one CT series, or there are none."""


class NothingToReport(ValueError):
    """The lesions have nothing of what the object would say."""


def document_uids(rung: str, results: Sequence[LesionResult], *options: str | int) -> ResultUids:
    """UIDs of one object of several lesions, known before it is made.

    One series holds all such objects of one CT series and rung. The same lesions, in any order,
    with the same configurations and options give the same instance; another lesion gives another.

    Parameters
    ----------
    rung : str
        The kind of object, such as "report".
    results : sequence of LesionResult
        At least one, of one CT series.
    *options : str or int
        All else that decides the object's bytes, such as UIDs of the twins that it refers to.

    Raises
    ------
    MixedSeries
    """
    series = {(result.study_instance_uid, result.ct_series_instance_uid) for result in results}
    if len(series) != 1:
        raise MixedSeries(f"found lesions of {len(series)} CT series, expected one")
    place = series.pop()
    lesions = sorted(
        f"{result.mark.key} {result.mask.method} {result.configuration_digest}"
        for result in results
    )
    return ResultUids(
        derive_uid(f"{rung} series", *place),
        derive_uid(rung, *place, *lesions, "options", *options),
    )
