"""Validates many JSON documents against the schemas of doc/schema in one process.

Arguments: the folder of the schemas, then files that hold one document each. The schema is chosen by
"type", that of a report by "schema". Schemas are made strict: a field that no schema names is a mistake here, though readers have
to ignore it. Prints one line for each document that is wrong.
"""
import copy
import glob
import json
import os
import sys

import jsonschema


def strict(schema):
    if isinstance(schema, dict):
        schema = {key: strict(value) for key, value in schema.items()}
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        return schema
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    return schema


def named(document):
    return document.get("type") or document.get("schema")


def main(folder, paths):
    validators = {}
    for path in glob.glob(os.path.join(folder, "*.json")):
        with open(path, encoding="utf-8") as file:
            schema = json.load(file)
        jsonschema.Draft7Validator.check_schema(schema)
        name = schema["properties"].get("type", schema["properties"]["schema"])["const"]
        validators[name] = jsonschema.Draft7Validator(strict(copy.deepcopy(schema)))
    wrong = 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        try:
            document = json.loads(text, parse_constant=lambda word: sys.exit(path + ": " + word))
        except ValueError as error:
            print(f"{path}: no JSON: {error}")
            wrong += 1
            continue
        validator = validators.get(named(document))
        if validator is None:
            print(f"{path}: no schema for {named(document)}")
            wrong += 1
            continue
        for error in validator.iter_errors(document):
            where = "/".join(str(part) for part in error.absolute_path)
            print(f"{path}: {named(document)} {where}: {error.message[:300]}")
            wrong += 1
            break
    print(f"{len(paths)} documents, {wrong} wrong, {len(validators)} schemas")
    return 1 if wrong else 0


sys.exit(main(sys.argv[1], sys.argv[2:]))
