"""Of each type, the properties that act in the embedded AWS, or are described as they were given; a person has looked.

A property that is new in a template stands here or in `local.inert`, with its reason.
"""

ACTING = {
    "AWS::ApiGatewayV2::Api": "CorsConfiguration Description Name ProtocolType Tags",
    "AWS::ApiGatewayV2::Authorizer": "ApiId AuthorizerType IdentitySource JwtConfiguration Name",
    "AWS::ApiGatewayV2::Integration": "ApiId IntegrationType IntegrationUri PayloadFormatVersion TimeoutInMillis",
    "AWS::ApiGatewayV2::Route": "ApiId AuthorizationScopes AuthorizationType AuthorizerId RouteKey Target",
    "AWS::ApiGatewayV2::Stage": "AccessLogSettings ApiId AutoDeploy DefaultRouteSettings RouteSettings StageName Tags",
    "AWS::ApplicationAutoScaling::ScalableTarget": (
        "MaxCapacity MinCapacity ResourceId ScalableDimension ScheduledActions ServiceNamespace Tags"
    ),
    "AWS::ApplicationAutoScaling::ScalingPolicy": (
        "PolicyName PolicyType ScalingTargetId StepScalingPolicyConfiguration TargetTrackingScalingPolicyConfiguration"
    ),
    "AWS::CloudTrail::Trail": (
        "EnableLogFileValidation EventSelectors IncludeGlobalServiceEvents IsLogging IsMultiRegionTrail KMSKeyId "
        "S3BucketName Tags TrailName"
    ),
    "AWS::CloudWatch::Alarm": (
        "AlarmActions AlarmDescription ComparisonOperator DatapointsToAlarm Dimensions EvaluationPeriods "
        "ExtendedStatistic InsufficientDataActions MetricName Metrics Namespace OKActions Period Statistic Tags "
        "Threshold TreatMissingData Unit"
    ),
    "AWS::CloudWatch::Dashboard": "Tags",
    "AWS::CodeBuild::Project": "Description ServiceRole Tags",
    "AWS::CodeDeploy::Application": "ComputePlatform Tags",
    "AWS::CodeDeploy::DeploymentConfig": "ComputePlatform TrafficRoutingConfig",
    "AWS::CodeDeploy::DeploymentGroup": (
        "AlarmConfiguration ApplicationName AutoRollbackConfiguration DeploymentConfigName DeploymentStyle "
        "ServiceRoleArn Tags"
    ),
    "AWS::EC2::FlowLog": (
        "DeliverLogsPermissionArn LogDestination LogDestinationType ResourceId ResourceType Tags TrafficType"
    ),
    "AWS::EC2::Instance": "LaunchTemplate Tags",
    "AWS::EC2::InternetGateway": "Tags",
    "AWS::EC2::LaunchTemplate": "LaunchTemplateData",
    "AWS::EC2::Route": "DestinationCidrBlock GatewayId RouteTableId",
    "AWS::EC2::RouteTable": "Tags VpcId",
    "AWS::EC2::SecurityGroup": "GroupDescription SecurityGroupEgress SecurityGroupIngress Tags VpcId",
    "AWS::EC2::SecurityGroupIngress": "Description GroupId IpProtocol SourceSecurityGroupId",
    "AWS::EC2::Subnet": "AvailabilityZone CidrBlock MapPublicIpOnLaunch Tags VpcId",
    "AWS::EC2::SubnetRouteTableAssociation": "RouteTableId SubnetId",
    "AWS::EC2::VPC": "CidrBlock EnableDnsHostnames EnableDnsSupport Tags",
    "AWS::EC2::VPCEndpoint": (
        "PolicyDocument PrivateDnsEnabled RouteTableIds SecurityGroupIds ServiceName SubnetIds Tags "
        "VpcEndpointType VpcId"
    ),
    "AWS::EC2::VPCGatewayAttachment": "InternetGatewayId VpcId",
    "AWS::ECR::Repository": "EmptyOnDelete ImageTagMutability Tags",
    "AWS::Events::Rule": "Description EventPattern ScheduleExpression State Tags Targets",
    "AWS::IAM::InstanceProfile": "Roles",
    "AWS::IAM::OIDCProvider": "ClientIdList Tags Url",
    "AWS::IAM::Role": "AssumeRolePolicyDocument MaxSessionDuration Policies Tags",
    "AWS::KMS::Key": "Description KeyPolicy Tags",
    "AWS::Lambda::Alias": "FunctionName FunctionVersion Name ProvisionedConcurrencyConfig",
    "AWS::Lambda::EventSourceMapping": (
        "BatchSize Enabled EventSourceArn FunctionName FunctionResponseTypes ScalingConfig"
    ),
    "AWS::Lambda::Function": (
        "Code DeadLetterConfig Description Environment Handler LoggingConfig ReservedConcurrentExecutions Role "
        "Tags Timeout"
    ),
    "AWS::Lambda::Permission": "Action FunctionName Principal SourceArn",
    "AWS::Lambda::Version": "FunctionName",
    "AWS::Logs::LogGroup": "RetentionInDays Tags",
    "AWS::S3::Bucket": (
        "BucketEncryption LifecycleConfiguration LoggingConfiguration NotificationConfiguration OwnershipControls "
        "PublicAccessBlockConfiguration Tags VersioningConfiguration"
    ),
    "AWS::S3::BucketPolicy": "Bucket PolicyDocument",
    "AWS::SNS::Subscription": "Endpoint Protocol TopicArn",
    "AWS::SNS::Topic": "KmsMasterKeyId Tags",
    "AWS::SNS::TopicPolicy": "PolicyDocument Topics",
    "AWS::SQS::Queue": "MessageRetentionPeriod RedrivePolicy Tags VisibilityTimeout",
    "AWS::SQS::QueuePolicy": "PolicyDocument Queues",
    "AWS::SSM::Parameter": "Description Tags Type Value",
    "AWS::SageMaker::Endpoint": (
        "DeploymentConfig EndpointConfigName EndpointName ExcludeRetainedVariantProperties "
        "RetainAllVariantProperties Tags"
    ),
    "AWS::SageMaker::EndpointConfig": (
        "AsyncInferenceConfig DataCaptureConfig ProductionVariants ShadowProductionVariants Tags"
    ),
    "AWS::SageMaker::Model": "Containers EnableNetworkIsolation ExecutionRoleArn PrimaryContainer Tags VpcConfig",
    "AWS::SageMaker::ModelPackageGroup": "ModelPackageGroupDescription ModelPackageGroupName Tags",
    "AWS::SageMaker::NotebookInstance": (
        "DirectInternetAccess InstanceMetadataServiceConfiguration LifecycleConfigName RoleArn RootAccess Tags"
    ),
    "AWS::SageMaker::NotebookInstanceLifecycleConfig": "OnStart Tags",
    "AWS::SageMaker::Pipeline": "PipelineDefinition PipelineDescription PipelineName RoleArn Tags",
}
