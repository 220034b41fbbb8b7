"""The ways that a message goes: SMTP and HTTP POST."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import requests

from dicomnode.alerts.message import Message
from dicomnode.open_sockets import OpenSockets
from dicomnode.settings import AlertSettings, EmailSettings, WebhookSettings
from dicomnode.web_client import words_of


class NotTold(Exception):
    """A channel did not take a message; the text holds no secret."""


def channels(settings: AlertSettings) -> dict[str, Callable[[Message, OpenSockets], None]]:
    """The channels that are configured, by name; each raises `NotTold`."""
    found: dict[str, Callable[[Message, OpenSockets], None]] = {}
    if settings.email is not None:
        found["email"] = lambda message, sockets: send_mail(settings.email, message, sockets)
    if settings.webhook is not None:
        found["webhook"] = lambda message, _: post(settings.webhook, message)
    return found


def send_mail(settings: EmailSettings, message: Message, sockets: OpenSockets) -> None:
    """Send a message by SMTP (RFC 5321), over TLS unless the settings say otherwise.

    Raises
    ------
    NotTold
    """
    try:
        with _connected(settings, sockets) as server:
            if settings.username:
                server.login(settings.username, settings.password)
            server.send_message(_mail(settings, message))
    except smtplib.SMTPResponseException as error:
        # The server's text is left out: after a login it may quote what it was told.
        raise NotTold(f"the mail server answered {error.smtp_code}") from None
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        raise NotTold(f"the mail could not be sent ({type(error).__name__})") from None


def _connected(settings: EmailSettings, sockets: OpenSockets) -> smtplib.SMTP:
    context = ssl.create_default_context(
        cafile=None if settings.ca_file is None else str(settings.ca_file)
    )
    values = {"timeout": settings.timeout_s, "local_hostname": socket.gethostname()}
    if settings.security == "tls":
        server = smtplib.SMTP_SSL(settings.host, settings.port, context=context, **values)
    else:
        server = smtplib.SMTP(settings.host, settings.port, **values)
    sockets.opened(server.sock)
    if settings.security == "starttls":
        server.starttls(context=context)
    return server


def _mail(settings: EmailSettings, message: Message) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = message.subject
    mail["From"] = settings.sender
    mail["To"] = ", ".join(settings.to)
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain=socket.gethostname())
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies
    mail.set_content(message.text)
    return mail


def post(settings: WebhookSettings, message: Message) -> None:
    """Post a message as JSON, with the token of the settings if there is one.

    Raises
    ------
    NotTold
    """
    try:
        headers = {}
        if settings.token_file is not None:
            headers["Authorization"] = f"Bearer {settings.token}"
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                str(settings.url),
                json={**message.data, "subject": message.subject, "text": message.text},
                headers=headers,
                timeout=settings.timeout_s,
                verify=True if settings.ca_file is None else str(settings.ca_file),
                # A token is for the server that was named, and nobody else.
                allow_redirects=False,
            )
    except requests.RequestException as error:
        raise NotTold(words_of(error)) from None
    except OSError as error:
        raise NotTold(f"the token cannot be read ({type(error).__name__})") from None
    if not 200 <= answer.status_code < 300:
        raise NotTold(f"HTTP {answer.status_code}")
