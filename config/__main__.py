"""Print the JSON schema of a stage file: `python -m config` (`make schema` keeps it in config/stage.schema.json)."""

import json
import sys

from config.model import StageConfig

sys.stdout.write(json.dumps(StageConfig.model_json_schema(), indent=2) + "\n")
