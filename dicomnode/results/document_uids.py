"""UIDs of objects that are made of several lesions of one CT series, and why there are none."""

from __future__ import annotations

from collections.abc import Sequence

from dicomnode.results.lesion_result import LesionResult, ResultUids
from dicomnode.results.uids import derive_uid


class MixedSeries(ValueError):
    """The lesions are not of one CT series, or there are none."""


class NothingToReport(ValueError):
    """The lesions have nothing of what the object would say."""


def document_uids(
    rung: str,
    results: Sequence[LesionResult],
    options: Sequence[str] = (),
    named: Sequence[str] = (),
) -> ResultUids:
    """UIDs of one object of several lesions, known before it is made.

    One series holds all such objects of one CT series, rung and options. The same lesions, in any
    order, with the same configurations and options give the same instance; another lesion gives
    another.

    Parameters
    ----------
    rung : str
        The kind of object, such as "report".
    results : sequence of LesionResult
        At least one, of one CT series.
    options : sequence of str
        `options_in_uids` of the rung's settings.
    named : sequence of str
        SOP Instance UIDs of the twins that the object refers to.

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
        derive_uid(f"{rung} series", *place, *options),
        derive_uid(rung, *place, *lesions, "options", *options, "named", *named),
    )
