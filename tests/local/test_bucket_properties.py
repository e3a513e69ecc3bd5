"""A template's bucket properties as the XML of the S3 call they belong to."""

from local import bucket_properties


def test_encryption_names_algorithm_and_key():
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn"}
    found = bucket_properties.encryption(
        {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": True}]}
    ).decode()
    assert "<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>arn</KMSMasterKeyID>" in found
    assert "<BucketKeyEnabled>true</BucketKeyEnabled>" in found


def test_lifecycle_rule_is_spelled_as_s3_does():
    rule = {"Id": "old", "Status": "Enabled", "ExpirationInDays": 30, "Prefix": "a&b/"}
    found = bucket_properties.lifecycle({"Rules": [rule]}).decode()
    assert "<Expiration><Days>30</Days></Expiration>" in found
    assert "<Filter><Prefix>a&amp;b/</Prefix></Filter>" in found


def test_logging_names_its_bucket():
    found = bucket_properties.logging({"DestinationBucketName": "logs", "LogFilePrefix": "p/"}).decode()
    assert "<TargetBucket>logs</TargetBucket><TargetPrefix>p/</TargetPrefix>" in found


def test_ownership_is_passed_on():
    found = bucket_properties.ownership({"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}).decode()
    assert "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>" in found
