"""The command line: one file a command."""

from dicomnode.commands.app import app
from dicomnode.commands.audit import audit_app
from dicomnode.commands.backup import backup, restore
from dicomnode.commands.conformance import conformance
from dicomnode.commands.demo import demo
from dicomnode.commands.doctor import doctor
from dicomnode.commands.echo import echo
from dicomnode.commands.evaluate import evaluate
from dicomnode.commands.events import events
from dicomnode.commands.explain import explain
from dicomnode.commands.jobs import jobs
from dicomnode.commands.networks import networks
from dicomnode.commands.ohif import ohif
from dicomnode.commands.probe import probe
from dicomnode.commands.process import process
from dicomnode.commands.purge import purge
from dicomnode.commands.rules import rules_app
from dicomnode.commands.serve import serve
from dicomnode.commands.study import study_app
from dicomnode.commands.study_demo import study_demo
from dicomnode.commands.study_results import study_export, study_results_command
from dicomnode.commands.testcard import check_viewer
from dicomnode.commands.token import token_app
from dicomnode.commands.train import train
from dicomnode.commands.upgrade import upgrade

__all__ = [
    "app",
    "audit_app",
    "backup",
    "check_viewer",
    "conformance",
    "demo",
    "doctor",
    "echo",
    "evaluate",
    "events",
    "explain",
    "jobs",
    "networks",
    "ohif",
    "probe",
    "process",
    "purge",
    "restore",
    "rules_app",
    "serve",
    "study_app",
    "study_demo",
    "study_export",
    "study_results_command",
    "token_app",
    "train",
    "upgrade",
]
