#!/usr/bin/env python3
"""Check what is in deploy/ with the tools that read it: check.py {prometheus|grafana|systemd|compose|kubernetes} DIR

DIR is a copy or the folder itself, so that tests can break a copy and see it refused. Every complaint is one line; the
exit code is 1 when there is any. A tool that is missing is a complaint too. Needs PyYAML and kubernetes-validate, which
`make setup` puts into $LEARNHUB_CACHE/tools/deploy.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
KUBERNETES = "1.31"
# Metrics that Prometheus itself makes.
BUILT_IN = {"up"}
STAGES = ["ingest", "transcode", "transcribe", "extract", "embed", "index", "publish", "certify"]
SUFFIXES = ("_bucket", "_count", "_sum")

complaints = []


def complain(text):
    complaints.append(text)


def main():
    checks = {"prometheus": prometheus, "grafana": grafana, "systemd": systemd, "compose": compose, "kubernetes": kubernetes}
    check, folder = checks[sys.argv[1]], Path(sys.argv[2])
    check(folder)
    print("\n".join(complaints))
    sys.exit(1 if complaints else 0)


def tool(command, advice):
    """What it said, and whether it was content. A missing tool is a complaint."""
    if not shutil.which(command[0]):
        complain(f"{command[0]} is missing: {advice}")
        return "", True
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return done.stdout.strip(), done.returncode == 0


# ---- metrics ---------------------------------------------------------------------------------------------------

def catalogue():
    """Name to labels, of docs/metrics.md."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", (ROOT / "docs" / "metrics.md").read_text(), re.M)
    metrics = {}
    for name, kind, labels in rows:
        for suffix in SUFFIXES if kind == "histogram" else ("",):
            metrics[name + suffix] = set(re.findall(r"`(\w+)`", labels)) | ({"le"} if suffix == "_bucket" else set())
    return metrics


def check_expression(place, expression):
    """Every metric of the expression is in the catalogue, with labels that it has."""
    known = catalogue()
    bare = re.sub(r'"[^"]*"', '""', expression)
    names = set(re.findall(r"\b(learnhub_\w+|process_\w+|up)\b", bare))
    if not names:
        complain(f"{place}: asks for no metric of ours: {expression}")
    for name in names:
        if name not in known and name not in BUILT_IN:
            complain(f"{place}: {name} is not in docs/metrics.md")
    for name, matchers in re.findall(r"\b(learnhub_\w+|process_\w+)\{([^}]*)\}", bare):
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers):
            if label not in known.get(name, set()) | {"job", "instance", "role"}:
                complain(f"{place}: {name} has no label {label}")


def prometheus(folder):
    rules = folder / "rules.yml"
    for command in (["check", "rules", rules], ["test", "rules", folder / "rules.test.yml"], ["check", "config", folder / "prometheus.yml"]):
        said, content = tool(["promtool", *map(str, command)], "run `make setup`, which installs Debian's package prometheus")
        if not content or "duplicate" in said:
            complain(f"promtool {command[0]} {command[1]}: {said}")
    groups = yaml.safe_load(rules.read_text())["groups"]
    cases = [case for test in yaml.safe_load((folder / "rules.test.yml").read_text())["tests"] for case in test["alert_rule_test"]]
    firing = {case["alertname"] for case in cases if case["exp_alerts"]}
    for rule in (rule for group in groups for rule in group["rules"]):
        check_expression(rule["alert"], rule["expr"])
        if rule["alert"] not in firing:
            complain(f"{rule['alert']} has no test in rules.test.yml that sees it fire")
        for key in ("summary", "action"):
            if not rule.get("annotations", {}).get(key):
                complain(f"{rule['alert']} has no {key}")


def grafana(folder):
    for path in sorted(folder.glob("*.json")):
        dashboard = json.loads(path.read_text())
        ids = [panel["id"] for panel in dashboard["panels"]]
        if len(ids) != len(set(ids)):
            complain(f"{path.name}: two panels have the same id")
        places = [(p["gridPos"]["x"], p["gridPos"]["y"], p["gridPos"]["w"], p["gridPos"]["h"]) for p in dashboard["panels"]]
        for number, (x, y, w, h) in enumerate(places):
            if x + w > 24 or any(x < b[0] + b[2] and b[0] < x + w and y < b[1] + b[3] and b[1] < y + h for b in places[number + 1 :]):
                complain(f"{path.name}: panel {dashboard['panels'][number]['title']} lies over another or outside")
        asked = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]
        for title, expression in asked:
            check_expression(f"{path.name}: {title}", expression)
            parse_promql(f"{path.name}: {title}", expression)
        unseen = {re.sub(r"_(bucket|count|sum)$", "", name) for name in catalogue()} - {
            re.sub(r"_(bucket|count|sum)$", "", name) for _, e in asked for name in re.findall(r"\b(?:learnhub|process)_\w+", e)}
        unseen -= {"process_max_fds", "process_start_time_seconds"}
        if unseen:
            complain(f"{path.name}: nothing shows {', '.join(sorted(unseen))}")


def parse_promql(place, expression):
    """promtool 2.42 has no parser to call: a rule file of one recording rule makes it parse."""
    expression = expression.replace("$__rate_interval", "5m")
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        json.dump({"groups": [{"name": "g", "rules": [{"record": "a:b", "expr": expression}]}]}, file)
        file.flush()
        said, content = tool(["promtool", "check", "rules", file.name], "run `make setup`, which installs Debian's package prometheus")
    if not content:
        complain(f"{place}: {said}")


# ---- settings --------------------------------------------------------------------------------------------------

def settings():
    """Variables of every key of workers.toml."""
    def walk(table, at):
        for key, value in table.items():
            if isinstance(value, dict):
                yield from walk(value, [*at, key])
            else:
                yield "LEARNHUB_" + "_".join([*at, key]).upper()

    return set(walk(tomllib.loads((ROOT / "workers.toml").read_text()), [])) | {"LEARNHUB_CACHE", "LEARNHUB_CONFIG"}


def check_variables(place, names):
    for name in sorted(set(names) - settings()):
        if name.startswith("LEARNHUB_"):
            complain(f"{place}: {name} is no key of workers.toml")


def drain_seconds():
    return tomllib.loads((ROOT / "workers.toml").read_text())["jobs"]["drain_seconds"]


# ---- systemd ---------------------------------------------------------------------------------------------------

def systemd(folder):
    with tempfile.TemporaryDirectory() as copy:
        units = []
        for unit in sorted([*folder.glob("*.service"), *folder.glob("*.timer")]):
            text = unit.read_text()
            check_variables(unit.name, re.findall(r"\bLEARNHUB_\w+(?==)", text))
            if "Type=notify" in text:
                stop = int(re.search(r"^TimeoutStopSec=(\d+)", text, re.M)[1])
                if stop <= drain_seconds() + 5:
                    complain(f"{unit.name}: TimeoutStopSec={stop} is no longer than the drain")
            # The program is not installed where this runs; an instance stands for its template.
            name = unit.name.replace("@.", "@transcode.")
            (Path(copy) / name).write_text(text.replace("/usr/bin/learnhub", "/bin/true"))
            units.append(str(Path(copy) / name))
        said, content = tool(["systemd-analyze", "verify", "--man=no", *units], "install Debian's package systemd")
        ours = [line for line in said.splitlines() if "learnhub" in line]
        if ours or not content:
            complain("systemd-analyze verify: " + "; ".join(ours or [said]))
        for unit in (unit for unit in units if unit.endswith(".service")):
            said, content = tool(["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", unit], "install Debian's package systemd")
            if not content:
                complain(f"{Path(unit).name}: more exposed than 2.5: {said.splitlines()[-1] if said else ''}")
    check_variables("learnhub.env", re.findall(r"^#?(LEARNHUB_\w+)=", (folder / "learnhub.env").read_text(), re.M))


# ---- compose ---------------------------------------------------------------------------------------------------

def compose(folder):
    text = (folder / "compose.yaml").read_text()
    services = yaml.safe_load(text)
    volumes, services = services["volumes"], services["services"]
    given = {line.split("=")[0] for line in (folder / ".env.example").read_text().splitlines() if re.match(r"[A-Z_]+=", line)}
    for name in set(re.findall(r"\$\{(\w+)", text)) ^ given:
        complain(f"compose.yaml and .env.example do not agree on {name}")
    worked = set()
    for name, service in services.items():
        ours = service["image"].startswith("learnhub")
        if not ours and not re.search(r":[\w.-]*\d[\w.-]*$", service["image"]):
            complain(f"{name}: {service['image']} is not pinned to a version")
        if ours:
            check_variables(name, service["environment"])
            seconds = float(service["stop_grace_period"].removesuffix("s"))
            if seconds <= drain_seconds() + 5:
                complain(f"{name}: stop_grace_period is no longer than the drain")
            if service["command"][0] == "worker":
                worked |= set(service["command"][2].split(","))
        if "healthcheck" not in service and service.get("restart") != "no":
            complain(f"{name} has no healthcheck")
        for other, how in service.get("depends_on", {}).items():
            if other not in services:
                complain(f"{name} depends on {other}, which there is not")
            elif how["condition"] == "service_healthy" and "healthcheck" not in services[other]:
                complain(f"{name} waits for the health of {other}, which has no healthcheck")
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                if not (folder / source).exists():
                    complain(f"{name} mounts {source}, which there is not")
            elif source not in volumes:
                complain(f"{name} mounts {source}, which is no volume")
    if worked != set(STAGES):
        complain(f"stages without a worker, or workers of no stage: {sorted(worked ^ set(STAGES))}")


# ---- Kubernetes ------------------------------------------------------------------------------------------------

SCALED_OBJECT = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {"spec": {
        "type": "object",
        "required": ["scaleTargetRef", "triggers"],
        "additionalProperties": False,
        "properties": {
            "scaleTargetRef": {"type": "object", "required": ["name"], "additionalProperties": False, "properties": {"name": {"type": "string"}}},
            "minReplicaCount": {"type": "integer", "minimum": 0},
            "maxReplicaCount": {"type": "integer", "minimum": 1},
            "pollingInterval": {"type": "integer"},
            "cooldownPeriod": {"type": "integer"},
            "triggers": {"type": "array", "minItems": 1, "items": {
                "type": "object",
                "required": ["type", "metadata", "authenticationRef"],
                "additionalProperties": False,
                "properties": {
                    "type": {"const": "postgresql"},
                    "metadata": {
                        "type": "object",
                        "required": ["query", "targetQueryValue"],
                        "additionalProperties": False,
                        "properties": {"query": {"type": "string"}, "targetQueryValue": {"type": "string", "pattern": "^[0-9]+$"}},
                    },
                    "authenticationRef": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
                },
            }},
        },
    }},
}
TRIGGER_AUTHENTICATION = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {"spec": {
        "type": "object",
        "required": ["secretTargetRef"],
        "properties": {"secretTargetRef": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["parameter", "name", "key"], "additionalProperties": False,
            "properties": {key: {"type": "string"} for key in ("parameter", "name", "key")}}}},
    }},
}


def kubernetes(folder):
    import jsonschema
    import kubernetes_validate

    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    listed, there = set(kustomization["resources"]), {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    for name in listed ^ there:
        complain(f"kustomization.yaml and the folder do not agree on {name}")
    documents = []
    for name in sorted(listed & there):
        for document in yaml.safe_load_all((folder / name).read_text()):
            documents.append(document)
            place = f"{name}: {document['kind']} {document['metadata']['name']}"
            try:
                if document["apiVersion"].startswith("keda.sh/"):
                    jsonschema.validate(document, {"ScaledObject": SCALED_OBJECT, "TriggerAuthentication": TRIGGER_AUTHENTICATION}[document["kind"]])
                else:
                    kubernetes_validate.validate(document, KUBERNETES, strict=True)
            except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
                complain(f"{place}: {error.message}")
            for key in ("data", "stringData"):
                if document["kind"] in ("ConfigMap", "Secret"):
                    check_variables(place, document.get(key, {}))

    if complaints:
        return  # what follows expects documents of the right shape

    def of(kind):
        return {document["metadata"]["name"]: document for document in documents if document["kind"] == kind}

    deployments, budgets, scalers = of("Deployment"), of("PodDisruptionBudget"), of("ScaledObject")
    claims, secrets = of("PersistentVolumeClaim"), {**of("Secret"), **of("ConfigMap")}
    for stage in STAGES:
        if f"learnhub-worker-{stage}" not in deployments:
            complain(f"stage {stage} has no deployment")
        scaler = scalers.get(f"learnhub-worker-{stage}", {}).get("spec", {})
        if not any(f"stage = '{stage}'" in trigger["metadata"]["query"] for trigger in scaler.get("triggers", [])):
            complain(f"stage {stage} has no scaler that counts its jobs")
        if scaler.get("scaleTargetRef", {}).get("name") != f"learnhub-worker-{stage}":
            complain(f"the scaler of stage {stage} scales something else")
    for name, deployment in deployments.items():
        pod = deployment["spec"]["template"]["spec"]
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        if deployment["spec"]["selector"]["matchLabels"].items() - labels.items():
            complain(f"{name} does not select its own pods")
        if budgets.get(name, {}).get("spec", {}).get("selector") != deployment["spec"]["selector"]:
            complain(f"{name} has no disruption budget of its own")
        if pod["terminationGracePeriodSeconds"] <= drain_seconds() + 5:
            complain(f"{name}: terminationGracePeriodSeconds is no longer than the drain")
        for container in pod["containers"]:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                if probe not in container:
                    complain(f"{name} has no {probe}")
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            wanted = 9100 if container["args"][0] == "worker" else 8080
            if ports.get("http") != wanted:
                complain(f"{name} is probed on {ports}, but answers on {wanted}")
    for document in documents:
        for reference in re.findall(r"'claimName': '([^']+)'", str(document)):
            if reference not in claims:
                complain(f"{document['metadata']['name']} mounts the claim {reference}, which there is not")
        for reference in re.findall(r"'(?:secretRef|configMapRef)': {'name': '([^']+)'}", str(document)):
            if reference not in secrets:
                complain(f"{document['metadata']['name']} reads {reference}, which there is not")


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
