"""Stage files: one commented TOML a stage, the model that reads them and the rules that refuse what cannot work."""

from config.load import ConfigError, available_stages, load_stage
from config.model import StageConfig

__all__ = ["ConfigError", "StageConfig", "available_stages", "load_stage"]
