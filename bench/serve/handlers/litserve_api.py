"""LitServe's program: the handlers of AWS's stack behind its API. `python litserve_api.py MODEL_DIR PORT WORKERS`."""

import sys
from typing import Annotated, Any

import inference
import litserve
from fastapi import Body
from starlette.responses import Response


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = inference.model_fn(sys.argv[1])

    def decode_request(self, request: Annotated[bytes, Body()]) -> bytes:
        return request

    def predict(self, body: bytes) -> Any:  # noqa: ANN401 (whatever the handler hands on)
        return inference.predict_fn(inference.input_fn(body, "image/jpeg"), self.model)

    def encode_response(self, logits: list[float]) -> Response:
        return Response(inference.output_fn(logits, "application/json"), media_type="application/json")


if __name__ == "__main__":
    server = litserve.LitServer(
        Api(api_path="/invocations"), accelerator="cpu", workers_per_device=int(sys.argv[3]), healthcheck_path="/ping"
    )
    server.run(
        port=int(sys.argv[2]), host="127.0.0.1", num_api_servers=1, log_level="warning", generate_client_file=False
    )
