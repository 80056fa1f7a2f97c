"""Verifies and signs by Debian's python3-dkim: orders in JSON, one a line, answers likewise."""

import base64
import json
import sys

import dkim


def verify(order):
    message = base64.b64decode(order["message"])
    keys = order["keys"]
    verifier = dkim.DKIM(message)

    def record(name, timeout=5):
        text = keys.get(name.decode("ascii").rstrip("."))
        return None if text is None else text.encode("latin-1")

    try:
        return {"result": "pass" if verifier.verify(dnsfunc=record) else "fail", "reason": ""}
    except Exception as failure:  # its library of curves has errors of its own
        return {"result": "fail", "reason": str(failure)}


def sign(order):
    message = base64.b64decode(order["message"])
    header, body = order["canonicalization"].split("/")
    with open(order["keyFile"], "rb") as file:
        key = file.read()
    field = dkim.sign(
        message,
        order["selector"].encode(),
        order["domain"].encode(),
        key,
        canonicalize=(header.encode(), body.encode()),
        signature_algorithm=order["algorithm"].encode(),
    )
    return {"message": base64.b64encode(field + message).decode()}


for line in sys.stdin:
    order = json.loads(line)
    print(json.dumps(verify(order) if order["do"] == "verify" else sign(order)), flush=True)
