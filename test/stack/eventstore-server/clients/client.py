"""The official Python clients against a writable log: `client.py esdbclient|kurrentdbclient URL`.

Prints one line of JSON with what it saw; exits 1 with a traceback when something is not as it should be.
"""

import importlib
import json
import sys
from uuid import uuid4

name, url = sys.argv[1:]
library = importlib.import_module(name)
Client = getattr(library, "KurrentDBClient", None) or library.EventStoreDBClient
WrongVersion = getattr(library.exceptions, "WrongCurrentVersionError", None) or library.exceptions.WrongCurrentVersion
NotFound = getattr(library.exceptions, "NotFoundError", None) or library.exceptions.NotFound
client = Client(url)
stream = f"python-{uuid4()}"


def event(number):
    return library.NewEvent(
        type=f"Python{number}", data=json.dumps({"number": number, "text": "héllo €"}).encode(), metadata=b'{"by":"python"}'
    )


def take(count, subscription):
    """Until the callers stop it: a subscription has no end of its own."""
    taken = []
    with subscription:
        for received in subscription:
            taken.append(received)
            if len(taken) == count:
                return taken


first = [event(0), event(1)]
position = client.append_to_stream(stream, current_version=library.StreamState.NO_STREAM, events=first)
again = client.append_to_stream(stream, current_version=library.StreamState.NO_STREAM, events=first)
assert again == position, "the same append again is the first one"
client.append_to_stream(stream, current_version=1, events=[event(2)])
try:
    client.append_to_stream(stream, current_version=0, events=[event(3)])
    raise AssertionError("a wrong version was taken")
except WrongVersion:
    pass

events = client.get_stream(stream)
assert [e.type for e in events] == ["Python0", "Python1", "Python2"], events
assert [e.stream_position for e in events] == [0, 1, 2]
assert json.loads(events[0].data) == {"number": 0, "text": "héllo €"}
assert events[0].id == first[0].id and json.loads(events[0].metadata) == {"by": "python"}
assert [e.type for e in client.get_stream(stream, backwards=True, limit=2)] == ["Python2", "Python1"]
try:
    client.get_stream(f"{stream}-absent")
    raise AssertionError("an absent stream was found")
except NotFound:
    pass
metadata, _ = client.get_stream_metadata(stream)
assert metadata == {}, metadata

# From the first event's position on, inclusive; names as the client writes them into a regular expression.
filtered = list(client.read_all(commit_position=events[0].commit_position, filter_include=[f"{stream}"], filter_by_stream_name=True))
assert [e.id for e in filtered] == [e.id for e in events], filtered
newest = list(client.read_all(backwards=True, limit=1))
assert len(newest) == 1 and newest[0].commit_position >= events[-1].commit_position

assert [e.type for e in take(3, client.subscribe_to_stream(stream))] == ["Python0", "Python1", "Python2"]
live = take(
    2,
    client.subscribe_to_all(
        commit_position=events[0].commit_position, filter_include=[stream], filter_by_stream_name=True
    ),
)
assert [e.type for e in live] == ["Python1", "Python2"], "a subscription starts after the position"

print(json.dumps({"client": name, "stream": stream, "events": len(events), "filtered": len(filtered)}))
client.close()
