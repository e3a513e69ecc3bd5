"""The list of what is in the image: right, complete, and the same bytes for the same packages.

Whether it is valid CycloneDX is asked of CycloneDX's own library by the slow tests (test_image_build.py), as is the list
of a built image.
"""

import json

import pytest

from serving import sbom
from tests.serving.processes import ROOT

REQUIREMENTS = ROOT / "serving" / "requirements.txt"
STATUS = """Package: libstdc++6
Status: install ok installed
Architecture: amd64
Source: gcc-12
Version: 12.2.0-14+deb12u1
Description: GNU Standard C++ Library v3
 This package contains: much

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: base-files
Status: install ok installed
Architecture: amd64
Version: 1:12.4
"""


def printed(capsys, *words):
    assert sbom.main(words) == 0
    return capsys.readouterr().out


def test_committed_list_is_that_of_the_pins(capsys):
    committed = (ROOT / "docs" / "sbom.cdx.json").read_text()
    assert committed == printed(capsys, "--requirements", str(REQUIREMENTS)), "make sbom"


def test_every_pin_is_listed_with_its_licence():
    listed = {one["name"]: one for one in sbom.python_packages(sbom.pinned(REQUIREMENTS))}
    pins = dict(line.split("==") for line in REQUIREMENTS.read_text().splitlines() if "==" in line)
    assert {name: one["version"] for name, one in listed.items()} == pins
    assert [name for name, one in listed.items() if not one.get("licenses")] == []


def test_debian_packages_that_are_installed_are_listed(tmp_path):
    (tmp_path / "status").write_text(STATUS)
    (tmp_path / "os-release").write_text('PRETTY_NAME="Debian"\nID=debian\nVERSION_ID="12"\n')
    found = sbom.debian_packages(tmp_path / "status", tmp_path / "os-release")
    assert [one["purl"] for one in found] == [
        "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12",
        "pkg:deb/debian/base-files@1%3A12.4?arch=amd64&distro=debian-12",
    ]


def test_machine_without_dpkg_has_none(tmp_path):
    assert sbom.debian_packages(tmp_path / "status", tmp_path / "os-release") == []


def test_order_of_packages_changes_nothing_and_their_versions_the_serial_number():
    one, other = sbom.component("a", "1", "pkg:pypi/a@1"), sbom.component("b", "1", "pkg:pypi/b@1")
    assert sbom.document([one, other]) == sbom.document([other, one])
    renewed = sbom.document([one, sbom.component("b", "2", "pkg:pypi/b@2")])
    assert renewed["serialNumber"] != sbom.document([one, other])["serialNumber"]


def test_whole_list_names_python_itself(capsys):
    document = json.loads(printed(capsys))
    assert {"type": "library", "name": "python"}.items() <= document["components"][
        [one["name"] for one in document["components"]].index("python")
    ].items()


@pytest.mark.parametrize(("pin", "said"), [("numpy==0.0.1", "install the pins"), ("no-such-thing==1", "is nothing")])
def test_pin_that_is_not_installed_is_an_error(pin, said, tmp_path):
    (tmp_path / "requirements.txt").write_text(f"{pin}\n")
    with pytest.raises(SystemExit, match=said):
        sbom.pinned(tmp_path / "requirements.txt")
