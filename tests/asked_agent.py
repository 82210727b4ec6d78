"""An agent whose answers a test controls, and clients of it."""

import json
import os
import socket
import threading
import time
import zlib

from opentelemetry.instrumentation.concurrency.agent.protocol import RequestError


class Answers:
    """Answers that a test controls: ``hello`` at once, ``wait`` when told to, ``large`` with many bytes."""

    def __init__(self):
        self.go = threading.Event()
        self.begun = threading.Event()
        self.ended = []

    def answer_at_once(self, conversation, reply):
        reply.facts["said"] = "hello"
        return conversation.request["request"] == "hello"

    def answer(self, conversation, reply, pause):
        name = conversation.request["request"]
        self.begun.set()
        try:
            if name == "wait":
                while not self.go.is_set():
                    pause()
            elif name == "large":
                for _ in range(conversation.request["megabytes"] * 16):
                    reply.write(os.urandom(1 << 16))
            elif name == "fail":
                raise ZeroDivisionError
            else:
                raise RequestError("request", f"no {name}")
            reply.write("done")
        finally:
            self.ended.append(name)


def connect(agent):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(agent.path)
    return client


def send(client, request, **options):
    client.sendall(json.dumps({"protocol": 1, "request": request, **options}).encode() + b"\n")


def received(client):
    """Return head and body of a whole reply."""
    data = b""
    while chunk := client.recv(1 << 16):
        data += chunk
    head, _, body = data.partition(b"\n")
    return json.loads(head), zlib.decompress(body) if body else b""


def asked(agent, request, **options):
    with connect(agent) as client:
        send(client, request, **options)
        return received(client)


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
