#!/usr/bin/env python3
"""verify.py EXPORT.ndjson[.gz] PUBLIC_KEY.pem [WITNESSED_HEADS.ndjson]: is a log what its signed heads say? (docs/AUDIT.md)"""
import base64, functools, gzip, hashlib, json, subprocess, sys, tempfile

def sha(*parts): return hashlib.sha256(b"".join(parts)).digest()
def wrong(first, to, why): sys.exit(f"WRONG from position {first} to {to}: {why}")
def is_signed(head, key):
    text = "parley tree head 1\nsize {size}\nroot {root}\nepoch {epoch}\nat {at}\nkey {keyId}\n".format(**head)
    if "previous" in head: text += "previous {epoch} {size} {root}\n".format(**head["previous"])
    with tempfile.NamedTemporaryFile() as file:  # openssl wants to know how long it is
        file.write(text.encode()), file.flush()
        openssl = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", key, "-in", file.name, "-sigfile", "/dev/stdin"]
        return subprocess.run(openssl, input=base64.b64decode(head["signature"]), capture_output=True).returncode == 0

export, key, *heads = sys.argv[1:]
witnessed = {head["size"]: head["root"] for head in map(json.loads, open(heads[0]))} if heads else {}
tree, waiting, size, root, good, last = [], [], 0, "", 0, 0  # good: up to this position all is as it was signed
try:
    for line in (gzip.open if export.endswith(".gz") else open)(export, "rb"):
        event = json.loads(line)
        if event["position"] <= last: wrong(good + 1, last + 1, "a position that is not after the one before it")
        last = event["position"]
        if (event["stream"], event["type"]) == ("parley-tree", "TreeHeadSigned"):
            head = {**event["data"], "at": event["metadata"]["at"]}
            if not is_signed(head, key): wrong(last, last, "a head that the key did not sign")
            covered, waiting = waiting[:head["size"] - size], waiting[head["size"] - size:]
            for position, node in covered:
                pairs, size = size, size + 1
                while pairs % 2: pairs, node = pairs // 2, sha(b"\1", tree.pop(), node)
                tree.append(node)  # the roots of the complete subtrees, as in RFC 9162
                if size == head["size"] or size in witnessed:
                    root = functools.reduce(lambda right, left: sha(b"\1", left, right), reversed(tree)).hex()
                    if witnessed.pop(size, root) != root: wrong(good + 1, position, "another history than a witness saw")
            if (size, root) != (head["size"], head["root"]): wrong(good + 1, last, "another history than the head signs")
            if covered: good = position
        waiting.append((last, sha(b"\0", b"{" + line.rstrip(b"\n").split(b",", 1)[1])))
except (ValueError, LookupError, TypeError, EOFError, gzip.BadGzipFile, gzip.zlib.error): wrong(good + 1, last + 1, "a line that is no event")
if any(seen > size for seen in witnessed): wrong(last + 1, last + 1, "fewer events than a witness saw")
if waiting and not size: wrong(1, last, "no head")
print("all that is signed is as it was signed")
