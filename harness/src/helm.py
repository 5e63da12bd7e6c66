"""One call of Helm's engine: a request as JSON on standard input, the answer as JSON on standard output."""

import json
import sys

import helm_python as helm
from helm_python import _native


def answer(request):
    chart, values = request["chart"], request["values"]
    if request["do"] == "render":
        loaded = helm.Chart.load(chart)
        options = {name: request[name] for name in ("name", "namespace", "kube_version")}
        # What `loaded.render` does, which has no parameter for the version of Kubernetes.
        return json.loads(_native.call_string("helm_render", loaded._raw(), json.dumps(values), json.dumps(options)))
    if request["do"] == "lint":
        report = helm.lint(chart, values, strict=True)
        messages = [f"{message['path']}: {message['error']}" for message in report["messages"] if message["severity"] > 1]
        return messages + report["errors"]
    if request["do"] == "package":
        return helm.package(chart, destination=request["destination"])
    raise SystemExit(f"unknown request: {request['do']}")


try:
    print(json.dumps(answer(json.load(sys.stdin))))
except helm.HelmError as error:
    raise SystemExit(str(error))
