"""What networks run on, said once at start."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import CancelledError, Future

from dicomnode.faults import describe_fault
from dicomnode.settings import NodeSettings
from models import REGISTRY
from pipelines.networks.options import CPU, Place, place_of

logger = logging.getLogger(__name__)


def say_where_networks_run(settings: NodeSettings, submit: Callable[..., Future[Place]]) -> None:
    """Log the device and the precision of the rules' networks; nothing where no rule names one.

    Parameters
    ----------
    settings : NodeSettings
    submit : callable
        Of the engine: a worker is asked, for the node itself needs no PyTorch.
    """
    named = {rule.method for rule in settings.rules} & set(REGISTRY)
    if not named:
        return
    options = settings.networks.options
    for name in sorted(named):
        own = None if options.weights is None else options.weights / f"{name}.safetensors"
        if own is not None and own.is_file() and REGISTRY[name].weights.is_file():
            logger.info("networks.weights network=%s the folder's, not the package's", name)

    def say(asked: Future[Place]) -> None:
        try:
            place = asked.result()
        except CancelledError:  # the node stops
            return
        except Exception as error:
            logger.error("networks.device %s", describe_fault(error))
            return
        fallen = options.device == "auto" and place == CPU
        logger.info(
            "networks.device device=%s precision=%s %s",
            place.device,
            place.precision,
            "(no CUDA device was found)" if fallen else "",
        )

    submit(place_of, options).add_done_callback(say)
