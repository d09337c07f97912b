"""What a linter and a schema cannot see in the Dockerfile and in docker-compose.yml. Prints the faults.

Run by scripts/lint-packaging, in the top directory.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML


def faults() -> Iterator[str]:
    dockerfile = Path("Dockerfile").read_text()
    text = Path("docker-compose.yml").read_text()
    compose = YAML(typ="safe").load(text)
    yield from names(compose)
    yield from variables(compose)
    yield from ports(compose)
    yield from passwords(text)
    yield from tags(dockerfile, compose)
    yield from stubs(dockerfile)
    yield from compiled_in(dockerfile)


def names(compose: dict) -> Iterator[str]:
    """Whatever a service names is there, and nothing that always runs waits for what a profile switches off."""
    services = compose["services"]
    for name, service in services.items():
        for other in service.get("depends_on", {}):
            if other not in services:
                yield f"docker-compose.yml: {name} waits for {other}, which is not there"
            elif not set(services[other].get("profiles", [])) <= set(service.get("profiles", [])):
                yield f"docker-compose.yml: {name} waits for {other}, which its profile may switch off"
        for network in set(service.get("networks", [])) - set(compose["networks"]):
            yield f"docker-compose.yml: {name} is on {network}, which is not there"
        for volume in service.get("volumes", []):
            if volume.split(":")[0] not in compose["volumes"]:
                yield f"docker-compose.yml: {name} mounts {volume}, which is no volume of the file"


def variables(compose: dict) -> Iterator[str]:
    """What is handed to Attune is a variable of Attune."""
    known = Path(".env.example").read_text()
    for name in compose["services"]["attune"]["environment"]:
        if not re.search(rf"^#{name}=", known, re.MULTILINE):
            yield f"docker-compose.yml: Attune knows no {name}"


def ports(compose: dict) -> Iterator[str]:
    """Only Attune is published, and on loopback: whoever reaches it may do everything."""
    for name, service in compose["services"].items():
        for port in service.get("ports", []):
            if name != "attune" or not port.startswith("127.0.0.1:"):
                yield f"docker-compose.yml: {name} publishes {port}"
    if not compose["networks"]["inside"]["internal"] or compose["services"]["redis"]["networks"] != ["inside"]:
        yield "docker-compose.yml: redis is reached from elsewhere than the internal network"


def passwords(text: str) -> Iterator[str]:
    """The password comes from outside of the file and is never empty."""
    uses = re.findall(r"\$\{?REDIS_PASSWORD[^}\s]*", text)
    if not uses or not all(use.startswith("${REDIS_PASSWORD:?") for use in uses):
        yield "docker-compose.yml: REDIS_PASSWORD may be empty"


def tags(dockerfile: str, compose: dict) -> Iterator[str]:
    """Every image has a tag that says what it is."""
    images = re.findall(r"^FROM (\S+)", dockerfile, re.M)
    images += [service["image"] for service in compose["services"].values() if "image" in service]
    for image in images:
        if not re.search(r":(?!latest$)[\w.-]+$", image):
            yield f"{image} has no tag that stays"


def stubs(dockerfile: str) -> Iterator[str]:
    """The layer of the dependencies has a stub for every benchmark of the manifest, or cargo refuses it."""
    for bench in re.findall(r'^\[\[bench\]\]\nname = "(.+)"', Path("Cargo.toml").read_text(), re.M):
        if f"benches/{bench}.rs" not in dockerfile:
            yield f"Dockerfile: no stub for the benchmark {bench}"


def compiled_in(dockerfile: str) -> Iterator[str]:
    """Whatever is compiled into the binary is let through by .dockerignore and copied before the build."""
    copied = {word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.M) for word in line.split()}
    allowed = {line[1:] for line in Path(".dockerignore").read_text().splitlines() if line.startswith("!")}
    for missing in copied ^ allowed:
        yield f"{missing} is in one of Dockerfile and .dockerignore, and not in the other"
    root = Path.cwd()
    for source in Path("src").rglob("*.rs"):
        if source.name.endswith("tests.rs") or "tests" in source.parts:
            continue
        for target in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', source.read_text()):
            top = (source.parent / target).resolve().relative_to(root).parts[0]
            if top not in copied:
                yield f"Dockerfile: {source} compiles {target} in, and {top} is not copied"


found = sorted(set(faults()))
print("\n".join(found))
sys.exit(bool(found))
