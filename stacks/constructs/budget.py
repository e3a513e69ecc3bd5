"""What the stage may cost a month, by its tags."""

from aws_cdk import aws_budgets as budgets
from constructs import Construct

from stacks.constructs.topic import NewsTopic

EARLY_PERCENT = 80
WHOLE_PERCENT = 100


class MonthlyBudget(Construct):
    """Sees nothing until `project` and `stage` are activated as cost allocation tags, which no template can do."""

    def __init__(
        self, scope: Construct, id: str, *, monthly_usd: float, project: str, stage: str, news: NewsTopic
    ) -> None:
        super().__init__(scope, id)
        # Both tags must fit: with the older filter by tag one of them would do.
        both = budgets.CfnBudget.ExpressionProperty(and_=[_tagged("project", project), _tagged("stage", stage)])
        resource = budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=monthly_usd, unit="USD"),
                filter_expression=both,
                metrics=["UnblendedCost"],
            ),
            notifications_with_subscribers=[
                _told("ACTUAL", EARLY_PERCENT, news),
                _told("ACTUAL", WHOLE_PERCENT, news),
                _told("FORECASTED", WHOLE_PERCENT, news),
            ],
        )
        # Budgets tries the topic when it is subscribed.
        resource.node.add_dependency(news.policy)


def _tagged(key: str, value: str) -> budgets.CfnBudget.ExpressionProperty:
    return budgets.CfnBudget.ExpressionProperty(
        tags=budgets.CfnBudget.TagValuesProperty(key=key, values=[value], match_options=["EQUALS"])
    )


def _told(kind: str, percent: int, news: NewsTopic) -> budgets.CfnBudget.NotificationWithSubscribersProperty:
    return budgets.CfnBudget.NotificationWithSubscribersProperty(
        notification=budgets.CfnBudget.NotificationProperty(
            notification_type=kind, comparison_operator="GREATER_THAN", threshold=percent, threshold_type="PERCENTAGE"
        ),
        subscribers=[budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=news.topic.topic_arn)],
    )
