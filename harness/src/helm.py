"""One call of Helm's engine: a request as JSON on standard input, the answer as JSON on standard output."""

import json
import sys

import helm_python as helm


def answer(request):
    chart, values = request["chart"], request["values"]
    if request["do"] == "render":
        loaded = helm.Chart.load(chart)
        return loaded.render(values, name=request["name"], namespace=request["namespace"])
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
