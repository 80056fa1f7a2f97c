# Verifies and makes ARC sets by dkimpy: a line of JSON with op, message (base64) and keys; a line with the result.
import base64, json, sys
import dkim

for line in sys.stdin:
    question = json.loads(line)
    message = base64.b64decode(question["message"])
    if question["op"] == "verify":
        keys = {name + ".": text for name, text in question["keys"].items()}
        status, _, reason = dkim.arc_verify(
            message, dnsfunc=lambda name, timeout=5: keys.get(name.decode(), "").encode()
        )
        answer = {"status": status and status.decode(), "reason": reason}
    else:
        lines = dkim.arc_sign(
            message,
            question["selector"].encode(),
            question["domain"].encode(),
            question["key"].encode(),
            question["server"].encode(),
        )
        answer = {"set": base64.b64encode(b"".join(lines)).decode()}
    print(json.dumps(answer), flush=True)
