"""Answer searches (QIDO-RS, PS3.18 10.6)."""

from __future__ import annotations

import json
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response

from dicomnode.web.dicomweb.addresses import Addresses
from dicomnode.web.dicomweb.attributes import Level
from dicomnode.web.dicomweb.holdings import Holdings
from dicomnode.web.dicomweb.json_model import addressed
from dicomnode.web.dicomweb.media_types import DICOM_JSON, JSON, Offer, choose
from dicomnode.web.dicomweb.problem import ALWAYS
from dicomnode.web.dicomweb.search import find
from dicomnode.web.dicomweb.search_request import read_search


def answer_search(
    request: Request,
    holdings: Holdings,
    addresses: Addresses,
    level: Level,
    study: str | None,
    series: str | None,
) -> Response:
    """Answer a search.

    Parameters
    ----------
    request : Request
    holdings : Holdings
    addresses : Addresses
    level : Level
    study, series : str or None
        UIDs of the path.

    Raises
    ------
    Problem
    """
    media = choose(request, (Offer(DICOM_JSON), Offer(JSON))).offer.media
    search = read_search(level, request.query_params.multi_items())
    service = addresses.service(request)
    matches = find(holdings, search, study, series)
    page = list(islice(matches, search.offset, search.offset + search.limit))
    more = sum(1 for _ in matches)
    told = []
    for match in page:
        address = addresses.of(request, *match.uids)
        text = json.dumps(match.told(search, address, study is not None), ensure_ascii=False)
        told.append(addressed(text.encode("utf-8", "replace"), address))
    warnings = list(search.warnings)
    if more:
        warnings.append(f"There are {more} additional results that can be requested")
    headers = dict(ALWAYS)
    if warnings:
        headers["Warning"] = ", ".join(f'299 {service} "{words}"' for words in warnings)
    return Response(b"[" + b",".join(told) + b"]", media_type=media, headers=headers)
