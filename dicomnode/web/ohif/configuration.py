"""What OHIF is told of the node: its ``app-config.js``."""

from __future__ import annotations

import json
from typing import Any

from dicomnode.web.dicomweb import PATH

_NAME = "node"


def app_config() -> str:
    """The script, for OHIF 3 on the same origin as DICOMweb.

    Nothing in it asks another machine: OHIF's other data sources and its sign-in are left out.
    """
    return f"window.config = {json.dumps(_configuration(), indent=1)};\n"


def _configuration() -> dict[str, Any]:
    source = {
        "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
        "sourceName": _NAME,
        "configuration": {
            "friendlyName": "Soft mask node",
            "name": _NAME,
            "qidoRoot": PATH,
            "wadoRoot": PATH,
            "wadoUriRoot": PATH,
            "qidoSupportsIncludeField": True,
            "supportsFuzzyMatching": False,
            "supportsWildcard": True,
            "supportsReject": False,
            "supportsStow": False,
            "dicomUploadEnabled": False,
            "imageRendering": "wadors",
            "thumbnailRendering": "wadors",
            "enableStudyLazyLoad": True,
            "staticWado": False,
            "singlepart": "bulkdata,video",
            "bulkDataURI": {"enabled": True},
            "omitQuotationForMultipartRequest": True,
        },
    }
    return {
        "name": "softmask-node",
        "routerBasename": None,
        "extensions": [],
        "modes": [],
        "customizationService": {},
        "showStudyList": True,
        "maxNumberOfWebWorkers": 3,
        "showWarningMessageForCrossOrigin": False,
        "showCPUFallbackMessage": True,
        "strictZSpacingForVolumeViewport": True,
        # What this shows is research, and OHIF says so once a session.
        "investigationalUseDialog": {"option": "always"},
        "showErrorDetails": "production",
        "maxNumRequests": {"interaction": 10, "thumbnail": 4, "prefetch": 6},
        "defaultDataSourceName": _NAME,
        "dataSources": [source],
    }
