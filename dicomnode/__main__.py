"""``python -m dicomnode``."""

from dicomnode.commands import app

app()
