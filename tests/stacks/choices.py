"""What a stage file may choose beside what the three stages choose: together they show every type and property."""

from tests.stacks.hosting import VARIANTS
from tests.stacks.pipelines import WEIGHTS

CHOICES = {
    **VARIANTS,
    # Whatever goes together, since each choice takes a second to be synthesized.
    "all that is off": {
        "api__auth": "jwt",
        "api__jwt": {"issuer": "https://id.example.com", "audience": ["whippet"], "scopes": ["whippet/predict"]},
        "api__cors": {"origins": ["https://app.example.com"], "max_age_seconds": 600},
        "api__tracing": True,
        "api__canary": {"percent": 10, "minutes": 5},
        "operations__trail__enabled": True,
        "operations__trail__data_events": True,
        "operations__idle__sweep": "stop",
        "operations__emails": ["a@example.com"],
        "operations__monthly_budget_usd": 10.0,
        "workbench__notebook__enabled": True,
        "training__hyperparameters__stage": "head",
        "training__weights": WEIGHTS,
        "training__spot": {"max_wait_seconds": 7201},
        "image__source": "docker",
    },
}
