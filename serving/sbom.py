"""What is in the image, as a CycloneDX document: Debian's packages, Python, and Python's packages.

    python -m serving.sbom > sbom.cdx.json                                        # of the machine that it runs on
    python -m serving.sbom --requirements serving/requirements.txt > sbom.json    # of what the image adds to its base

The same packages give the same bytes: sorted, without a time, the serial number taken from the content. Standard
library only, since the image is built with it.
"""

import argparse
import importlib.metadata
import json
import platform
import re
import sys
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

DPKG_STATUS = Path("/var/lib/dpkg/status")
OS_RELEASE = Path("/etc/os-release")
# makes serial numbers of other programs' documents differ from ours
NAMESPACE = uuid.UUID("6f0f1f0c-5a55-5f0e-8c53-2d1f7f3f9a41")

Component = dict[str, Any]


def document(components: list[Component]) -> dict[str, Any]:
    """The whole document; components sorted by what names them."""
    ordered = sorted(components, key=lambda component: str(component["bom-ref"]))
    serial = uuid.uuid5(NAMESPACE, json.dumps(ordered, sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial.urn,
        "version": 1,
        "metadata": {
            "component": {"type": "container", "bom-ref": "whippet-serving", "name": "whippet-serving"},
            "properties": [{"name": "whippet:made-by", "value": "serving/sbom.py"}],
        },
        "components": ordered,
        "dependencies": [{"ref": "whippet-serving", "dependsOn": [one["bom-ref"] for one in ordered]}],
    }


def debian_packages(status: Path, release: Path) -> list[Component]:
    """Those that dpkg says are installed; none where there is no dpkg."""
    if not status.is_file():
        return []
    facts = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', release.read_text(), re.MULTILINE)) if release.is_file() else {}
    distribution = f"{facts.get('ID', 'debian')}-{facts.get('VERSION_ID', 'unknown')}"
    return [
        component(
            fields["Package"],
            fields["Version"],
            f"pkg:deb/{facts.get('ID', 'debian')}/{quote(fields['Package'])}@{quote(fields['Version'])}"
            f"?arch={fields['Architecture']}&distro={distribution}",
        )
        for fields in stanzas(status.read_text(errors="replace"))
        if fields.get("Status", "").endswith(" installed")
    ]


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """dpkg's paragraphs, each as its one-line fields."""
    for paragraph in text.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if {"Package", "Version", "Architecture"} <= fields.keys():
            yield fields


def python_packages(names: Sequence[str]) -> list[Component]:
    """Installed distributions, with their licences as far as they say which."""
    return [pypi_component(importlib.metadata.distribution(name)) for name in names]


def installed_names() -> list[str]:
    return sorted({str(found.metadata["Name"]) for found in importlib.metadata.distributions()})


def pypi_component(found: importlib.metadata.Distribution) -> Component:
    name = re.sub(r"[-_.]+", "-", str(found.metadata["Name"])).lower()
    made = component(name, found.version, f"pkg:pypi/{name}@{found.version}")
    licence = licence_of(found)
    return {**made, "licenses": [licence]} if licence else made


def licence_of(found: importlib.metadata.Distribution) -> dict[str, Any] | None:
    """An SPDX expression where the package has one, else the words that it uses."""
    facts = found.metadata.json
    if facts.get("license_expression"):
        return {"expression": facts["license_expression"]}
    prefix = "License :: OSI Approved :: "
    classified = [word.removeprefix(prefix) for word in facts.get("classifier", []) if word.startswith(prefix)]
    words = classified or str(facts.get("license", "")).strip().splitlines()
    return {"license": {"name": words[0]}} if words else None


def component(name: str, version: str, purl: str) -> Component:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def pinned(requirements: Path) -> list[str]:
    """Names in a file of pins; a pin that is not what is installed would describe something else, and is an error."""
    names = []
    for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", requirements.read_text(), re.MULTILINE):
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = "nothing"
        if installed != version:
            raise SystemExit(f"sbom: {requirements} pins {name} {version}; installed is {installed}, install the pins")
        names.append(name)
    return names


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m serving.sbom", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requirements", type=Path, help="only the packages pinned there, which must be installed")
    options = parser.parse_args(words)
    if options.requirements:
        components = python_packages(pinned(options.requirements))
    else:
        version = platform.python_version()
        components = [
            component("python", version, f"pkg:generic/python@{version}"),
            *debian_packages(DPKG_STATUS, OS_RELEASE),
            *python_packages(installed_names()),
        ]
    json.dump(document(components), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
