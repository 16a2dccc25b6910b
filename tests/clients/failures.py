"""Asks each operation of the reference for what is not there, and gives it a body that is none: all of it has to fail."""

import json
import os
import re
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

API, TOKEN = os.environ["POOLDNS_API"], os.environ["POOLDNS_TOKEN"]
REFERENCE = json.loads((Path(__file__).parent / "reference" / "openapi.json").read_text())
NOTHING = "0" * 32
METHODS = ("get", "put", "post", "patch", "delete")


def call(method, path, body=None, token=TOKEN):
    """The status of an answer, and the body."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data, headers, method=method.upper())
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


account = call("get", "/accounts")[1]["result"][0]["id"]
for template, item in REFERENCE["paths"].items():
    path = re.sub(r"{\w+}", NOTHING, template.replace("{account_id}", account))
    for method in METHODS:
        if method not in item:
            continue
        takes_body = method in ("put", "post", "patch")
        bodies = [{}, [], {"name": 7, "origins": "none", "type": []}] if takes_body else [None]
        for body in bodies:
            status, answer = call(method, path, body)
            # Lists and searches of everything cannot fail so.
            if NOTHING not in path and not takes_body:
                continue
            # A monitor may be all of defaults.
            if template.endswith("/monitors") and body == {}:
                continue
            assert 400 <= status < 500 and not answer["success"], f"{method} {path} {body}: {status} {answer}"
status, answer = call("get", f"/accounts/{NOTHING}/load_balancers/pools")
assert status == 404, answer
status, answer = call("get", "/user/load_balancers/pools", token="wrong")
assert status == 403 or status == 401, answer
