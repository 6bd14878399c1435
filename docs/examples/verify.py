#!/usr/bin/env python3
"""verify.py EXPORT.ndjson PUBLIC_KEY.pem [WITNESSED_HEADS.ndjson]: is a log what its signed heads say? (docs/AUDIT.md)"""
import base64, collections, hashlib, json, subprocess, sys, tempfile

def sha(*parts): return hashlib.sha256(b"".join(parts)).digest()

def openssl_accepts(key, text, signature):
    with tempfile.NamedTemporaryFile() as t, tempfile.NamedTemporaryFile() as s:
        t.write(text.encode()), t.flush(), s.write(base64.b64decode(signature)), s.flush()
        return subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", key, "-in", t.name, "-sigfile", s.name], capture_output=True).returncode == 0

def text_of(h):
    before = "previous {epoch} {size} {root}\n".format(**h["previous"]) if "previous" in h else ""
    return "parley tree head 1\nsize {size}\nroot {root}\nepoch {epoch}\nat {at}\nkey {keyId}\n".format(**h) + before

def check(export, key, heads=None):
    """None when all is well, else the first and the last position between which the log is not what was signed."""
    witnessed = {h["size"]: h["root"] for h in map(json.loads, open(heads) if heads else [])}
    stack, queue, size, good, last = [], collections.deque(), 0, 0, 0  # good: up to this position all is as it was signed
    for line in open(export, "rb"):
        try: event = json.loads(line)
        except ValueError: return good + 1, last + 1, "a line that is no event"
        if event["position"] <= last: return good + 1, event["position"], "positions that do not grow"
        last = event["position"]
        if event["type"] == "TreeHeadSigned" and event["stream"] == "parley-tree":
            head = {**event["data"], "at": event["metadata"]["at"]}
            if not openssl_accepts(key, text_of(head), head["signature"]): return last, last, "a head that the key did not sign"
            while size < head["size"] and queue:
                stack.append((0, queue[0][0])), (place := queue.popleft()[1])
                size += 1
                while len(stack) > 1 and stack[-1][0] == stack[-2][0]:
                    (n, right), (_, left) = stack.pop(), stack.pop()
                    stack.append((n + 1, sha(b"\1", left, right)))
                root = stack[-1][1]
                for _, left in stack[-2::-1]: root = sha(b"\1", left, root)
                if witnessed.pop(size, root.hex()) != root.hex(): return good + 1, place, "another history than a witness saw"
            if size != head["size"] or root.hex() != head["root"]: return good + 1, last, "another history than the head signs"
            good = place
        queue.append((sha(b"\0", b"{" + line.rstrip(b"\n").split(b",", 1)[1]), last))
    if any(n > size for n in witnessed): return last + 1, last + 1, "fewer events than a witness saw"
    return None if size or not last else (1, last, "no head")

if __name__ == "__main__":
    wrong = check(*sys.argv[1:])
    print("all that is signed is as it was signed" if wrong is None else "WRONG from position %d to %d: %s" % wrong)
    sys.exit(0 if wrong is None else 1)
