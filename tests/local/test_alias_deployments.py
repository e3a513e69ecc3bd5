"""An alias under CodeDeploy: its calls move to the new version step by step, and back when an alarm goes off."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from local.clock import Clock
from local.codedeploy import routing
from local.invoked_aliases import version
from local.lambda_metrics import LambdaMetrics
from local.readings import Readings
from local.records import Scope
from tests.embedded import ALLOW_ALL, RATE, fresh, statement

pytestmark = pytest.mark.xdist_group("scaling")
CODE = "def handle(event, context):\n    if {broken}:\n        raise ValueError('broken')\n    return [{number}, context.invoked_function_arn]\n"
SHIFT = ["lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias", "cloudwatch:DescribeAlarms"]
# Of the clock that runs ahead: two seconds.
MINUTES = 2 * RATE // 60


def canary(percent, minutes):
    return {"type": routing.CANARY, "timeBasedCanary": {"canaryPercentage": percent, "canaryInterval": minutes}}


def linear(percent, minutes):
    return {"type": routing.LINEAR, "timeBasedLinear": {"linearPercentage": percent, "linearInterval": minutes}}


def test_canary_moves_a_share_and_then_the_rest():
    assert list(routing.steps(canary(10, 5))) == [routing.Step(0.1, 300), routing.Step(1.0, 0)]


@pytest.mark.parametrize(("percent", "shares"), [(40, [0.4, 0.8, 1.0]), (25, [0.25, 0.5, 0.75, 1.0])])
def test_linear_moves_equal_shares(percent, shares):
    found = list(routing.steps(linear(percent, 2)))
    assert [step.share for step in found] == shares
    assert [step.wait_seconds for step in found] == [120.0] * (len(shares) - 1) + [0.0]


def test_all_at_once_waits_for_nothing():
    assert list(routing.steps({"type": routing.AT_ONCE})) == [routing.Step(1.0, 0)]


def test_codedeploy_has_nine_configurations_of_its_own():
    found = routing.predefined()
    assert len(found) == 9
    assert [routing.fault(one) for one in found.values()] == [None] * 9
    assert found["CodeDeployDefault.LambdaLinear10PercentEvery1Minute"] == linear(10, 1)


@pytest.mark.parametrize(
    "wrong", [None, {}, canary(100, 5), canary(10, 0), linear(0, 1), {"type": routing.CANARY}], ids=str
)
def test_a_way_that_moves_nothing_is_a_sentence(wrong):
    assert routing.fault(wrong).endswith(".")


def test_a_call_goes_to_a_version_by_its_weight():
    alias = {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.25}}}
    drawn = [version(alias, lambda at=at: at / 100) for at in range(100)]
    assert (drawn.count("2"), drawn.count("1")) == (25, 75)
    assert version({"FunctionVersion": "1"}) == "1"


class Stack:
    """A function behind an alias that CodeDeploy moves, as CloudFormation makes it."""

    def __init__(self, embedded, granted=SHIFT, policy=None):
        self.embedded, self.name = embedded, fresh("stack")
        self.role = embedded.role(statement(granted, "*"), service="codedeploy")
        self.function_role = embedded.role(ALLOW_ALL, service="lambda")
        self.policy = policy or {}
        self.cloudformation = embedded.client("cloudformation")

    def template(self, number, broken=False, behind=None):
        # A number in the name, as CDK has a hash there: a version is made once.
        made = f"Version{number}"
        watched = [{"Name": {"Ref": "Alarm"}}]
        update = {
            "ApplicationName": {"Ref": "Application"},
            "DeploymentGroupName": {"Ref": "Group"},
            **self.policy,
        }
        resources = {
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": "python3.11",
                    "Handler": "index.handle",
                    "Role": self.function_role,
                    "Code": {"ZipFile": CODE.format(number=number, broken=broken)},
                },
            },
            made: {
                "Type": "AWS::Lambda::Version",
                "Properties": {"FunctionName": {"Ref": "Function"}},
                "DeletionPolicy": "Retain",
            },
            "Alias": {
                "Type": "AWS::Lambda::Alias",
                "Properties": {
                    "FunctionName": {"Ref": "Function"},
                    "Name": "live",
                    "FunctionVersion": {"Fn::GetAtt": [made, "Version"]},
                },
                "UpdatePolicy": {"CodeDeployLambdaAliasUpdate": update},
            },
            "Application": {"Type": "AWS::CodeDeploy::Application", "Properties": {"ComputePlatform": "Lambda"}},
            "Config": {
                "Type": "AWS::CodeDeploy::DeploymentConfig",
                "Properties": {
                    "ComputePlatform": "Lambda",
                    "TrafficRoutingConfig": {
                        "Type": "TimeBasedCanary",
                        "TimeBasedCanary": {"CanaryPercentage": 50, "CanaryInterval": MINUTES},
                    },
                },
            },
            "Group": {
                "Type": "AWS::CodeDeploy::DeploymentGroup",
                "Properties": {
                    "ApplicationName": {"Ref": "Application"},
                    "DeploymentConfigName": {"Ref": "Config"},
                    "ServiceRoleArn": self.role,
                    "DeploymentStyle": {"DeploymentOption": "WITH_TRAFFIC_CONTROL", "DeploymentType": "BLUE_GREEN"},
                    "AlarmConfiguration": {"Enabled": True, "Alarms": watched},
                    "AutoRollbackConfiguration": {
                        "Enabled": True,
                        "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"],
                    },
                },
            },
            "Alarm": {
                "Type": "AWS::CloudWatch::Alarm",
                "Properties": {
                    "Namespace": "AWS/Lambda",
                    "MetricName": "Errors",
                    "Dimensions": [
                        {"Name": "FunctionName", "Value": {"Ref": "Function"}},
                        {"Name": "Resource", "Value": {"Fn::Sub": "${Function}:live"}},
                    ],
                    "Statistic": "Sum",
                    "Period": 60,
                    "EvaluationPeriods": 1,
                    "Threshold": 0,
                    "ComparisonOperator": "GreaterThanThreshold",
                    "TreatMissingData": "notBreaching",
                },
            },
        }
        if behind:
            resources["Behind"] = {"Type": behind, "DependsOn": "Alias"}
        return json.dumps({"Resources": resources})

    def create(self):
        self.cloudformation.create_stack(StackName=self.name, TemplateBody=self.template(1))
        assert self.settled() == "CREATE_COMPLETE", self.reasons()
        return self

    def update(self, number=2, **more):
        while self.alarm()["StateValue"] == "ALARM":
            time.sleep(0.05)
        self.cloudformation.update_stack(StackName=self.name, TemplateBody=self.template(number, **more))
        return self

    def settled(self):
        while (status := self.status()).endswith("_IN_PROGRESS"):
            time.sleep(0.05)
        return status

    def status(self):
        return self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"]

    def reasons(self):
        events = self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return [one.get("ResourceStatusReason", "") for one in events if one["ResourceStatus"].endswith("_FAILED")]

    def resource(self, logical_id):
        found = self.cloudformation.describe_stack_resource(StackName=self.name, LogicalResourceId=logical_id)
        return found["StackResourceDetail"]["PhysicalResourceId"]

    def alias(self):
        found = self.embedded.client("lambda").get_alias(FunctionName=self.resource("Function"), Name="live")
        return found["FunctionVersion"], found.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})

    def split(self):
        """Once the alias has weights."""
        for _ in range(400):
            if (found := self.alias())[1]:
                return found
            time.sleep(0.01)
        raise AssertionError(self.reasons())

    def alarm(self):
        (found,) = self.embedded.client("cloudwatch").describe_alarms(AlarmNames=[self.resource("Alarm")])[
            "MetricAlarms"
        ]
        return found

    def ask(self):
        answer = self.embedded.client("lambda").invoke(FunctionName=self.resource("Function"), Qualifier="live")
        return answer["ExecutedVersion"], json.loads(answer["Payload"].read())

    def deployments(self):
        """Newest first."""
        client = self.embedded.client("codedeploy")
        names = client.list_deployments(applicationName=self.resource("Application"), deploymentGroupName=self.group)
        return [client.get_deployment(deploymentId=name)["deploymentInfo"] for name in names["deployments"]]

    @property
    def group(self):
        return self.resource("Group")


@pytest.fixture(scope="module")
def stack(fast):
    return Stack(fast).create()


def test_a_new_version_gets_its_share_first_and_then_all(fast, stack):
    assert stack.alias() == ("1", {})
    assert stack.update(2).split() == ("1", {"2": 0.5})
    (deployment,) = stack.deployments()
    assert (deployment["status"], deployment["creator"]) == ("InProgress", "CloudFormation")
    assert {stack.ask()[0] for _ in range(20)} == {"1", "2"}
    assert stack.settled() == "UPDATE_COMPLETE"
    assert stack.alias() == ("2", {})
    assert [one["status"] for one in stack.deployments()] == ["Succeeded"]
    function = stack.resource("Function")
    assert stack.ask() == ("2", [2, f"arn:aws:lambda:us-east-1:{fast.running.facts.account}:function:{function}:live"])


def test_what_changes_no_version_moves_nothing(fast, stack):
    before = len(stack.deployments())
    fast.client("lambda").update_alias(FunctionName=stack.resource("Function"), Name="live", Description="by hand")
    assert len(stack.deployments()) == before


def test_an_alarm_takes_a_new_version_back_and_fails_its_update(fast, stack):
    before = stack.alias()
    stack.update(3).split()
    alarm = stack.resource("Alarm")
    # The alarm is judged anew every minute, which is a fifth of a second here.
    while stack.deployments()[0]["status"] == "InProgress":
        fast.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="for this test")
    assert stack.settled() == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.alias() == before
    rollback, stopped = stack.deployments()[:2]
    assert (stopped["status"], stopped["errorInformation"]["code"]) == ("Stopped", "ALARM_ACTIVE")
    assert stopped["errorInformation"]["message"].endswith(f"Activated alarms: <{alarm}>")
    assert stopped["rollbackInfo"]["rollbackDeploymentId"] == rollback["deploymentId"]
    assert (rollback["status"], rollback["creator"]) == ("Succeeded", "codeDeployRollback")
    assert rollback["rollbackInfo"]["rollbackTriggeringDeploymentId"] == stopped["deploymentId"]
    assert f"{stopped['deploymentId']} failed. {stopped['errorInformation']['message']}" in stack.reasons()[0]


def test_a_broken_version_sets_off_its_alarm_by_its_own_readings(fast, stack):
    before = stack.alias()
    stack.update(4, broken=True).split()
    while stack.deployments()[0]["status"] == "InProgress":
        stack.ask()
    assert stack.settled() == "UPDATE_ROLLBACK_COMPLETE"
    assert "ALARM_ACTIVE" in [one.get("errorInformation", {}).get("code") for one in stack.deployments()]
    assert stack.alias() == before


def test_a_deployment_that_is_stopped_goes_back_where_that_is_asked(fast, stack):
    before = stack.alias()
    stack.update(5).split()
    deployment = stack.deployments()[0]["deploymentId"]
    fast.client("codedeploy").stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
    assert stack.settled() == "UPDATE_ROLLBACK_COMPLETE"
    found = fast.client("codedeploy").get_deployment(deploymentId=deployment)["deploymentInfo"]
    assert (found["status"], found["errorInformation"]["code"]) == ("Stopped", "MANUAL_STOP")
    assert stack.alias() == before
    with pytest.raises(ClientError, match="DeploymentAlreadyCompletedException"):
        fast.client("codedeploy").stop_deployment(deploymentId=deployment)


@pytest.mark.parametrize("missing", SHIFT)
def test_a_role_that_may_not_shift_calls_fails_the_update(fast, stack, missing):
    before, role = stack.alias(), stack.role
    granted = [one for one in SHIFT if one != missing]
    iam, name = fast.client("iam"), role.rsplit("/", 1)[-1]
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    given = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    narrowed = {**given, "Statement": [statement(granted, "*")]}
    iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(narrowed))
    try:
        stack.update(f"6{SHIFT.index(missing)}")
        assert stack.settled() == "UPDATE_ROLLBACK_COMPLETE"
    finally:
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(given))
    newest = next(one for one in stack.deployments() if one["creator"] == "CloudFormation")
    assert newest["errorInformation"]["code"] == "IAM_ROLE_PERMISSIONS"
    assert missing in newest["errorInformation"]["message"]
    assert stack.alias() == before


def test_what_fails_behind_it_moves_it_back_at_once(fast, stack):
    before, deployed = stack.alias(), len(stack.deployments())
    stack.update(8, behind="AWS::CodeDeploy::Application").split()
    assert stack.settled() == "UPDATE_ROLLBACK_COMPLETE"
    assert "The compute platform Server is not available" in stack.reasons()[0]
    assert stack.alias() == before
    assert len(stack.deployments()) == deployed + 1


def test_a_hook_is_refused_by_name(fast, stack):
    stack.policy = {"BeforeAllowTrafficHook": "function"}
    stack.update(7)
    stack.policy = {}
    assert stack.settled() == "UPDATE_ROLLBACK_COMPLETE"
    assert "BeforeAllowTrafficHook in the UpdatePolicy of an alias is not available" in stack.reasons()[0]


def test_an_alias_that_moved_meanwhile_is_left_alone(fast, stack):
    content = {"Name": stack.resource("Function"), "Alias": "live", "CurrentVersion": "99", "TargetVersion": "1"}
    spec = {"version": 0.0, "Resources": [{"it": {"Type": "AWS::Lambda::Function", "Properties": content}}]}
    before, client = stack.alias(), fast.client("codedeploy")
    deployment = client.create_deployment(
        applicationName=stack.resource("Application"),
        deploymentGroupName=stack.group,
        revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": json.dumps(spec)}},
    )["deploymentId"]
    while (found := client.get_deployment(deploymentId=deployment)["deploymentInfo"])["status"] != "Failed":
        time.sleep(0.02)
    assert found["errorInformation"]["code"] == "INVALID_LAMBDA_CONFIGURATION"
    assert stack.alias() == before


def test_what_codedeploy_is_asked_is_asked_about_by_group(fast, stack):
    account = fast.running.facts.account
    group = f"arn:aws:codedeploy:us-east-1:{account}:deploymentgroup:{stack.resource('Application')}/{stack.group}"
    deployment, names = stack.deployments()[0]["deploymentId"], {"applicationName": stack.resource("Application")}
    allowed = fast.client("codedeploy", fast.acting(statement("codedeploy:Get*", group)))
    assert allowed.get_deployment(deploymentId=deployment)
    assert allowed.get_deployment_group(**names, deploymentGroupName=stack.group)
    elsewhere = fast.client("codedeploy", fast.acting(statement("codedeploy:*", f"{group}-other")))
    for ask in (
        lambda: elsewhere.get_deployment(deploymentId=deployment),
        lambda: elsewhere.get_deployment_group(**names, deploymentGroupName=stack.group),
        lambda: elsewhere.stop_deployment(deploymentId=deployment),
        lambda: elsewhere.list_deployments(**names, deploymentGroupName=stack.group),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            ask()


def test_a_group_needs_a_role_that_codedeploy_may_assume(fast, stack):
    with pytest.raises(ClientError, match="InvalidRoleException"):
        fast.client("codedeploy").create_deployment_group(
            applicationName=stack.resource("Application"),
            deploymentGroupName=fresh("group"),
            serviceRoleArn=fast.role(service="lambda"),
        )


def test_servers_and_containers_are_refused_by_name(fast):
    with pytest.raises(ClientError, match="The compute platform ECS is not available in the embedded AWS"):
        fast.client("codedeploy").create_application(applicationName=fresh("application"), computePlatform="ECS")


def test_a_stack_takes_its_codedeploy_with_it(fast):
    stack = Stack(fast).create()
    application = stack.resource("Application")
    stack.cloudformation.delete_stack(StackName=stack.name)
    while application in fast.client("codedeploy").list_applications()["applications"]:
        time.sleep(0.05)


def test_calls_are_counted_by_function_alias_and_version():
    seen = []
    readings = Readings(Clock())
    readings.add = lambda place, namespace, dimensions, metric, unit, value: seen.append((dimensions, metric, value))
    place = Scope("000000000000", "us-east-1")
    LambdaMetrics(readings).publish(place, "f", "live", "2", {"error": True}, 5.0, 1)
    errors = [(tuple(dimensions.values()), value) for dimensions, metric, value in seen if metric == "Errors"]
    assert errors == [(("f",), 1.0), (("f", "f:live"), 1.0), (("f", "f:live", "2"), 1.0)]
    seen.clear()
    LambdaMetrics(readings).publish(place, "f", "", "", {"throttle": True}, 0.0, 1)
    assert [(metric, value) for _, metric, value in seen] == [("Throttles", 1.0)]
