"""One case: damage what a peer sends, let the receiver have it, and look at what follows."""

from __future__ import annotations

import logging
import random
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode

from benchmarks.fuzz_receiver.answers import Malformed, check_answers
from benchmarks.fuzz_receiver.damage import damaged_association, damaged_stream, pdus, torn
from benchmarks.fuzz_receiver.fed_socket import FedSocket
from benchmarks.fuzz_receiver.whole import RELEASE, SYNTAXES, Message, messages, requests
from dicomnode.commit.information import (
    InvalidInformation,
    outcome_dataset,
    outcome_of,
    read_outcome,
    read_request,
)
from dicomnode.receive.command_sets import InvalidCommandSet, Request, Response, decode
from dicomnode.receive.command_sets import encode_response as answer_to
from dicomnode.receive.commitment import INVALID_ARGUMENT, ReportHere
from dicomnode.receive.conversation import Conversation
from dicomnode.receive.encoded import InvalidInstance
from dicomnode.receive.header import read_data_set
from dicomnode.receive.intake import Refused
from dicomnode.receive.negotiation import Negotiator
from dicomnode.receive.offered import supported_contexts
from dicomnode.receive.sop_classes import CT_CLASSES, EXPLICIT_VR_LE, IMPLICIT_VR_LE
from dicomnode.receive.upper_layer import AcceptorConnection, ConnectionEnded, ProtocolError
from dicomnode.store.database import Database
from dicomnode.store.files import FileStore
from dicomnode.store.instances import InstanceIndex

MAX_S = 2.0
"""Processor time of one case; more is a hang."""

MAX_PDU = 16384
_RENEW_EVERY = 500


class Verdict(Enum):
    """What came of one case."""

    TAKEN = "taken"
    REFUSED = "refused by a typed error"
    CRASH = "crash"
    HANG = "hang"
    MALFORMED = "malformed answer"
    LEFT_OVER = "left over"


FAULTS = (Verdict.CRASH, Verdict.HANG, Verdict.MALFORMED, Verdict.LEFT_OVER)


@dataclass(frozen=True)
class Fault:
    """A case that the receiver did not come through.

    Attributes
    ----------
    number : int
        It follows from the number and the seed.
    kind : str
        "association", "conversation", "command set" or "data set".
    verdict : Verdict
    words : str
    """

    number: int
    kind: str
    verdict: Verdict
    words: str


class Errors(logging.Handler):
    """Keeps what the node logs as an ERROR: a fault of its own that it caught."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def take(self) -> list[str]:
        """Give and forget."""
        lines, self.lines = self.lines, []
        return lines


class ReadCommitments:
    """Reads requests and reports as the node does, and answers without a database."""

    def requested(
        self, calling_ae: str, called_ae: str, action_type: int | None, information: Dataset
    ) -> ReportHere | None:
        try:
            request = read_request(information)
        except InvalidInformation as error:
            raise Refused(INVALID_ARGUMENT, str(error)) from None
        failed = [(reference, 0x0112) for reference in request.references[1:]]
        outcome = outcome_of(request.transaction_uid, request.references, failed)
        dataset = outcome_dataset(outcome)
        encoded = {
            IMPLICIT_VR_LE: encode(dataset, True, True),
            EXPLICIT_VR_LE: encode(dataset, False, True),
        }
        return ReportHere(1, int(outcome.event_type), encoded)

    def reported(self, calling_ae: str, event_type: int | None, information: Dataset) -> None:
        try:
            read_outcome(information)
        except InvalidInformation as error:
            raise Refused(INVALID_ARGUMENT, str(error)) from None

    def answered(self, report_id: int, status: int) -> None:
        pass


class Damaged(NamedTuple):
    """What is given to the receiver, and as what."""

    kind: str
    content: bytes
    syntax: str = ""


class Material:
    """Whole requests and messages, and the damaged ones that follow from a seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.requests = requests()
        self.messages = messages()
        self._stored = [message for message in self.messages if message.data_set]
        whole = [message.command for message in self.messages]
        self._others = [*whole, *(message.data_set for message in self._stored), *self.requests]

    def damaged(self, number: int) -> Damaged:
        """The case of a number; the same for the same seed."""
        chance = random.Random(self.seed * 1_000_003 + number)
        other = chance.choice(self._others)
        share = chance.random()
        if share < 0.2:
            whole = chance.choice(self.requests)
            content = damaged_association(whole, chance.choice(self.requests), chance)
            return Damaged("association", content + self._stream(chance, other))
        if share < 0.6:
            return Damaged("conversation", self._stream(chance, other))
        message = chance.choice(self._stored)
        if share < 0.85:
            return Damaged("command set", torn(message.command, other, chance))
        return Damaged(
            "data set", torn(message.data_set, other, chance), SYNTAXES[message.context_id]
        )

    def _stream(self, chance: random.Random, other: bytes) -> bytes:
        size = chance.choice((8, 40, 200, 16000))
        units: list[bytes] = []
        for _ in range(chance.choice((1, 1, 2, 4))):
            units += pdus(self._one(chance, other), size)
        units.append(RELEASE)
        return damaged_stream(units, other, chance)

    def _one(self, chance: random.Random, other: bytes) -> Message:
        message = chance.choice(self.messages)
        command, data_set = message.command, message.data_set
        part = chance.random()
        if part < 0.3:
            command = torn(command, other, chance)
        elif part < 0.6 and data_set is not None:
            data_set = torn(data_set, other, chance)
        return Message(message.context_id, command, data_set)


class Receiver:
    """The receiver's rooms in this process, with a store, without a network.

    Parameters
    ----------
    root : Path
        Gets a store. On a file system in memory a case takes no disk.
    """

    def __init__(self, root: Path, errors: Errors) -> None:
        self.store = FileStore(root, 0)
        self._errors = errors
        self._database = Database(f"sqlite:///{root / 'node.sqlite'}")
        self._database.upgrade()
        self._index = InstanceIndex(self._database, CT_CLASSES)
        self._negotiator = Negotiator(supported_contexts(True))
        self._commitments = ReadCommitments()
        self._greeting = requests()[1]
        self._served = 0
        self._greet()
        self._run: Mapping[str, Callable[[Damaged], Verdict]] = {
            "association": self._associate,
            "conversation": self._converse,
            "command set": self._decode,
            "data set": self._walk,
        }

    def close(self) -> None:
        self._database.close()

    def judge(self, number: int, damaged: Damaged, raising: bool = False) -> Verdict | Fault:
        """Let the receiver have a case, and say what came of it."""
        started = time.process_time()
        try:
            verdict = self._run[damaged.kind](damaged)
        except (ProtocolError, ConnectionEnded, InvalidCommandSet, InvalidInstance):
            verdict = Verdict.REFUSED
        except Malformed as error:
            return Fault(number, damaged.kind, Verdict.MALFORMED, str(error))
        except Exception as error:
            if raising:
                raise
            where = traceback.extract_tb(error.__traceback__)[-1]
            words = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
            return Fault(number, damaged.kind, Verdict.CRASH, words)
        if logged := self._errors.take():
            return Fault(number, damaged.kind, Verdict.CRASH, "; ".join(logged))
        spent = time.process_time() - started
        if spent > MAX_S:
            return Fault(number, damaged.kind, Verdict.HANG, f"{spent:.1f} s")
        return verdict

    def left_over(self) -> list[str]:
        """Files that no case may leave behind."""
        return sorted(path.name for path in self.store.incoming.iterdir())

    # -- the four ways in

    def _associate(self, damaged: Damaged) -> Verdict:
        socket = FedSocket(damaged.content)
        connection = AcceptorConnection(socket, MAX_PDU, 5.0)
        longest = 0
        try:
            request = connection.read_associate_request(self._negotiator)
            longest = request.proposal.max_pdu
            contexts = connection.accept(request, self._negotiator)
            calling, called = request.calling_ae_title, request.called_ae_title
            self._conversation(connection, contexts, calling, called).run()
            connection.confirm_release()
        except ProtocolError as error:
            connection.abort(error.reason)
            raise
        finally:
            check_answers(bytes(socket.answers), longest if longest > 6 else 0)
        return Verdict.TAKEN

    def _greet(self) -> None:
        """An association that the next conversations are on: negotiating takes most of the time."""
        self._socket = FedSocket(self._greeting)
        self._connection = AcceptorConnection(self._socket, MAX_PDU, 5.0)
        request = self._connection.read_associate_request(self._negotiator)
        self._contexts = self._connection.accept(request, self._negotiator)

    def _converse(self, damaged: Damaged) -> Verdict:
        self._served += 1
        if self._served % _RENEW_EVERY == 0:
            self._greet()
        self._socket.feed(damaged.content)
        try:
            self._conversation(self._connection, self._contexts, "PEER", "FUZZED").run()
            self._connection.confirm_release()
        except ProtocolError as error:
            self._connection.abort(error.reason)
            raise
        finally:
            check_answers(bytes(self._socket.answers), 16384)
        return Verdict.TAKEN

    def _conversation(
        self, connection: AcceptorConnection, contexts: dict, calling: str, called: str
    ) -> Conversation:
        return Conversation(
            connection=connection,
            contexts=contexts,
            calling_ae=calling,
            called_ae=called,
            store=self.store,
            index=self._index,
            max_object_bytes=2**20,
            on_stored=None,
            busy=lambda _: None,
            commitments=self._commitments,
        )

    def _decode(self, damaged: Damaged) -> Verdict:
        request = decode(damaged.content)
        if isinstance(request, Request):
            answer = decode(answer_to(request, 0xC000, "found this, expected that"))
            if not isinstance(answer, Response) and not request.command & 0x8000:
                raise Malformed("the answer to a request is no response")
        return Verdict.TAKEN

    def _walk(self, damaged: Damaged) -> Verdict:
        read_data_set(damaged.content, damaged.syntax)
        return Verdict.TAKEN
