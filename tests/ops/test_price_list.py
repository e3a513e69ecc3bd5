"""What AWS's Price List API says of an hour, where the snapshot says nothing. The answers have the shape of its documents."""

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.stub import Stubber

from ops.price_list import PriceList
from ops.prices import Prices

REGION = "eu-central-1"
TODAY = f"{datetime.now(UTC):%Y-%m-%d}"


@pytest.fixture
def pricing():
    client = boto3.client("pricing", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        stub.client = client
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def asked(pricing, tmp_path):
    return lambda: PriceList(lambda: pricing.client, REGION, tmp_path / "prices")


def product(usage, usd, unit="Hrs", **attributes):
    price = {"unit": unit, "pricePerUnit": {"USD": usd}}
    return json.dumps(
        {
            "product": {"attributes": {"usagetype": usage, "regionCode": REGION, **attributes}},
            "terms": {"OnDemand": {"SKU.TERM": {"priceDimensions": {"SKU.TERM.RATE": price}}}},
        }
    )


def says(pricing, *products, **wanted):
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
    service = "AmazonSageMaker" if "instanceName" in wanted else "AmazonEC2"
    expected = {"ServiceCode": service, "Filters": filters} if wanted else None
    pricing.add_response("get_products", {"PriceList": list(products)}, expected)


def test_a_type_of_sagemakers_costs_what_its_hosting_does(pricing, asked):
    products = [product(f"EUC1-{use}:ml.m5.large", usd) for use, usd in (("Train", "0.2"), ("Host", "0.138"))]
    says(pricing, *products, regionCode=REGION, instanceName="ml.m5.large")
    assert asked().hourly("ml.m5.large") == 0.138


def test_a_type_that_is_not_for_hosting_has_a_price_where_all_its_uses_agree(pricing, asked):
    found = asked()
    says(pricing, product("EUC1-Notebk:ml.t3.medium", "0.058"), product("EUC1-Processing:ml.t3.medium", "0.058"))
    assert found.hourly("ml.t3.medium") == 0.058
    says(pricing, product("EUC1-Notebk:ml.x", "0.058"), product("EUC1-Processing:ml.x", "0.06"))
    assert found.hourly("ml.x") is None


def test_a_box_is_a_linux_machine_on_demand_with_nobody_elses_software(pricing, asked):
    says(
        pricing,
        product("EUC1-BoxUsage:m5.xlarge", "0.23"),
        product("EUC1-BoxUsage:m5.xlarge", "0"),
        product("EUC1-BoxUsage:m5.xlarge", "99", unit="Quantity"),
        regionCode=REGION,
        instanceType="m5.xlarge",
        operatingSystem="Linux",
        preInstalledSw="NA",
        tenancy="Shared",
        capacitystatus="Used",
    )
    assert asked().hourly("m5.xlarge") == 0.23


def test_what_was_read_is_kept_for_a_month_and_not_asked_again(pricing, asked, tmp_path):
    says(pricing, product("EUC1-Host:ml.m5.large", "0.138"))
    says(pricing)
    assert (asked().hourly("ml.m5.large"), asked().hourly("ml.none")) == (0.138, None)
    assert (asked().hourly("ml.m5.large"), asked().hourly("ml.none")) == (0.138, None)
    file = tmp_path / "prices" / f"{REGION}.json"
    old = f"{datetime.now(UTC) - timedelta(days=31):%Y-%m-%d}"
    file.write_text(file.read_text().replace(TODAY, old))
    says(pricing, product("EUC1-Host:ml.m5.large", "0.15"))
    assert asked().hourly("ml.m5.large") == 0.15


@pytest.mark.parametrize("content", ["", "{", "[]", '{"ml.m5.large": 1}', '{"ml.m5.large": {"usd": 1}}'])
def test_what_was_kept_and_cannot_be_read_is_asked_for(pricing, asked, tmp_path, content):
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / f"{REGION}.json").write_text(content)
    says(pricing, product("EUC1-Host:ml.m5.large", "0.138"))
    assert asked().hourly("ml.m5.large") == 0.138


def test_a_folder_that_cannot_be_written_costs_no_price(pricing, asked, tmp_path):
    (tmp_path / "prices").write_text("a file")
    says(pricing, product("EUC1-Host:ml.m5.large", "0.138"))
    assert asked().hourly("ml.m5.large") == 0.138


def test_refused_it_is_not_asked_again_and_says_why(pricing, asked):
    pricing.add_client_error("get_products", "AccessDeniedException", "no")
    found = Prices(REGION, asked())
    assert (found.hourly("ml.m5.large"), found.hourly("ml.m5.xlarge")) == (None, None)
    assert found.source == (
        "Prices of eu-central-1, on demand, by nothing that is known here. ops/prices.toml holds those of us-east-1, so "
        "that all but instances is unpriced. AWS's price list was not read. These credentials may not call GetProducts: no"
    )


def test_each_source_is_named(pricing, asked):
    assert Prices("us-east-1", asked()).source == (
        "Prices of us-east-1, on demand, by the dated snapshot in ops/prices.toml."
    )
    says(pricing, product("EUC1-Host:ml.m5.large", "0.138"))
    found = Prices(REGION, asked())
    assert (found.hourly("ml.m5.large"), found.other("gp3 GiB-month")) == (0.138, None)
    assert found.source.startswith(f"Prices of eu-central-1, on demand, by AWS's price list as read on {TODAY}. ")


def test_the_list_is_asked_only_for_what_the_snapshot_has_not(pricing, tmp_path):
    here = Prices("us-east-1", PriceList(lambda: pricing.client, "us-east-1", tmp_path))
    assert here.hourly("ml.m5.large") == 0.115
    says(pricing, product("USE1-Host:ml.m5.24xlarge", "5.53"), regionCode="us-east-1", instanceName="ml.m5.24xlarge")
    assert here.hourly("ml.m5.24xlarge") == 5.53
