"""What Checkov need not like, and why: check -> logical ids (a pattern, without the hash) -> reason."""

ANY = ".*"
REASONS = {
    "CKV_AWS_158": {
        ANY: "Logs are encrypted by the service and hold no image and no caller's address; a key of ours would cost 1 a "
        "month each, and its loss would silence them"
    },
    "CKV_AWS_27": {
        "IntakeFailures": "SQS encrypts it with a key of its own; a message names an object and holds none of it, and "
        "under a key of ours EventBridge would need leave to use it",
        "IntakePictures": "As IntakeFailures",
    },
    "CKV_AWS_136": {ANY: "The image is public code; ECR encrypts it with its own key"},
    "CKV_AWS_116": {ANY: "Called synchronously, so that whoever calls gets the error; a queue would get nothing"},
    "CKV_AWS_117": {ANY: "Must reach public addresses of images; in a VPC that would need a NAT gateway, 33 a month"},
    "CKV_AWS_115": {
        ANY: "api.concurrency.reserved is the stage file's to set: a new account, whose limit is 10, refuses any"
    },
    "CKV_AWS_173": {ANY: "The environment holds settings and no secret"},
    "CKV_AWS_88": {
        "BoxLaunch": "Its address is its way out, for packages and Session Manager; no rule lets anybody in, and "
        "network.isolated = true takes it away. A NAT gateway would cost 33 a month"
    },
    "CKV_AWS_18": {"AccessLog": "This is the access log; logging reads of it would log itself"},
    "CKV_AWS_21": {"AccessLog": "Only the service writes here, never over what it wrote"},
}
