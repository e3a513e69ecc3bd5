"""The typed shape of a stage file: one section a field, each in its own module of `sections`.

The text below a field is its description in the JSON schema that editors show: `make schema` writes it.
"""

from config.sections.api import Api
from config.sections.data import Data
from config.sections.image import Image
from config.sections.model import Model
from config.sections.network import Network
from config.sections.operations import Operations
from config.sections.section import Section
from config.sections.serving import Serving
from config.sections.stage import Stage
from config.sections.training import Training
from config.sections.workbench import Workbench


class StageConfig(Section):
    """A Whippet stage: everything that a person sets, in one file."""

    stage: Stage
    data: Data
    network: Network
    image: Image
    training: Training
    model: Model
    serving: Serving
    api: Api
    operations: Operations
    workbench: Workbench
