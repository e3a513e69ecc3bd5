"""Every mode, rollout and arrangement of models, each as a stage that differs from dev by a few keys."""

MODEL = f"models/{'ab' * 32}/model.tar.gz"
OTHER = f"models/{'cd' * 32}/model.tar.gz"
DECODE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/decode:1"
NAMES = "111122223333.dkr.ecr.us-east-1.amazonaws.com/names:1"
ALARMS = {"error_percent": 2.5, "latency_p99_ms": 750.0, "minutes": 2}
SCHEDULE = {
    "name": "morning",
    "when": "cron(0 7 ? * MON-FRI *)",
    "time_zone": "Europe/Berlin",
    "min_instances": 2,
    "max_instances": 2,
}


def rollout(kind, **more):
    return {"kind": kind, "wait_seconds": 300, "alarms": ALARMS, **more}


VARIANTS = {
    "serverless": {
        "serving__mode": "serverless",
        "serving__serverless": {"memory_mb": 3072, "max_concurrency": 7, "provisioned_concurrency": 2},
        "serving__capture_percent": 0,
        "serving__encrypt_volume": False,
        "serving__scaling__enabled": False,
        "serving__rollout": rollout("canary", step_percent=10),
    },
    "async": {
        "serving__mode": "async",
        "serving__async": {"target_backlog": 5.5, "max_concurrent_per_instance": 4, "notify": True},
        "serving__scaling__min_instances": 0,
        "serving__rollout": rollout("rolling", step_percent=20, timeout_seconds=7200),
    },
    "a/b": {
        "serving__variants": [
            {
                "name": "blue-bird",
                "artifact": MODEL,
                "version": "8",
                "weight_percent": 15,
                "instance_type": "ml.c5.xlarge",
                "instance_count": 2,
            }
        ],
        "serving__rollout": rollout("linear", step_percent=25, keep_old_seconds=120),
        "serving__scaling__metric": "concurrency",
        "serving__scaling__target_concurrent_requests": 3.5,
        "serving__scaling__schedule": [SCHEDULE],
    },
    "shadow": {
        "serving__shadow": {"artifact": MODEL, "version": "8", "percent": 40, "instance_count": 3},
        "serving__rollout": rollout("canary", step_percent=20),
    },
    "isolated": {"network__isolated": True},
    "pipeline": {
        "serving__pipeline": {
            "before": [{"name": "decode", "image": DECODE}],
            "after": [{"name": "names", "image": NAMES, "artifact": OTHER}],
        },
        "serving__rollout": rollout("all-at-once", keep_old_seconds=600),
    },
}
