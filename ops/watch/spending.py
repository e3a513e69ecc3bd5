"""This month's cost against the stage's budget, which AWS Budgets counts free of charge, up to a day late."""

from dataclasses import dataclass

from ops.stage import Stage


@dataclass(frozen=True)
class Spending:
    spent_usd: float
    limit_usd: float
    forecast_usd: float | None
    """None where AWS has seen too little of the month."""


def spending_of(stage: Stage) -> Spending | None:
    """None where the stage file sets no budget."""
    budgets = stage.resources("operations", "AWS::Budgets::Budget")
    if not budgets:
        return None
    client = stage.client("budgets")
    found = client.describe_budget(AccountId=stage.account.number, BudgetName=budgets[0])["Budget"]
    counted = found.get("CalculatedSpend", {})
    forecast = counted.get("ForecastedSpend", {}).get("Amount")
    return Spending(
        spent_usd=float(counted.get("ActualSpend", {}).get("Amount", 0)),
        limit_usd=float(found["BudgetLimit"]["Amount"]),
        forecast_usd=float(forecast) if forecast is not None else None,
    )
