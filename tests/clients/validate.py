"""Holds recorded answers against the reference.

    validate.py FILE

Every answer has to be what the reference says of its operation, every operation has to have been seen to succeed, and
what is another way has to stand in `deviations.md`, with its reason. What stands there and was not seen is a failure too.
"""

import json
import re
import sys
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from jsonschema import Draft4Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT4

FOLDER = Path(__file__).parent
BASE = "/client/v4"
METHODS = ("get", "put", "post", "patch", "delete")
# Where references point to, once they are of the validator.
DOCUMENT = "urn:reference"
FAILURE = f"{DOCUMENT}#/components/schemas/load-balancing_api-response-common-failure"
SEARCH = ("GET", "/accounts/{account_id}/load_balancers/search")
# The reference wants a list, and an object: the latter is what the clients find.
SEARCH_SCHEMA = {
    "allOf": [
        {"$ref": f"{DOCUMENT}#/components/schemas/load-balancing_api-response-common"},
        {"$ref": f"{DOCUMENT}#/components/schemas/load-balancing_search_result"},
    ]
}
# A deviation: `* `METHOD path`: reason`, or `* `METHOD path` `place in the answer`: reason`.
DEVIATION = re.compile(r"^\* `(\w+) (\S+)`(?: `(\S+)`)?: \S")

formats = FormatChecker(formats=())


@formats.checks("date-time", raises=ValueError)
def is_time(value):
    """Whether a text is a time (RFC 3339)."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def plain(schema):
    """A schema of OpenAPI as one of JSON Schema: whole references, and no `nullable`."""
    if isinstance(schema, list):
        return [plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: plain(part) for key, part in schema.items()}
    if isinstance(schema.get("$ref"), str):
        schema["$ref"] = DOCUMENT + schema["$ref"]
    if schema.get("nullable") is True:
        del schema["nullable"]
        return {"anyOf": [schema, {"enum": [None]}]}
    return schema


reference = plain(json.loads((FOLDER / "reference" / "openapi.json").read_text()))
registry = Registry().with_resource(DOCUMENT, DRAFT4.create_resource(reference))
operations = {}
for template, item in reference["paths"].items():
    for method in METHODS:
        if method in item:
            operations[method.upper(), template] = item[method]


def operation_of(method, path):
    """The operation that an answer belongs to: of several that fit, the one with the fewest variables."""
    fits = [
        (template.count("{"), template)
        for known, template in operations
        if known == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path)
    ]
    return (method, min(fits)[1]) if fits else None


def breaches(answer, schema):
    """What is wrong with an answer: places and reasons."""
    validator = Draft4Validator(schema, registry=registry, format_checker=formats)
    for error in validator.iter_errors(answer):
        leaves = list(innermost(error))
        for leaf in leaves:
            # An index says nothing of a rule.
            place = "/".join("*" if isinstance(part, int) else str(part) for part in leaf.absolute_path)
            yield f"/{place}", leaf.message


def innermost(error):
    """The errors that an error is made of: of alternatives, those that came furthest."""
    if not error.context:
        yield error
        return
    deepest = max(len(inner.absolute_path) for inner in error.context)
    for inner in error.context:
        # `null` is the alternative that nobody meant.
        if len(inner.absolute_path) == deepest and inner.validator_value != [None]:
            yield from innermost(inner)


def schema_of(operation, status):
    """What an answer has to be."""
    if status >= 300:
        # What the reference has for failures says that they are successes as well.
        return {"$ref": FAILURE}
    if operation == SEARCH:
        return SEARCH_SCHEMA
    return operations[operation]["responses"]["200"]["content"]["application/json"]["schema"]


allowed = set()
for line in (FOLDER / "deviations.md").read_text().splitlines():
    if match := DEVIATION.match(line):
        method, template, place = match.groups()
        allowed.add((method, template, place))

succeeded, found, count = set(), {}, 0
for line in Path(sys.argv[1]).read_text().splitlines():
    record = json.loads(line)
    path = urlsplit(record["path"]).path.removeprefix(BASE)
    operation = operation_of(record["method"], path)
    if operation is None:
        continue
    count += 1
    assert record["type"] == "application/json", record
    answer = json.loads(record["body"])
    if record["status"] < 300:
        succeeded.add(operation)
    for place, why in breaches(answer, schema_of(operation, record["status"])):
        found.setdefault((*operation, place), why[:200])
for operation in operations:
    if operation not in succeeded:
        found[*operation, None] = "never seen to succeed"

failures = [f"{' '.join(filter(None, where))}: {why}" for where, why in found.items() if where not in allowed]
failures += [f"{' '.join(filter(None, where))}: in deviations.md, and not seen" for where in allowed - set(found)]
print(f"{count} answers of {len(succeeded)} operations; {len(found)} deviations")
if failures:
    sys.exit("\n".join(sorted(failures)))
