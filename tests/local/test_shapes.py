"""Properties are checked against botocore's model of the call, and templates' texts become what it wants."""

import pytest

from local.shapes import ShapeError, coerced, output, validate

VARIANT = {"VariantName": "main", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}


def config(**more):
    return {"EndpointConfigName": "c", "ProductionVariants": [{**VARIANT, **more}]}


def test_sound_properties_pass():
    validate("sagemaker", "CreateEndpointConfig", config())


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (config(InstanceType="ml.none"), r"ProductionVariants\[0\].InstanceType is 'ml.none', allowed are"),
        (config(InitialInstanceCount="one"), "Invalid type for parameter ProductionVariants"),
        (config(VariantName="under_score"), "does not match"),
        (config(VolumeSizeInGB=513), "at most 512 allowed"),
        (config(Colour="blue"), "Unknown parameter"),
        ({"EndpointConfigName": "c"}, "Missing required parameter"),
    ],
)
def test_unsound_properties_are_a_sentence(params, sentence):
    with pytest.raises(ShapeError, match=sentence):
        validate("sagemaker", "CreateEndpointConfig", params)


def test_texts_of_a_template_become_numbers_and_booleans():
    found = coerced("sagemaker", "CreateEndpointConfig", config(InitialInstanceCount="2", EnableSSMAccess="true"))
    assert found["ProductionVariants"][0]["InitialInstanceCount"] == 2
    assert found["ProductionVariants"][0]["EnableSSMAccess"] is True


def test_answer_holds_no_internal_field():
    assert output("sagemaker", "CreateModel", {"ModelArn": "a", "_name": "n"}) == {"ModelArn": "a"}
