"""What went wrong between the node and a DICOMweb source, in the retriever's terms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests

from dicomnode.faults import describe_fault
from dicomnode.retrieve.multipart import NotMultipart
from dicomnode.retrieve.source import Failed
from dicomnode.web_client import words_of

MENDABLE = (404, 408, 409, 425, 429)
"""Client errors that may pass: what is not there yet may come."""


def is_final(status: int) -> bool:
    """Whether asking again cannot mend an HTTP status."""
    return 400 <= status < 500 and status not in MENDABLE


@contextmanager
def as_failed() -> Iterator[None]:
    """Raise `Failed` in place of what a request, or the reading of its answer, raises."""
    try:
        yield
    except requests.HTTPError as error:
        code = error.response.status_code
        raise Failed(words_of(error), code, final=is_final(code)) from None
    except NotMultipart as error:
        raise Failed(f"what the source sent cannot be read: {error}") from None
    except requests.RequestException as error:
        final = isinstance(error, requests.TooManyRedirects)
        raise Failed(words_of(error), final=final) from None
    except ValueError as error:
        raise Failed(f"the answer cannot be used: {describe_fault(error)}") from None
