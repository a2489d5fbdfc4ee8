"""A client that shares nothing with the server but the .proto files: gRPC's C core and Google's
protobuf. Sends, reads back, compares field by field; says at the end what it has compared.

Arguments: the server that serves as both, the one that serves as the Doppler, the folder of the
.proto files, a folder to make, and the files of our certificate, its key and its authority.
"""

import itertools
import os
import sys
from collections import Counter

import grpc
from grpc_tools import protoc

BOTH, DOPPLER, PROTOS, OUT = sys.argv[1:5]
CERTIFICATE, KEY, AUTHORITY = (open(path, "rb").read() for path in sys.argv[5:8])
PATIENCE_S = 30
MESSAGE_BYTES_MAX = 10 << 20

os.mkdir(OUT)
FILES = ["events.proto", "plumbing/doppler.proto"]
FILES += [f"loggregator/v2/{name}.proto" for name in ("envelope", "ingress", "egress")]
OPTIONS = ["protoc", f"-I{PROTOS}", f"--python_out={OUT}", f"--grpc_python_out={OUT}"]
assert protoc.main(OPTIONS + [f"{PROTOS}/{name}" for name in FILES]) == 0
sys.path.insert(0, OUT)

import events_pb2 as v1
from loggregator.v2 import egress_pb2, egress_pb2_grpc, envelope_pb2 as v2, ingress_pb2_grpc
from plumbing import doppler_pb2 as plumbing, doppler_pb2_grpc as plumbing_grpc

KINDS = ["log", "counter", "gauge", "timer", "event"]
said = Counter()


def channel(address, **credentials):
    secure = grpc.ssl_channel_credentials(AUTHORITY, **credentials)
    options = [("grpc.ssl_target_name_override", "doppler")]
    return grpc.secure_channel(address, secure, options)


def ours(address):
    return channel(address, private_key=KEY, certificate_chain=CERTIFICATE)


def v2_envelopes():
    """Some of each kind, numbered by their timestamps."""
    for number in range(100):
        envelope = v2.Envelope(timestamp=1700000000000000000 + number, instance_id=str(number))
        envelope.source_id = "äpp" if number % 2 else "platform"
        kind = KINDS[number % 5]
        if kind == "log":
            envelope.log.payload = b"line %d \xff\x00 " % number + "ünïcödé ☃".encode()
            envelope.log.type = number // 5 % 2
        elif kind == "counter":
            envelope.counter.name, envelope.counter.delta = "requests", number
            envelope.counter.total = (1 << 63) + number
        elif kind == "gauge":
            metrics = envelope.gauge.metrics
            metrics["cpu"].unit, metrics["cpu"].value = "%", number / 7
            metrics["größe"].value = -0.5
        elif kind == "timer":
            timer = envelope.timer
            timer.name, timer.start, timer.stop = "http", -number, number
            envelope.tags["request_id"] = f"{number:08}-0000-4000-8000-000000000000"
            envelope.tags["peer_type"], envelope.tags["method"] = "Server", "PUT"
        else:
            envelope.event.title, envelope.event.body = "títle", "b\0dy"
        if number % 3:
            tags = envelope.tags
            tags["clé"], tags["empty"], tags["both"] = "välue 🎈", "", "new"
        if number % 4:
            deprecated = envelope.deprecated_tags
            deprecated["text"].text, deprecated["both"].text = "ölder", "old"
            deprecated["integer"].integer, deprecated["decimal"].decimal = -number, 0.25
            deprecated["nothing"].SetInParent()
        yield envelope


def v1_envelopes():
    for number in range(100):
        envelope = v1.Envelope(origin="peer", eventType=v1.Envelope.LogMessage)
        envelope.timestamp, log = number + 1, envelope.logMessage
        log.message, log.message_type = b"v1 %d \xff" % number, 1 + number % 2
        log.timestamp, log.app_id = number + 1, "äpp-v1"
        log.source_type, log.source_instance = "APP", "3"
        envelope.tags["clé"], envelope.job = "välue", "jöb"
        yield envelope


def preferred(envelope):
    """What a reader who prefers tags is promised."""
    moved = v2.Envelope()
    moved.CopyFrom(envelope)
    for key, value in envelope.deprecated_tags.items():
        kind = value.WhichOneof("data")
        if kind:
            moved.tags[key] = str(getattr(value, kind))
    moved.ClearField("deprecated_tags")
    return moved


def deprecated(envelope):
    """What any other reader is promised."""
    moved = v2.Envelope()
    moved.CopyFrom(envelope)
    for key, text in envelope.tags.items():
        moved.deprecated_tags[key].text = text
    moved.ClearField("tags")
    return moved


def selectors(kinds=KINDS, **source):
    for kind in kinds:
        selector = egress_pb2.Selector(**source)
        getattr(selector, kind).SetInParent()
        yield selector


def request(form=egress_pb2.EgressBatchRequest, kinds=KINDS, **more):
    return form(selectors=selectors(kinds), **more)


def opened(call):
    """The call, once the server has answered: what is sent from then on is for it."""
    call.initial_metadata()
    assert call.is_active(), call
    return call


def alone(message):
    return [message]


def taken(call, count, elements=alone):
    """So many elements and no more."""
    found = []
    while len(found) < count:
        found.extend(elements(next(call)))
    assert len(found) == count, f"{len(found)} for {count}"
    call.cancel()
    return found


def batch(message):
    assert len(message.batch) <= 100
    return message.batch


def equal(name, found, expected):
    for one, other in itertools.zip_longest(found, expected):
        assert one == other, f"{name}: {one!r} is not {other!r}"
    said[name] += len(expected)


def refused(name, code, text, call):
    try:
        answer = call()
        if hasattr(answer, "__next__"):
            answer = next(answer)
    except grpc.RpcError as error:
        assert error.code() == code, f"{name}: {error.code()} {error.details()}"
        assert text is None or error.details() == text, f"{name}: {error.details()!r}"
        said[name] += 1
    else:
        raise AssertionError(f"{name}: {answer!r}")


def eof(send, messages):
    """The server answers the end of a v2 sender's stream as upstream does."""
    refused("eof", grpc.StatusCode.UNKNOWN, "EOF", lambda: send(iter(messages), timeout=PATIENCE_S))


def send_v2(address, sent):
    """Half of it in batches of different sizes, half one at a time."""
    stub = ingress_pb2_grpc.IngressStub(ours(address))
    cuts = [0, 1, 1, 3, 20, 50]
    eof(stub.BatchSender, [v2.EnvelopeBatch(batch=sent[a:b]) for a, b in itertools.pairwise(cuts)])
    eof(stub.Sender, sent[50:])


def check_v2():
    sent = list(v2_envelopes())
    both = egress_pb2_grpc.EgressStub(ours(BOTH))
    doppler = egress_pb2_grpc.EgressStub(ours(DOPPLER))
    ask = lambda call, form, **more: opened(call(request(form, **more), timeout=PATIENCE_S))
    batches, ones = egress_pb2.EgressBatchRequest, egress_pb2.EgressRequest
    prefers = {"use_preferred_tags": True}
    as_is = lambda envelope: envelope
    calls = {
        "batched_preferred": (ask(both.BatchedReceiver, batches, **prefers), batch, preferred),
        "batched_deprecated": (ask(both.BatchedReceiver, batches), batch, deprecated),
        "receiver_preferred": (ask(both.Receiver, ones, **prefers), alone, preferred),
        "batched_doppler": (ask(doppler.BatchedReceiver, batches), batch, as_is),
    }
    logs = ask(both.BatchedReceiver, batches, kinds=["log"], **prefers)
    firehose = opened(subscribe(BOTH, "Subscribe", plumbing.SubscriptionRequest()))
    for address in (BOTH, DOPPLER):
        send_v2(address, sent)
    for name, (call, elements, form) in calls.items():
        found = taken(call, len(sent), elements)
        equal(name, found, [form(envelope) for envelope in sent])
    expected = [preferred(envelope) for envelope in sent if envelope.HasField("log")]
    equal("logs", taken(logs, len(expected), batch), expected)
    check_as_v1(sent, firehose)


def check_as_v1(sent, firehose):
    """All but events: v1 has none."""
    expected = [fields for envelope in sent for fields in fields_of_v1(envelope)]
    found = taken(firehose, len(expected))
    found = [v1.Envelope.FromString(message.payload) for message in found]
    assert all(envelope.IsInitialized() for envelope in found)
    found = [v1_fields(envelope) for envelope in found]
    equal("v2_as_v1", sorted(found, key=str), sorted(expected, key=str))


def fields_of_v1(envelope):
    """What a v2 envelope is in v1: an envelope for each metric of a gauge."""
    at = envelope.timestamp
    if envelope.HasField("log"):
        log = envelope.log
        yield (at, log.payload, log.type + 1, envelope.source_id)
    elif envelope.HasField("counter"):
        yield (at, "requests", envelope.counter.delta, envelope.counter.total)
    elif envelope.HasField("gauge"):
        for name, metric in envelope.gauge.metrics.items():
            yield (at, name, metric.value, metric.unit)
    elif envelope.HasField("timer"):
        yield (at, envelope.timer.start, envelope.timer.stop, "Server", "PUT")


def v1_fields(envelope):
    if envelope.HasField("logMessage"):
        log = envelope.logMessage
        return (log.timestamp, log.message, log.message_type, log.app_id)
    if envelope.HasField("counterEvent"):
        counter = envelope.counterEvent
        return (envelope.timestamp, counter.name, counter.delta, counter.total)
    if envelope.HasField("httpStartStop"):
        http = envelope.httpStartStop
        peer, method = v1.PeerType.Name(http.peerType), v1.Method.Name(http.method)
        return (envelope.timestamp, http.startTimestamp, http.stopTimestamp, peer, method)
    metric = envelope.valueMetric
    return (envelope.timestamp, metric.name, metric.value, metric.unit)


def subscribe(address, call, asked):
    stub = plumbing_grpc.DopplerStub(ours(address))
    return getattr(stub, call)(asked, timeout=PATIENCE_S)


def tags(envelope):
    return (envelope.tags[key] for key in ("clé", "job", "origin"))


def check_v1():
    sent = list(v1_envelopes())
    payloads = [envelope.SerializeToString() for envelope in sent]
    of_app = plumbing.Filter(appID="äpp-v1", log=plumbing.LogFilter())
    of_app = plumbing.SubscriptionRequest(filter=of_app)
    one = opened(subscribe(DOPPLER, "Subscribe", plumbing.SubscriptionRequest()))
    batched = opened(subscribe(DOPPLER, "BatchSubscribe", of_app))
    other = egress_pb2_grpc.EgressStub(ours(DOPPLER))
    other = opened(other.BatchedReceiver(request(kinds=["log"]), timeout=PATIENCE_S))
    pusher = plumbing_grpc.DopplerIngestorStub(ours(DOPPLER)).Pusher
    data = (plumbing.EnvelopeData(payload=payload) for payload in payloads)
    assert pusher(data, timeout=PATIENCE_S) == plumbing.PushResponse()
    equal("subscribe", [message.payload for message in taken(one, len(sent))], payloads)
    equal("batch_subscribe", taken(batched, len(sent), lambda message: message.payload), payloads)
    as_v2 = [
        (e.timestamp, e.source_id, e.instance_id, e.log.payload, e.log.type, *tags(e))
        for e in taken(other, len(sent), batch)
    ]
    logs = [(e.timestamp, e.logMessage) for e in sent]
    expected = [
        (at, log.app_id, "3", log.message, log.message_type - 1, "välue", "jöb", "peer")
        for at, log in logs
    ]
    equal("v1_as_v2", as_v2, expected)


def check_sizes():
    """A message as large as allowed comes through; one more byte ends its stream."""
    reader = egress_pb2_grpc.EgressStub(ours(DOPPLER))
    reader = opened(reader.BatchedReceiver(request(kinds=["log"]), timeout=PATIENCE_S))
    message = v2.EnvelopeBatch()
    while message.ByteSize() < MESSAGE_BYTES_MAX - 100_100:
        message.batch.add().log.payload = bytes(100_000)
    last = message.batch.add().log
    last.payload = bytes(50_000)
    last.payload += bytes(MESSAGE_BYTES_MAX - message.ByteSize())
    assert message.ByteSize() == MESSAGE_BYTES_MAX, message.ByteSize()
    send = ingress_pb2_grpc.IngressStub(ours(DOPPLER)).BatchSender
    eof(send, [message])
    equal("ten_mebibytes", taken(reader, len(message.batch), batch), message.batch)
    last.payload += b"!"
    text = "grpc: received message larger than max (10485761 vs. 10485760)"
    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    refused("oversize", code, text, lambda: send(iter([message]), timeout=PATIENCE_S))


def check_refusals():
    codes = grpc.StatusCode
    both, doppler = ours(BOTH), ours(DOPPLER)
    unknown = lambda path: both.unary_unary(path)(b"", timeout=PATIENCE_S)
    asked = lambda *selectors: egress_pb2_grpc.EgressStub(both).BatchedReceiver(
        egress_pb2.EgressBatchRequest(selectors=selectors), timeout=PATIENCE_S
    )
    refused("empty", codes.INVALID_ARGUMENT, "Selectors cannot be empty", asked)
    text = "Selectors must have a Message"
    kindless = lambda: asked(egress_pb2.Selector(source_id="a"))
    refused("kindless", codes.INVALID_ARGUMENT, text, kindless)
    send = ingress_pb2_grpc.IngressStub(both).Send
    text = "this endpoint is not yet implemented"
    refused("send", codes.UNIMPLEMENTED, text, lambda: send(v2.EnvelopeBatch(), timeout=PATIENCE_S))
    text = "unknown method Nope for service loggregator.v2.Ingress"
    refused("method", codes.UNIMPLEMENTED, text, lambda: unknown("/loggregator.v2.Ingress/Nope"))
    text = "unknown service foo.Bar"
    refused("service", codes.UNIMPLEMENTED, text, lambda: unknown("/foo.Bar/Baz"))
    receiver = egress_pb2_grpc.EgressStub(doppler).Receiver
    asks = request(egress_pb2.EgressRequest)
    text = "use BatchedReceiver instead"
    refused("receiver", codes.UNIMPLEMENTED, text, lambda: receiver(asks, timeout=PATIENCE_S))
    silent = egress_pb2_grpc.EgressStub(doppler).BatchedReceiver
    nothing = egress_pb2.EgressBatchRequest()
    refused("silent", codes.DEADLINE_EXCEEDED, None, lambda: silent(nothing, timeout=0.3))
    nobody = egress_pb2_grpc.EgressStub(channel(BOTH)).BatchedReceiver
    refused("nobody", codes.UNAVAILABLE, None, lambda: nobody(request(), timeout=PATIENCE_S))


check_v2()
check_v1()
check_sizes()
check_refusals()
print(*(f"{name} {count}" for name, count in said.items()), sep="\n")
