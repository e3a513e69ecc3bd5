"""Service Quotas, reading only: what this machine's memory allows in jobs, as the account's quotas.

One number bounds all jobs together; it stands for each type and kind of job, since any may use all of it.
"""

from typing import Any

from local.json_service import AwsError, Call, JsonService, Operation
from local.listing import page
from local.records import Document, Scope
from local.shapes import service_model

# As AWS names the quotas, and the shape of botocore's model that lists the types.
USAGES = {
    "training job usage": "TrainingInstanceType",
    "processing job usage": "ProcessingInstanceType",
    "transform job usage": "TransformInstanceType",
}
SAGEMAKER = "sagemaker"


class ServiceQuotas:
    def __init__(self, instances: int) -> None:
        self._instances = instances
        self.service = JsonService(
            "service-quotas", "ServiceQuotasV20190624.", "servicequotas", missing="NoSuchResourceException"
        )
        for name in ("ListServiceQuotas", "ListAWSDefaultServiceQuotas"):
            self.service.add(name, Operation(self._list))
        self.service.add("GetServiceQuota", Operation(self._get))

    def _list(self, call: Call) -> Document:
        found = self._quotas(call.scope) if call.params["ServiceCode"] == SAGEMAKER else []
        return page(found, "Quotas", call.params, refusal="InvalidPaginationTokenException")

    def _get(self, call: Call) -> Document:
        service, code = call.params["ServiceCode"], call.params["QuotaCode"]
        found = self._quotas(call.scope) if service == SAGEMAKER else []
        quota = next((one for one in found if one["QuotaCode"] == code), None)
        if quota is None:
            raise AwsError(self.service.missing, f"The embedded AWS has no quota {code} of {service}.")
        return {"Quota": quota}

    def _quotas(self, scope: Scope) -> list[dict[str, Any]]:
        model = service_model(SAGEMAKER)
        names = [f"{kind} for {usage}" for usage, shape in USAGES.items() for kind in model.shape_for(shape).enum]
        return [
            {
                "ServiceCode": SAGEMAKER,
                "ServiceName": "Amazon SageMaker",
                "QuotaArn": f"arn:aws:servicequotas:{scope.region}:{scope.account}:{SAGEMAKER}/{_code(number)}",
                "QuotaCode": _code(number),
                "QuotaName": name,
                "Value": float(self._instances),
                "Unit": "None",
                "Adjustable": False,
                "GlobalQuota": False,
            }
            for number, name in enumerate(names)
        ]


def _code(number: int) -> str:
    return f"L-{number:08X}"
