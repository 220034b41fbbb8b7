"""The node's settings: one validated tree from TOML and the environment.

Environment variables win over the file: ``DICOMNODE_LISTEN__PORT=11113`` sets ``port`` in
``[listen]``. A wrong setting stops the start with its line and the reason.
"""

from dicomnode.settings.file import SettingsError, load_settings
from dicomnode.settings.node import NodeSettings
from dicomnode.settings.peers import (
    CommitmentSettings,
    Destination,
    DicomDestination,
    DicomPeer,
    DicomSource,
    DicomWeb,
    DicomWebSource,
    FolderDestination,
    Source,
    StowDestination,
)
from dicomnode.settings.receiving import (
    CallerSettings,
    CollectSettings,
    ListenSettings,
    PressureSettings,
    RetentionSettings,
    RetrieveSettings,
    StoreSettings,
)
from dicomnode.settings.section import AETitle, Port, RungName, RungOptions
from dicomnode.settings.telling import (
    AlertSettings,
    AuditSettings,
    CollectorSettings,
    EmailSettings,
    LogSettings,
    WebhookSettings,
    read_secret,
)
from dicomnode.settings.web import WebSettings
from dicomnode.settings.working import (
    CircuitSettings,
    ConfirmSettings,
    NetworkSettings,
    ProbeSettings,
    PublishSettings,
    RetrySettings,
    SegmentSettings,
)

__all__ = [
    "AETitle",
    "AlertSettings",
    "AuditSettings",
    "CallerSettings",
    "CircuitSettings",
    "CollectSettings",
    "CollectorSettings",
    "CommitmentSettings",
    "ConfirmSettings",
    "Destination",
    "DicomDestination",
    "DicomPeer",
    "DicomSource",
    "DicomWeb",
    "DicomWebSource",
    "EmailSettings",
    "FolderDestination",
    "ListenSettings",
    "LogSettings",
    "NetworkSettings",
    "NodeSettings",
    "Port",
    "PressureSettings",
    "ProbeSettings",
    "PublishSettings",
    "RetentionSettings",
    "RetrieveSettings",
    "RetrySettings",
    "RungName",
    "RungOptions",
    "SegmentSettings",
    "SettingsError",
    "Source",
    "StoreSettings",
    "StowDestination",
    "WebSettings",
    "WebhookSettings",
    "load_settings",
    "read_secret",
]
